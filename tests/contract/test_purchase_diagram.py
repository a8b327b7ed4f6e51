"""The diagram of purchases shows the table in force."""

import re
from pathlib import Path
from typing import Final

from orchestrion.core.purchase import STARTED, Stage
from orchestrion.core.purchase_lifecycle import NONE, TABLE

PAGE: Final = Path(__file__).parents[2] / "docs" / "decisions" / "0009-purchases.md"


def test_the_diagram_is_the_table() -> None:
    drawn = re.findall(r"^    (\S.*)$", PAGE.read_text("utf-8"), re.MULTILINE)

    terminal = set(Stage) - {source for source, _ in TABLE}
    assert drawn == [
        f"[*] --> {STARTED}: open_checkout",
        *(
            f"{source} --> {row.target}: {verb}" + ("" if row.guard is NONE else f" ({row.guard})")
            for (source, verb), row in TABLE.items()
        ),
        *(f"{stage} --> [*]" for stage in terminal),
    ]


def test_every_stage_is_explained() -> None:
    text = PAGE.read_text("utf-8")

    assert all(f"\n| {stage} |" in text for stage in Stage)
