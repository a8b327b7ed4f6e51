"""One campaign: clients and a nemesis at a real service, then a drain; leaves a folder to judge.

In code: `ended = run(Plan(seed=1, store="sqlite", folder=Path(…), operations=2_000))`. `folder` is
made and must not be there. Other servers, such as mutants, run by `command` (default: `SHORT`,
which is `python -m tests.chaos.serving_short`; the words `serve --port …` are appended) with
`variables`; `faults` names what may happen, by ids ("F1") or names ("backend kills"), and empty
means everything there is on the store. The run goes on until `operations`, `least` (faults by name,
such as {"kill": 10}) and `seconds` are all reached, or `seconds_max` are over. Then
`check(history.read(ended.folder))` judges it.
"""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.chaos import drain, forgetting
from tests.chaos.accounts import ACCOUNTS, CLIENTS, described, register, write_plans
from tests.chaos.asking import Account
from tests.chaos.client import Client, Known, World
from tests.chaos.faults import Field
from tests.chaos.generator import live
from tests.chaos.ground import SQLITE, Ground, ground_for
from tests.chaos.history import FINAL_FILE, RUN_FILE, Run, Writer
from tests.chaos.nemesis import Nemesis, Pace, kinds_for
from tests.chaos.recorder import Recorder, Tally
from tests.chaos.replica import Program
from tests.chaos.server_logs import complaints
from tests.chaos.serving_short import LEASE_SECONDS_MIN
from tests.chaos.small_disk import NEEDS_ROOT

SHORT: Final = (sys.executable, "-m", "tests.chaos.serving_short")
TYPES: Final = ("alpha", "beta", "gamma")
LOOK_SECONDS: Final = 0.1
FORGETS_FILE: Final = "forgets"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be run, and until when; the description of this module explains each field."""

    seed: int
    store: str
    folder: Path
    operations: int = 0
    least: Mapping[str, int] = {}
    seconds: float = 0.0
    seconds_max: float = 180.0
    faults: frozenset[str] = frozenset()
    # What happens first, with half a minute of quiet around each.
    calm: frozenset[str] = frozenset()
    # All clients together, in a second.
    rate: float = 150.0
    quiet_seconds: float = 1.0
    command: Sequence[str] = SHORT
    variables: Mapping[str, str] = {}
    # What a person types to run it again.
    repeated_by: str = "python -m tests.chaos"


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What was run: counts before any judgement."""

    folder: Path
    operations: int
    # By "name outcome".
    outcomes: dict[str, int]
    faults: dict[str, int]
    seconds: float
    # Names of faults that could not happen, with the reason.
    skipped: dict[str, str]
    drained: bool
    # Lines of the servers' logs that should not be there.
    complaints: list[str]

    def lacks(self, plan: Plan) -> dict[str, int]:
        """Give what was not reached, with how many there were."""
        lacking = {
            name: self.faults.get(name, 0)
            for name, least in plan.least.items()
            if self.faults.get(name, 0) < least and name not in self.skipped
        }
        if self.operations < plan.operations:
            lacking["operations"] = self.operations
        return lacking


def run(plan: Plan) -> Ended:
    """Run a campaign to its end."""
    return asyncio.run(_run(plan))


async def _run(plan: Plan) -> Ended:
    began = time.monotonic()
    plan.folder.mkdir(parents=True)
    plans = plan.folder / "plans.toml"
    write_plans(plans)
    forgets = plan.folder / FORGETS_FILE
    forgetting.let(forgets, forget=True)
    program = Program(
        command=plan.command,
        variables={forgetting.VARIABLE: str(forgets.absolute()), **plan.variables},
        flags=("--plans", str(plans.absolute())),
    )
    chance = random.Random(plan.seed)
    with ExitStack() as files:
        async with ground_for(plan.store, plan.folder, program, chance) as ground:
            stage = await _staged(plan, ground, files)
            await stage.act(chance)
            drained = await stage.drain()
        return stage.ended(time.monotonic() - began, drained)


async def _staged(plan: Plan, ground: Ground, files: ExitStack) -> "_Stage":
    accounts = await register(ground)
    writer = files.enter_context(Writer(plan.folder / RUN_FILE))
    writer.write(
        Run(
            seed=plan.seed,
            store=plan.store,
            command=plan.repeated_by,
            accounts=[described(account) for account in accounts],
            types=list(TYPES),
            lease_seconds_min=LEASE_SECONDS_MIN,
            settings=_settings(plan),
        )
    )
    return _Stage(plan, ground, accounts, _Files(files, writer))


def _settings(plan: Plan) -> dict[str, Any]:
    return {
        "clients": CLIENTS,
        "rate": plan.rate,
        "program": list(plan.command[1:]),
        "faults": sorted(plan.faults),
        "operations": plan.operations,
        "least": dict(plan.least),
    }


class _Files(msgspec.Struct, frozen=True):
    """What is written; closed with the stack."""

    stack: ExitStack
    run: Writer


class _Stage:
    """A campaign while it is on."""

    def __init__(self, plan: Plan, ground: Ground, accounts: list[Account], files: _Files) -> None:
        self._plan = plan
        self._ground = ground
        self._accounts = accounts
        self._files = files
        self._tally = Tally()
        self._faults: Counter[str] = Counter()
        self._world = World(lambda: ground.ways, TYPES)
        self._known = {account.name: Known() for account in accounts}
        self._numbers = 0
        without_disk = plan.store == SQLITE and ground.disk is None
        self._skipped = {"full disk": NEEDS_ROOT} if without_disk else {}

    async def act(self, chance: random.Random) -> None:
        """Run clients and nemesis until everything that is wanted was reached."""
        clients = [
            self._client(account, random.Random(chance.random()))
            for account, (_, _, count) in zip(self._accounts, ACCOUNTS, strict=True)
            for _ in range(count)
        ]
        field = Field(ground=self._ground, clients=clients, chance=chance, tally=self._tally)
        kinds = kinds_for(self._plan.store, self._plan.faults)
        kinds = [kind for kind in kinds if kind.name not in self._skipped]
        nemesis = Nemesis(field, kinds, self._tally, self._files.run)
        self._faults, over = nemesis.counts, asyncio.Event()
        every = len(clients) / self._plan.rate
        async with asyncio.TaskGroup() as group:
            plan = self._plan
            pace = Pace(quiet_seconds=plan.quiet_seconds, least=plan.least, calm=plan.calm)
            broken = group.create_task(nemesis.run(pace, over))
            for client in clients:
                group.create_task(live(client, every))
            await self._until_reached()
            over.set()
            await asyncio.wait({broken})
            self._world.over = True
        for client in clients:
            client.close()

    async def drain(self) -> bool:
        """Work everything off and write down what is left."""
        self._ground.calm()
        # What is read in the end must not go away meanwhile.
        forgetting.let(self._plan.folder / FORGETS_FILE, forget=False)
        self._world.ways = lambda: self._ground.direct
        final = self._files.stack.enter_context(Writer(self._plan.folder / FINAL_FILE))
        drained = await asyncio.gather(*(self._drained(one, final) for one in self._accounts))
        for replica in self._ground.replicas:
            code = await replica.stop()
            assert code == 0, f"a server that was asked to stop ended with {code}"
        await drain.read_database(self._ground, self._accounts, final)
        return all(drained)

    async def _drained(self, account: Account, final: Writer) -> bool:
        client = self._client(account, random.Random(account.name))
        done = await drain.work_off(client)
        await drain.read_by_api(client, final)
        client.close()
        return done

    def ended(self, seconds: float, drained: bool) -> Ended:  # noqa: FBT001 - as it was told
        """Sum up."""
        return Ended(
            folder=self._plan.folder,
            operations=self._tally.operations,
            outcomes={" ".join(pair): count for pair, count in self._tally.outcomes.items()},
            faults=dict(self._faults),
            seconds=round(seconds, 1),
            skipped=self._skipped,
            drained=drained,
            complaints=complaints(self._plan.folder),
        )

    def _client(self, account: Account, chance: random.Random) -> Client:
        self._numbers += 1
        path = self._plan.folder / f"client-{self._numbers}.jsonl"
        writer = self._files.stack.enter_context(Writer(path))
        recorder = Recorder(account, self._tally, writer)
        return Client(recorder, self._known[account.name], self._world, chance)

    async def _until_reached(self) -> None:
        began = time.monotonic()
        while time.monotonic() < began + self._plan.seconds_max:
            enough = self._tally.operations >= self._plan.operations and all(
                self._faults[name] >= least or name in self._skipped
                for name, least in self._plan.least.items()
            )
            if enough and time.monotonic() >= began + self._plan.seconds:
                return
            await asyncio.sleep(LOOK_SECONDS)
