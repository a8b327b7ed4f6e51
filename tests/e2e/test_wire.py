"""Bytes that no well-behaved client sends, at a real server: refused, and nothing else happens."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import apsw
import msgspec
import pytest

from tests.answers import AnswerCheck
from tests.e2e.serving import serving
from tests.server.loopback import Answer, Client

BODY = b'{"type":"wired","payload":{}}'
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
HOST = b"Host: orchestrion.test\r\n"
LISTING = b"GET /v1/tasks HTTP/1.1\r\n" + HOST + b"Authorization: Bearer <key>\r\n"
CREATING = (
    b"POST /v1/tasks HTTP/1.1\r\n"
    + HOST
    + b"Authorization: Bearer <key>\r\nContent-Type: application/json\r\n"
)
CHUNKING = CREATING + b"Transfer-Encoding: chunked\r\n"


def lengths(*values: bytes) -> bytes:
    return CREATING + b"".join(b"Content-Length: %s\r\n" % one for one in values) + b"\r\n" + BODY


def asking(target: bytes) -> bytes:
    return LISTING.replace(b"/v1/tasks", target) + b"\r\n"


# Refused with 400 and the end of the connection.
MALFORMED: Mapping[str, bytes] = {
    "a length and chunks": CREATING
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    + CHUNKED,
    "chunks and a length": CHUNKING + b"Content-Length: 5\r\n\r\n" + CHUNKED,
    "two lengths": lengths(b"29", b"30"),
    "the same length twice": lengths(b"29", b"29"),
    "a list of lengths": lengths(b"29, 29"),
    "a length below zero": lengths(b"-1"),
    "a length with a sign": lengths(b"+29"),
    "a length in hexadecimal": lengths(b"0x1d"),
    "a length of 23 digits": lengths(b"9" * 23),
    "unknown transfer coding": CREATING + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED,
    "chunks that are not last": CREATING + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + CHUNKED,
    "chunk size that is no number": CHUNKING + b"\r\nxyz\r\n",
    "chunk size beyond 64 bits": CHUNKING + b"\r\n" + b"F" * 17 + b"\r\n",
    "chunk longer than its size": CHUNKING + b"\r\n5\r\n" + BODY + b"\r\n0\r\n\r\n",
    "line end in a chunk extension": CHUNKING + b"\r\n5;a\nb\r\n" + BODY,
    "header of 64 KB": LISTING + b"X: " + b"x" * 65_536 + b"\r\n\r\n",
    "target of 64 KB": asking(b"/" + b"x" * 65_536),
    "101 headers": LISTING + b"X: x\r\n" * 101 + b"\r\n",
    "HTTP/9.9": LISTING.replace(b"HTTP/1.1", b"HTTP/9.9") + b"\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("16030100dc010000d8030385"),
    "noise": bytes(range(256)),
    "no method": b" / HTTP/1.1\r\n\r\n",
    "unknown method": b"BREW /v1/tasks HTTP/1.1\r\n\r\n",
    "tunnel": b"CONNECT orchestrion.test:443 HTTP/1.1\r\n" + HOST + b"\r\n",
    "target without a slash": asking(b"v1/tasks"),
    "space in the target": asking(b"/v1/tasks/a b"),
    "NUL in the target": asking(b"/v1/tasks/\0"),
    "target that is not ASCII": asking("/v1/tasks/é".encode()),
    "NUL in a header": LISTING + b"X: a\0b\r\n\r\n",
    "carriage return in a header": LISTING + b"X: a\rb\r\n\r\n",
    "folded header": LISTING + b"X: a\r\n b\r\n\r\n",
    "folded key": asking(b"/v1/tasks").replace(b"Bearer ", b"Bearer\r\n "),
    "space before the colon": LISTING + b"X : a\r\n\r\n",
    "header without a colon": LISTING + b"X\r\n\r\n",
    "header without a name": LISTING + b": a\r\n\r\n",
    "line feeds alone": asking(b"/v1/tasks").replace(b"\r\n", b"\n"),
}
# Well-formed, answered in order on a connection that goes on.
WELL_FORMED: Mapping[str, tuple[bytes, tuple[int, ...]]] = {
    "HTTP/1.0": (asking(b"/v1/tasks").replace(b"HTTP/1.1", b"HTTP/1.0"), (200,)),
    "pipelined": (asking(b"/v1/tasks") * 3 + asking(b"/v1/nothing"), (200, 200, 200, 404)),
    "pipelined before noise": (asking(b"/v1/tasks") + b"\0noise\r\n\r\n", (200, 400)),
    "a request where a body would be": (
        CREATING + b"Content-Length: 0\r\n\r\n" + asking(b"/v1/nothing"),
        (400, 404),
    ),
    "body of a GET": (LISTING + b"Content-Length: 4\r\n\r\nGET " + asking(b"/health"), (200, 200)),
    "dots in the target": (asking(b"/v1/tasks/.."), (404,)),
    "dots to the root": (asking(b"/v1/tasks/../../livez"), (404,)),
    "target with a host": (asking(b"http://elsewhere.test/v1/tasks"), (200,)),
    "all of the server": (asking(b"*").replace(b"GET", b"OPTIONS"), (404,)),
    "key that is not ASCII": (asking(b"/v1/tasks").replace(b"<key>", b"\xff\xfe"), (401,)),
    "two keys": (LISTING + b"authorization: Bearer <key>\r\n\r\n", (401,)),
    "body too large": (
        CREATING + b"Content-Length: 600000\r\n\r\n" + b"x" * 600_000,
        (413,),
    ),
    "body too large in chunks": (
        CHUNKING + b"\r\n" + (b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 9 + b"0\r\n\r\n",
        (413,),
    ),
    "megabyte of chunk extension": (
        CHUNKING + b"\r\n2;x=" + b"x" * 1_000_000 + b'\r\n{"\r\n0\r\n\r\n',
        (400,),
    ),
    "chunks of one byte with extensions": (
        CHUNKING + b"\r\n" + b"1;a=b;c\r\n{\r\n" * 1_000 + b"0\r\n\r\n",
        (400,),
    ),
}


class Wire:
    def __init__(self, port: int, key: str, database: Path) -> None:
        self.port = port
        self.key = key
        self.check = AnswerCheck()
        self.reader = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE)

    def client(self, sent: bytes) -> Client:
        client = Client(self.port)
        client.send(sent.replace(b"<key>", self.key.encode()))
        return client

    def refused(self, answer: Answer) -> str:
        """Validate a refusal; gives its error code."""
        self.check.check("GET", "/nowhere", answer.status, answer.headers, answer.body)
        return str(msgspec.json.decode(answer.body)["error"])

    def tasks(self) -> object:
        return self.reader.execute("select count(*) from tasks").get

    def lives(self) -> bool:
        with self.client(asking(b"/v1/tasks")) as client:
            return client.answer().status == 200


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    database = tmp_path_factory.mktemp("wire") / "orchestrion.db"
    with serving(database) as served:
        port = int(served.url().rpartition(":")[2])
        wire = Wire(port, served.first_key(), database)
        yield wire
        assert {line["level"] for line in served.lines} == {"info"}
        wire.reader.close()


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
def test_malformed_http_is_refused_and_ends_the_connection(wire: Wire, sent: bytes) -> None:
    with wire.client(sent) as client:
        answer = client.answer()

        assert (answer.status, wire.refused(answer)) == (400, "invalid_request")
        assert answer.headers["connection"] == "close"
        assert client.rest() == b""
    assert wire.tasks() == 0
    assert wire.lives()


@pytest.mark.parametrize(("sent", "statuses"), WELL_FORMED.values(), ids=WELL_FORMED)
def test_odd_but_well_formed_http_is_answered_in_order(
    wire: Wire, sent: bytes, statuses: tuple[int, ...]
) -> None:
    with wire.client(sent) as client:
        answers = [client.answer() for _ in statuses]

        assert tuple(answer.status for answer in answers) == statuses
        for answer in answers:
            assert answer.status == 200 or wire.refused(answer)
        assert client.received == b""
    assert wire.tasks() == 0
    assert wire.lives()


@pytest.mark.parametrize(
    ("field", "status"),
    [(b"Authorization: Bearer <key>\r\n", 401), (b"Content-Type: application/json\r\n", 415)],
    ids=["key", "type"],
)
def test_a_field_behind_the_chunks_is_no_header(wire: Wire, field: bytes, status: int) -> None:
    head = CHUNKING.replace(field, b"")
    chunks_and_trailer = CHUNKED.removesuffix(b"\r\n") + field + b"\r\n"

    with wire.client(head + b"\r\n" + chunks_and_trailer) as client:
        answer = client.answer()

    assert answer.status == status
    assert wire.refused(answer)
    assert wire.tasks() == 0
