"""A real server of several workers on PostgreSQL, with all it says kept."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.e2e.serving import PATIENCE_SECONDS, Launch, Served
from tests.ports import free_ports

POLL_SECONDS = 0.01
PORT_TRIES_MAX = 100
HOST = "127.0.0.1"


class Crew(Served):
    """A supervisor and its workers."""

    def __init__(self, url: str, workers: int, *flags: str) -> None:
        self.workers = workers
        self.metrics_from = free_ports(workers)
        arguments = (
            *("--port", "0", "--database", url, "--log-format", "json"),
            *("--workers", str(workers), "--metrics-port", str(self.metrics_from), *flags),
        )
        super().__init__(Path(), launch=Launch(arguments=arguments))

    def url(self) -> str:
        """Wait until every worker serves; gives their one address."""
        self.wait_until(lambda: len(self.events("started")) >= self.workers)
        (url,) = {line["url"] for line in self.events("started")}
        return str(url)

    def events(self, event: str) -> list[dict[str, Any]]:
        """The lines of the log about one kind of event."""
        return [line for line in self.lines if line["event"] == event]

    def pids(self) -> dict[int, int]:
        """The processes of the workers now, by their index."""
        pid = self.process.pid
        found: dict[int, int] = {}
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in path.read_text("ascii").split():
                variables = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
                for variable in variables:
                    name, _, value = variable.partition(b"=")
                    if name == b"ORCHESTRION_WORKER":
                        found[json.loads(value)["index"]] = int(child)
        return found

    def answered(self, operation: str) -> list[int]:
        """How many requests of an operation each worker has counted."""
        return [
            _count(port, operation)
            for port in range(self.metrics_from, self.metrics_from + self.workers)
        ]


@contextmanager
def crew_on(url: str, workers: int, *flags: str) -> Iterator[Crew]:
    """Serve until the block ends; whatever happens, no process is left."""
    crew = Crew(url, workers, *flags)
    try:
        yield crew
        if crew.process.poll() is None:
            assert crew.stop() == 0, crew.log.decode()
    finally:
        if crew.process.poll() is None:
            # Its workers stop by themselves.
            crew.process.kill()
        crew.ended()


def until(seen: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for something that nobody tells."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline
        time.sleep(POLL_SECONDS)


def gone(pids: Sequence[int]) -> bool:
    """Tell whether none of these processes runs, a dead one nobody has buried apart."""
    return not any(_runs(pid) for pid in pids)


def _runs(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _count(port: int, operation: str) -> int:
    with urlopen(f"http://{HOST}:{port}/metrics", timeout=PATIENCE_SECONDS) as page:
        text = page.read().decode()
    start = f'orchestrion_requests_total{{operation="{operation}",'
    return sum(int(float(line.split()[1])) for line in text.splitlines() if line.startswith(start))
