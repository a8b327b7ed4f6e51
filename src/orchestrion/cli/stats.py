"""`orchestrion stats`: an account in numbers, once."""

import click

from orchestrion.cli.answers import whole
from orchestrion.cli.options import at_server
from orchestrion.cli.printing import Shape
from orchestrion.cli.reaching import Session
from orchestrion.cli.stats_table import picture
from orchestrion.cli.tasks_table import print_json
from orchestrion.client import insight


@click.command
@at_server()
def stats(session: Session) -> None:
    """Count your tasks by status and type, with their rates."""
    numbers, text = session.client.call(whole(insight.stats()))
    if session.printer.single_shape() is Shape.TABLE:
        session.printer.console().print(picture(numbers))
    else:
        print_json(session.printer, text)
    if numbers.counts.dead_letter:
        session.advise_to(session.command("dlq", "list"))
    else:
        waiting = (one.type for one in numbers.types if one.counts.pending)
        session.knows(task_type=next(waiting, None))
        session.advise(numbers.contract)
