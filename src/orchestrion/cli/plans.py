"""`orchestrion plans`: catalogues of plans, looked at before a server reads them."""

from pathlib import Path

import click

from orchestrion.cli.printing import Rows, Shape, printer_in
from orchestrion.cli.refusals import Refusal
from orchestrion.core.plan_file import PlanFileError, catalogue_from_toml
from orchestrion.core.plans import Catalogue
from orchestrion.settings.values import read_file

HEADINGS = (
    *("plan", "USD", "workers", "tasks/cycle", "claims/h", "creates/h"),
    "days kept",
)


@click.group
def plans() -> None:
    """Look at catalogues of plans, which are files of an operator.

    For the plan of your own account, at a server, see `orchestrion plan`.
    """


@plans.command
@click.argument("file")
@click.option("--json", "shape", flag_value="json", help="Print the catalogue as JSON.")
def validate(file: str, shape: str | None) -> None:
    """Read a TOML file of plans as `serve --plans FILE` would, and print what it holds.

    A table on a terminal; elsewhere a JSON object. A file that cannot be used is
    refused with its line and the reason.
    """
    catalogue = _read(file)
    printer = printer_in(shape)
    if printer.single_shape() is Shape.TABLE:
        printer.rows(Rows(headings=HEADINGS, lines=_lines(catalogue)))
    else:
        printer.json(catalogue)
    click.echo(f"{file} can be used.", err=True)


def _read(file: str) -> Catalogue:
    try:
        return catalogue_from_toml(read_file(Path(file)))
    except PlanFileError as error:
        # What the file says may stand in the reason, on lines of its own.
        raise Refusal(f"{file}: {' '.join(str(error).split())}") from error
    except ValueError as error:
        raise Refusal(f"cannot read {file}: {error}") from error


def _lines(catalogue: Catalogue) -> list[tuple[str, ...]]:
    return [
        (
            plan_id,
            format(plan.price_usd, "f"),
            str(plan.max_workers),
            str(plan.tasks_per_cycle),
            str(plan.claims_per_hour),
            str(plan.creates_per_hour),
            str(plan.retention_days),
        )
        for plan_id, plan in catalogue.plans.items()
    ]
