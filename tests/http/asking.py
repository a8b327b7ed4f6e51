"""A client of the application that sends exactly what it is given: targets, headers, pieces."""

from urllib.parse import unquote

import msgspec
from starlette.types import ASGIApp, Message

from tests.answers import AnswerCheck

Header = tuple[bytes, bytes]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request as its bytes; header names are lower-case, as servers hand them on."""

    method: str
    target: bytes
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    pieces: int = 1
    address: str = "192.0.2.251"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        """The error code."""
        return str(msgspec.json.decode(self.body)["error"])

    @property
    def message(self) -> str:
        """The sentence beside it."""
        return str(msgspec.json.decode(self.body)["message"])


class Asker:
    """Sends requests to an application and validates each answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._check = AnswerCheck()

    async def ask(self, ask: Ask) -> Answer:
        """Send one request; exactly one whole answer must come."""
        raw_path, _, query = ask.target.partition(b"?")
        path = unquote(raw_path.decode("latin-1"))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "http",
            "method": ask.method,
            "root_path": "",
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": [(b"host", b"orchestrion.test"), *ask.headers],
            "client": (ask.address, 1234),
            "server": ("127.0.0.1", 8080),
            "state": {},
        }
        arriving = _pieces(ask)
        sent: list[Message] = []

        async def receive() -> Message:
            return arriving.pop(0) if arriving else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        answer = _answer(sent)
        self._check.check(ask.method, path, answer.status, answer.headers, answer.body)
        return answer


def _pieces(ask: Ask) -> list[Message]:
    size = -(-len(ask.body) // ask.pieces) or 1
    parts = [ask.body[at : at + size] for at in range(0, len(ask.body), size)] or [b""]
    return [
        {"type": "http.request", "body": part, "more_body": number < len(parts)}
        for number, part in enumerate(parts, 1)
    ]


def _answer(sent: list[Message]) -> Answer:
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    start, body = sent
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    assert len(headers) == len(start["headers"])
    assert int(headers["content-length"]) == len(body["body"])
    return Answer(status=start["status"], headers=headers, body=body["body"])
