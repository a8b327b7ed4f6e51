"""Where a scene is played: servers of one kind, clients whose every request is recorded."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from tests.chaos.asking import Account
from tests.chaos.history import FINAL_FILE, RUN_FILE, Fault, Run, Writer
from tests.chaos.history import Final as Kept
from tests.chaos.mutants.acting import PATIENCE_SECONDS, PAUSE_SECONDS, TYPE, Actor, Json, soon
from tests.chaos.mutants.setting import Setting
from tests.chaos.recorder import Recorder, Tally
from tests.chaos.replica import Program, Replica
from tests.chaos.serving_short import LEASE_SECONDS_MIN
from tests.chaos.wire import Answer, Request, Wire

PAGE: Final = 100
DRAINERS: Final = 4
_UNENDED: Final = ("pending", "claimed")
_GRANTED: Final = (200, 201)
_WAITING: Final = """
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'
"""


class Stage:
    """The servers of a scene, its accounts, and what was recorded."""

    def __init__(self, folder: Path, setting: Setting, seed: int) -> None:
        self.folder = folder
        self.setting = setting
        self.chance = random.Random(seed)
        self.tally = Tally()
        self.writer = Writer(folder / "client-0.jsonl")
        self.replicas: list[Replica] = []
        self.accounts: list[Account] = []
        self.database_url = f"sqlite:///{folder / 'orchestrion.db'}"
        self.faults: list[Fault] = []
        self._actors: list[Actor] = []

    async def serve(self, command: tuple[str, ...]) -> None:
        """Start the servers."""
        program = Program(
            command=command,
            variables=self.setting.conditions.variables(),
            flags=("--plans", str(self.setting.plans(self.folder))),
        )
        for index in range(self.setting.replicas):
            replica = Replica(index, program, self.folder)
            replica.database_url = self.database_url
            self.replicas.append(replica)
        await asyncio.gather(*(replica.start() for replica in self.replicas))

    async def account(self) -> Account:
        """Register an account."""
        body = await self._json(Request(method="POST", path="/v1/keys/register", headers=()))
        assert body is not None, "no account was made"
        account = Account(
            name=f"a{len(self.accounts)}",
            id=body["accountId"],
            key=body["apiKey"],
            limits={"monthly_tasks": 10**9, "max_workers": self.setting.max_workers},
        )
        self.accounts.append(account)
        return account

    def actor(self, account: Account, replica: int = 0) -> Actor:
        """Give one more client."""
        recorder = Recorder(account, self.tally, self.writer)
        actor = Actor(recorder, self.replicas[replica], self.chance)
        self._actors.append(actor)
        return actor

    async def crash(self) -> None:
        """Kill the first server, and start it again."""
        began = time.monotonic_ns()
        await self.replicas[0].kill()
        await self.replicas[0].start()
        number = len(self.faults)
        self.faults.append(
            Fault(number=number, id="F1", name="kill", began=began, ended=time.monotonic_ns())
        )
        self.tally.epoch += 1

    @asynccontextmanager
    async def account_locked(
        self, account: Account
    ) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
        """Lock the row of an account; gives what waits until so many sessions wait for locks."""
        beside, looking = [await asyncpg.connect(self.database_url) for _ in range(2)]

        async def wait_for(sessions: int) -> None:
            async def seen() -> bool:
                return bool(await looking.fetchval(_WAITING) >= sessions)

            await soon(seen)

        try:
            async with beside.transaction():
                await beside.execute("select 1 from accounts where id = $1 for update", account.id)
                yield wait_for
        finally:
            await beside.close()
            await looking.close()

    async def finish(self, seed: int, command: str, drain_seconds: float) -> bool:
        """Bring all tasks to their ends, read them, and write down what this run was.

        Gives whether all came to their ends in time.
        """
        drained = [await self._drain(account, drain_seconds) for account in self.accounts]
        for actor in self._actors:
            actor.leave()
        self.writer.close()
        with Writer(self.folder / FINAL_FILE) as file:
            for account in self.accounts:
                for kept in await self._kept(account):
                    file.write(kept)
        with Writer(self.folder / RUN_FILE) as file:
            file.write(self._run(seed, command))
            for fault in self.faults:
                file.write(fault)
        return all(drained)

    async def close(self) -> None:
        """Leave no process."""
        for replica in self.replicas:
            if replica.running:
                await replica.kill()

    async def _drain(self, account: Account, seconds: float) -> bool:
        """Cancel what waits, and what was held once its lease has ended."""
        actors = [self.actor(account) for _ in range(DRAINERS)]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            left = [one for one in await self._listed(account) if one["status"] in _UNENDED]
            if not left:
                return True
            waiting = [one["id"] for one in left if one["status"] == "pending"]
            await asyncio.gather(
                *(_cancel(actor, waiting[number::DRAINERS]) for number, actor in enumerate(actors))
            )
            if not waiting:
                await asyncio.sleep(PAUSE_SECONDS)
        return False

    def _run(self, seed: int, command: str) -> Run:
        kept = {"retention_days": self.setting.retention_days}
        return Run(
            seed=seed,
            store=self.setting.store,
            command=command,
            accounts=[
                {"name": one.name, "id": one.id, **one.limits, **kept} for one in self.accounts
            ],
            types=[TYPE],
            lease_seconds_min=LEASE_SECONDS_MIN,
            settings=kept,
        )

    async def _kept(self, account: Account) -> list[Kept]:
        tasks = await self._listed(account)
        found = [Kept(source="list", account=account.name, task=task) for task in tasks]
        for task in tasks:
            body = await self._json(_read(account, f"/v1/tasks/{task['id']}"))
            if body is not None:
                found.append(Kept(source="get", account=account.name, task=body))
        return found

    async def _listed(self, account: Account) -> list[Json]:
        tasks: list[Json] = []
        after = ""
        while page := await self._json(_read(account, f"/v1/tasks?limit={PAGE}{after}")):
            tasks += page["items"]
            if not page["pageInfo"]["hasMore"]:
                break
            after = f"&cursor={page['pageInfo']['nextCursor']}"
        return tasks

    async def _json(self, request: Request) -> Json | None:
        """Ask beside the record; None where it is refused, as to an account that was lost."""
        wire = Wire(self.replicas[0].port, PATIENCE_SECONDS)
        try:
            answer: Answer = await wire.ask(request)
        finally:
            wire.close()
        return dict(msgspec.json.decode(answer.content)) if answer.status in _GRANTED else None


async def _cancel(actor: Actor, tasks: Iterable[str]) -> None:
    for task in tasks:
        await actor.ask("cancel", task)


def _read(account: Account, path: str) -> Request:
    headers = (("Authorization", f"Bearer {account.key}"),)
    return Request(method="GET", path=path, headers=headers)
