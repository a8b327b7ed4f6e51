"""`orchestrion tasks`: everything one can do with tasks of a server."""

import click

from orchestrion.cli.tasks_changing import cancel, requeue
from orchestrion.cli.tasks_claiming import claim
from orchestrion.cli.tasks_creating import create
from orchestrion.cli.tasks_following import tail, watch
from orchestrion.cli.tasks_holding import complete, fail, heartbeat, release
from orchestrion.cli.tasks_reading import explain, get, list_


@click.group
def tasks() -> None:
    """Create, read, watch, work on and change tasks of a server.

    A table on a terminal, JSON elsewhere. Server and key come from --url and --key, from
    ORCHESTRION_URL and ORCHESTRION_API_KEY, or from a profile.
    """


for _command in (create, list_, get, watch, tail, claim, complete, fail, heartbeat, release):
    tasks.add_command(_command)
for _command in (cancel, requeue, explain):
    tasks.add_command(_command)
