"""A nemesis counts what took effect, and writes down also what did not."""

import random
from pathlib import Path
from typing import Final

import msgspec
import pytest

from tests.chaos.crowds import TOOK_EFFECT
from tests.chaos.faults import Details, Field, Kind
from tests.chaos.ground import SQLITE, Ground
from tests.chaos.history import Fault, Writer
from tests.chaos.nemesis import Nemesis
from tests.chaos.recorder import Tally

NAME: Final = "herd"


@pytest.mark.parametrize(
    ("details", "counted"),
    [
        ({}, 1),
        ({TOOK_EFFECT: True}, 1),
        ({TOOK_EFFECT: False}, 0),
        ({"killed": 8}, 8),
        ({"paused": 0}, 0),
    ],
    ids=str,
)
async def test_only_what_took_effect_counts_and_all_is_written(
    tmp_path: Path, details: Details, counted: int
) -> None:
    path, tally = tmp_path / "run.jsonl", Tally()
    chance = random.Random(1)
    field = Field(ground=Ground(SQLITE, tmp_path), clients=[], chance=chance, tally=tally)

    async def happen(_: Field) -> Details:
        return details

    with Writer(path) as writer:
        kind = Kind(id="F19", name=NAME, happen=happen)
        nemesis = Nemesis(field, [kind], tally, writer)
        await nemesis.happen(kind)

    (written,) = [msgspec.json.decode(line, type=Fault) for line in path.read_bytes().splitlines()]

    assert written.details == details
    assert nemesis.counts[NAME] == counted
