"""The figures and tables that docs/scaling.md names are those of the code."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Final

import pytest

from orchestrion.copying.tables import PAGE_ROWS
from orchestrion.copying.transfer import AHEAD_SECONDS_MAX
from orchestrion.engine.lookout import LookoutLimits
from orchestrion.store.postgres.copies import WATCH_SECONDS
from orchestrion.store.postgres.operator import SPARE_CONNECTIONS as SPARE
from orchestrion.store.postgres.place import WRITER, Place

LOOKS: Final = {5: "five", 10: "ten"}[round(LookoutLimits().every_seconds)]
FOLDER: Final = Path(__file__).parents[2] / "docs"
PAGE: Final = " ".join((FOLDER / "scaling.md").read_text("utf-8").split())
DEFAULT: Final = Place(url="postgresql:///orchestrion")
TIMES: Final = "\N{MULTIPLICATION SIGN}"
CONNECTIONS: Final = DEFAULT.connections


@pytest.mark.parametrize(
    "figure",
    [
        f"{DEFAULT.writers} connection for writes, {DEFAULT.readers} for reads",
        f"{DEFAULT.long_readers} for lists and {DEFAULT.notifiers} for wake-ups: **{CONNECTIONS}**",
        f"max_connections ≥ {CONNECTIONS} {TIMES} workers {TIMES} machines",
        f"{TIMES} machines + {CONNECTIONS} {TIMES} workers + {SPARE}",
        f"{CONNECTIONS} {TIMES} 16 + {CONNECTIONS * 4} + {SPARE} = {CONNECTIONS * 20 + SPARE}",
        f"looks for {WATCH_SECONDS:.0f} s, longer than a server's jobs rest",
        f"; {CONNECTIONS - DEFAULT.notifiers} for each process max_client_conn",
        f"once a second for what its claims wait for, instead of every {LOOKS} seconds",
        f"The caller is told after {DEFAULT.commit_seconds} s",
        f"taken for up to {DEFAULT.lingering_seconds} s",
        f"and {DEFAULT.connect_seconds} s for each host that does not answer",
        f"{WRITER.statement_seconds} s for a statement, {WRITER.lock_seconds} s for a lock",
        f"{WRITER.idle_seconds} s idle",
        f"in pages of {PAGE_ROWS}",
        f"ahead of the database's by more than {AHEAD_SECONDS_MAX} s",
    ],
)
def test_a_figure_is_the_one_in_force(figure: str) -> None:
    assert figure in PAGE


def test_every_table_has_its_place_in_a_distributed_database() -> None:
    schema = files("orchestrion.store.postgres").joinpath("schema.sql").read_text("utf-8")
    tables = re.findall(r"^create table (\w+)", schema, re.MULTILINE)

    placed = re.findall(r"select create_(?:reference|distributed)_table\('(\w+)'", PAGE)

    assert sorted(placed) == sorted(tables)


@pytest.mark.parametrize(
    "link", sorted(set(re.findall(r"\]\(([^)#]+)", (FOLDER / "scaling.md").read_text("utf-8"))))
)
def test_a_link_leads_somewhere(link: str) -> None:
    assert (FOLDER / link).exists()
