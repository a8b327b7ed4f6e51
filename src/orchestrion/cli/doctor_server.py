"""The doctor's look at a server: does it answer, how soon, which version, whose time, whose key."""

import shlex
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx2
import msgspec

from orchestrion import __version__
from orchestrion.cli.doctor_finding import Finding, bad, doubtful, good
from orchestrion.client.config import Target
from orchestrion.client.link import Setup
from orchestrion.client.refusals import read_refusal
from orchestrion.documents import read_document

TIMEOUT_SECONDS: Final = 5.0
SLOW_SECONDS: Final = 1.0
# The header has whole seconds, so that less cannot be told.
SKEW_SECONDS_MAX: Final = 2.0
MANIFEST: Final = "/.well-known/agent.json"
OK: Final = 200


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: its body as JSON, an empty object where it is none, and how far the clocks are."""

    status: int
    body: dict[str, Any]
    seconds: float
    refusal: str
    ahead_seconds: float | None


class Server:
    """A server under examination; close it."""

    def __init__(self, target: Target) -> None:
        self.url = target.url
        self._http = httpx2.Client(**Setup(target=target, timeout=TIMEOUT_SECONDS).options())

    def ask(self, path: str) -> Heard:
        """Ask for a path once; raises httpx2.HTTPError where no answer comes."""
        began, sent_at = time.perf_counter(), datetime.now(UTC)
        answer = self._http.get(path)
        seconds = time.perf_counter() - began
        try:
            body = msgspec.json.decode(answer.content, type=dict[str, Any])
        except msgspec.MsgspecError:
            body = {}
        refusal = read_refusal(answer.status_code, answer.headers, answer.content)
        return Heard(
            status=answer.status_code,
            body=body,
            seconds=seconds,
            refusal=refusal.message,
            ahead_seconds=_ahead(answer.headers.get("date"), sent_at, seconds),
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()


def reached(server: Server) -> Iterator[Finding]:
    """Tell whether the server answers and takes work; raises httpx2.HTTPError."""
    server.ask("/health")
    # The first answer had to wait for the connection.
    health = server.ask("/health")
    job = health.body.get("leaseExpiryJob")
    if not isinstance(job, dict):
        yield bad("server", f"{server.url} answers, but is no Orchestrion server", look(server))
        return
    yield _reachable(server, health)
    ready = server.ask("/readyz")
    if ready.status != OK:
        yield bad("ready", f"the server takes no work: {ready.refusal}", look(server, "/readyz"))
    if not job.get("healthy"):
        yield doubtful("leases", "no lease has been swept for long", look(server))
    yield _clock(health)


def _reachable(server: Server, health: Heard) -> Finding:
    manifest = server.ask(MANIFEST).body
    version, api = str(manifest.get("version", "?")), str(manifest.get("api_version", "?"))
    milliseconds = f"{health.seconds * 1_000:.0f} ms"
    text = f"server {version} reachable ({milliseconds}), schema {api}"
    if health.seconds > SLOW_SECONDS:
        return doubtful("server", f"{text}: that is slow", look(server))
    if _line(version) != _line(__version__):
        text = f"{text}; this program is {__version__}"
        return doubtful("server", text, "orchestrion version")
    own_api = str(msgspec.json.decode(read_document("openapi.json"))["info"]["version"])
    if api.partition(".")[0] != own_api.partition(".")[0]:
        return doubtful("server", f"{text}; this program knows {own_api}", "orchestrion version")
    return good("server", text)


def _clock(health: Heard) -> Finding:
    ahead = health.ahead_seconds
    if ahead is None:
        return good("clock", "the server tells no time, so the clocks are not compared")
    if abs(ahead) <= SKEW_SECONDS_MAX:
        return good("clock", "local clock agrees with the server's, to 2 s")
    if ahead > 0:
        text = f"local clock is {ahead:.0f} s ahead of the server: scheduledAt values may look late"
    else:
        text = f"local clock is {-ahead:.0f} s behind the server: scheduledAt values may look early"
    return doubtful("clock", text, "timedatectl")


def _ahead(header: str | None, sent_at: datetime, seconds: float) -> float | None:
    if header is None:
        return None
    try:
        said = parsedate_to_datetime(header)
    except ValueError:
        return None
    if said.tzinfo is None:
        return None
    # It was cut to the second, and said half-way.
    there = said + timedelta(seconds=0.5)
    here = sent_at + timedelta(seconds=seconds / 2)
    return (here - there).total_seconds()


def _line(version: str) -> list[str]:
    """Give what releases that go together share."""
    return version.split(".")[:2]


def look(server: Server, path: str = "/health") -> str:
    """Give the command that shows an answer as it is."""
    return shlex.join(["curl", "-i", f"{server.url}{path}"])
