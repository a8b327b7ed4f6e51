"""The demonstration from its first request to its last, told as it happens."""

from contextlib import ExitStack
from pathlib import Path
from signal import SIG_IGN, SIGHUP, SIGINT, SIGTERM, getsignal, signal
from tempfile import TemporaryDirectory

import httpx2
import msgspec

from orchestrion.demo.api import Api, Refused
from orchestrion.demo.events import Event, Kind
from orchestrion.demo.files import FILES_MAX, Found, find
from orchestrion.demo.processes import Broken, Server, WorkerProcess
from orchestrion.demo.scene import View
from orchestrion.demo.tasks import ABSENT_TEXT, Cast, absent_file, create
from orchestrion.demo.watch import Watch
from orchestrion.demo.wire import Status, Task

STOPS = (SIGINT, SIGTERM, SIGHUP)
WORKERS = ("worker-1", "worker-2", "worker-3")


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What the API answered at the turning points, and what became of the processes."""

    cast: Cast
    victim: Event  # the last heartbeat of the worker that was killed then
    exit_status: int  # of its process
    orphaned: Task  # the long task, asked for after its worker was dead
    dead: Task  # the absent file's task in dead_letter
    requeued: Task  # the answer to its requeue
    final: list[Task]
    events: list[Event]
    seconds: float


def tell(folder: Path, view: View) -> Ending:
    """Play the demonstration on the Markdown files below a folder, and leave nothing behind."""
    found = find(folder)
    if not found.sources:
        raise Broken(f"there is no Markdown file below {folder}")
    watch = Watch(view)
    with ExitStack() as stack:
        for stop in STOPS:
            stack.callback(signal, stop, getsignal(stop))
        work = Path(stack.enter_context(TemporaryDirectory(prefix="orchestrion-demo-")))
        server = stack.enter_context(Server(work))
        try:
            url = server.wait_for_url()
            watch.note(f"orchestrion serve (process {server.pid}) listens on {url}, its file empty")
            return _Play(watch, work, stack).play(url, found)
        except (httpx2.HTTPError, msgspec.DecodeError, Refused) as error:
            said = server.last_words()
            raise Broken(f"a request failed: {error}; the server last said: {said}") from error
        finally:
            # A second Ctrl-C shall not leave processes behind.
            for stop in STOPS:
                signal(stop, SIG_IGN)


class _Play:
    """The acts, in their order."""

    def __init__(self, watch: Watch, work: Path, stack: ExitStack) -> None:
        self._watch = watch
        self._work = work
        self._stack = stack

    def play(self, url: str, found: Found) -> Ending:
        api, key = Api.registered(url)
        self._stack.callback(api.close)
        cast = self._create(api, found)
        crew = self._hire(url, key)
        self._watch.follow(api, crew.values())
        victim, exit_status, orphaned = self._kill(api, cast, crew)
        dead, requeued = self._mend(api, cast)
        self._finish(cast)
        return Ending(
            cast=cast,
            victim=victim,
            exit_status=exit_status,
            orphaned=orphaned,
            dead=dead,
            requeued=requeued,
            final=list(api.tasks()),
            events=self._watch.events,
            seconds=self._watch.elapsed_seconds,
        )

    def _create(self, api: Api, found: Found) -> Cast:
        if found.more:
            self._watch.note(f"there are more than {FILES_MAX} Markdown files: these are the first")
        cast = create(api, found.sources, self._work)
        self._watch.note(
            f"{len(cast.tasks)} tasks created: one for each of {len(found.sources)} Markdown "
            f"files, and one for {cast.absent.payload.path}, a file that does not exist yet"
        )
        return cast

    def _hire(self, url: str, key: str) -> dict[str, WorkerProcess]:
        crew = {
            name: self._stack.enter_context(WorkerProcess(name, self._work, url, key))
            for name in WORKERS
        }
        processes = ", ".join(f"{worker.name} (process {worker.pid})" for worker in crew.values())
        self._watch.note(f"three workers started: {processes}")
        return crew

    def _kill(
        self, api: Api, cast: Cast, crew: dict[str, WorkerProcess]
    ) -> tuple[Event, int, Task]:
        told = self._watch.told
        long = cast.long.id
        self._watch.until(
            lambda: told(Kind.HEARTBEAT, long) is not None, "a worker to take the largest file"
        )
        victim = told(Kind.HEARTBEAT, long)
        assert victim is not None
        self._watch.killed = victim.worker
        exit_status = crew[victim.worker].kill()
        orphaned = api.get(long)
        left = orphaned.agent_contract.lease_expires_in_seconds
        self._watch.note(
            f"{victim.worker} was killed with SIGKILL in the middle of {victim.path}. Its lease "
            f"goes on for {left} s of real time: 30 s are the shortest there is"
        )
        return victim, exit_status, orphaned

    def _mend(self, api: Api, cast: Cast) -> tuple[Task, Task]:
        self._watch.until(
            lambda: self._is(cast.absent, "dead_letter"),
            f"{cast.absent.payload.path} to fail for good",
        )
        dead = api.get(cast.absent.id)
        self._watch.note(
            f"{dead.payload.path} has failed in {dead.attempt_count} attempts of "
            f"{dead.max_attempts} and is in dead_letter: {dead.last_failure_reason}"
        )
        absent_file(self._work).write_text(ABSENT_TEXT, "utf-8")
        requeued = api.requeue(dead.id)
        self._watch.note(f"{dead.payload.path} was written and its task requeued")
        return dead, requeued

    def _finish(self, cast: Cast) -> None:
        def settled(task: Task) -> bool:
            # A file that cannot be read ends in dead_letter: a broken promise, so why wait on.
            told = self._watch.told(Kind.COMPLETED, task.id) is not None
            return (told and self._is(task, "completed")) or self._is(task, "dead_letter")

        self._watch.until(lambda: all(map(settled, cast.tasks)), "all tasks to be completed")

    def _is(self, task: Task, status: Status) -> bool:
        seen = self._watch.tasks.get(task.id)
        return seen is not None and seen.status == status
