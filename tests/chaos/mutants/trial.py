"""One scene played against one program, and what the checker says of it."""

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from tests.chaos import history
from tests.chaos.checker import check
from tests.chaos.mutants import selling
from tests.chaos.mutants.catalogue import SOUND, program
from tests.chaos.mutants.programme import SCENES, Scene
from tests.chaos.mutants.stage import Stage
from tests.postgres import PostgresServer

SELLER: Final = "M15"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Which rules were broken, whether those that should be, and the checker's words."""

    broken: tuple[str, ...]
    expected: frozenset[str]
    text: str

    @property
    def caught(self) -> bool:
        """Tell whether a rule that names the broken promise was reported."""
        return not self.expected.isdisjoint(self.broken)


# Longer than leases that are left to end, on a machine that is busy with much else.
DRAIN_SECONDS: Final = 60.0
# A mutant may never come to the end; what it left is judged.
MUTANT_DRAIN_SECONDS: Final = 5.0


class Trials:
    """Plays scenes; PostgreSQL is started for the first that needs it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self._resources = contextlib.ExitStack()
        self._postgres: PostgresServer | None = None

    def run(self, mutant: str) -> Outcome:
        """Play a mutant's scene."""
        return self._run(mutant, mutant)

    def run_sound(self, mutant: str) -> Outcome:
        """Play a mutant's scene against the service as it is."""
        return self._run(mutant, SOUND)

    def close(self) -> None:
        """Leave no process."""
        self._resources.close()

    def _run(self, mutant: str, code: str) -> Outcome:
        folder = self._folder / f"{mutant}-as-{code}"
        folder.mkdir(parents=True)
        with self._database(mutant) as url:
            if mutant == SELLER:
                return asyncio.run(self._sell(code, folder, url))
            return asyncio.run(self._play(code, mutant, folder, url))

    async def _play(self, code: str, mutant: str, folder: Path, url: str) -> Outcome:
        scene: Scene = SCENES[mutant]
        stage = Stage(folder, scene.setting, self._seed)
        stage.database_url = url or stage.database_url
        try:
            await stage.serve(program(code))
            await scene.play(stage)
            patience = DRAIN_SECONDS if code == SOUND else MUTANT_DRAIN_SECONDS
            drained = await stage.finish(self._seed, self._command(mutant), patience)
            assert drained or code != SOUND, "the sound service did not bring all to their ends"
        finally:
            await stage.close()
        verdict = await asyncio.to_thread(check, history.read(folder))
        undecided = {"undecided"} if verdict.undecided else set()
        return Outcome(
            broken=tuple(sorted(verdict.rules | undecided)),
            expected=scene.rules,
            text=verdict.text(),
        )

    async def _sell(self, code: str, folder: Path, url: str) -> Outcome:
        captured = await selling.verify_at_once(program(code), folder, url)
        broken = tuple(sorted({"S19" for count in captured.values() if count > 1}))
        assert captured, "nothing was bought"
        text = f"captures by purchase: {captured}\nagain: {self._command(SELLER)}"
        return Outcome(broken=broken, expected=frozenset({"S19"}), text=text)

    def _command(self, mutant: str) -> str:
        return f"python -m tests.chaos.all_mutants --seed {self._seed} --only {mutant}"

    @contextlib.contextmanager
    def _database(self, mutant: str) -> Iterator[str]:
        if mutant != SELLER and SCENES[mutant].setting.replicas == 1:
            yield ""
            return
        if self._postgres is None:
            self._postgres = self._resources.enter_context(PostgresServer())
        name = f"mutants_{secrets.token_hex(4)}"
        yield self._postgres.createdb(name)
        self._postgres.dropdb(name)
