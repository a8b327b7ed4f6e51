"""More bytes that no well-behaved client sends, at a real server; what is usual is in tests/e2e."""

from collections.abc import Iterator, Mapping

import pytest

from tests.e2e.serving import serving
from tests.e2e.test_wire import (
    BODY,
    CHUNKED,
    CHUNKING,
    CREATING,
    LISTING,
    Wire,
    asking,
    lengths,
)

LENGTH = b"Content-Length: %d\r\n" % len(BODY)
LISTED = asking(b"/v1/tasks")


def framed(*fields: bytes) -> bytes:
    return CREATING + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + CHUNKED


def chunked(chunks: bytes) -> bytes:
    return CHUNKING + b"\r\n" + chunks


# Refused with 400 and the end of the connection.
MALFORMED: Mapping[str, bytes] = {
    "chunks and a length in small letters": framed(
        b"transfer-encoding: chunked", b"content-length: 29"
    ),
    "a length before chunks with a space": framed(
        b"Content-Length: 29", b"Transfer-Encoding:  chunked"
    ),
    "space before the colon of the coding": framed(b"Transfer-Encoding : chunked"),
    "vertical tab before the coding": framed(b"Transfer-Encoding:\x0bchunked"),
    "coding on a folded line": framed(b"Transfer-Encoding:\r\n chunked", b"Content-Length: 29"),
    "chunks in two fields": framed(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    "a coding with a quote": framed(b'Transfer-Encoding: "chunked"'),
    "length with a space within": lengths(b"2 9"),
    "length with a point": lengths(b"29.0"),
    "length with an exponent": lengths(b"3e1"),
    "length of nothing": lengths(b""),
    "length beyond 64 bits": lengths(b"18446744073709551645"),
    "length in other digits": lengths("\uff12\uff19".encode()),
    "a longer and a shorter length": lengths(b"30", b"29"),
    "chunk size with a sign": chunked(b"+5\r\n{    \r\n0\r\n\r\n"),
    "chunk size below zero": chunked(b"-5\r\n{    \r\n0\r\n\r\n"),
    "chunk size with a prefix": chunked(b"0x5\r\n{    \r\n0\r\n\r\n"),
    "chunk without a size": chunked(b";x=y\r\n{\r\n0\r\n\r\n"),
    "chunk that ends early": chunked(b"9\r\n{\r\n0\r\n\r\n" + b"GET / HTTP/1.1\r\n\r\n"),
    "line feed after a chunk size": chunked(b"5\n{    \r\n0\r\n\r\n"),
    "NUL in a chunk extension": chunked(b"5;a=\0\r\n{    \r\n0\r\n\r\n"),
    "field of 64 KB in the name": LISTING + b"X" * 65_536 + b": a\r\n\r\n",
    "64 KB in small fields": LISTING
    + b"".join(b"X-%d: %s\r\n" % (n, b"x" * 700) for n in range(95))
    + b"\r\n",
    "key of 64 KB": asking(b"/v1/tasks").replace(b"<key>", b"k" * 65_536),
    "HTTP/1.2": LISTED.replace(b"HTTP/1.1", b"HTTP/1.2"),
    "HTTP in small letters": LISTED.replace(b"HTTP/1.1", b"http/1.1"),
    "no version": LISTED.replace(b" HTTP/1.1", b""),
    "method in small letters": LISTED.replace(b"GET", b"get"),
    "method with a NUL": LISTED.replace(b"GET", b"G\0T"),
    "method of 10 KB": LISTED.replace(b"GET", b"G" * 10_240),
    "a tab for a space": LISTED.replace(b"GET ", b"GET\t"),
    "line feed in the target": asking(b"/v1/tasks\n/x"),
    "DEL in a field": LISTING + b"X: a\x7fb\r\n\r\n",
    "control character in a field": LISTING + b"X: a\x01b\r\n\r\n",
    "field name that is not ASCII": LISTING + "é: a\r\n\r\n".encode(),
    "field name with a space": LISTING + b"X Y: a\r\n\r\n",
    "a folded line first": b"GET /v1/tasks HTTP/1.1\r\n Host: a\r\n\r\n",
    "33 pipelined": LISTED * 40,
}
# Well-formed, answered in order on a connection that goes on.
ANSWERED: Mapping[str, tuple[bytes, tuple[int, ...]]] = {
    "HTTP/1.0 that would be kept": (
        LISTING.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\n\r\n",
        (200,),
    ),
    "unknown methods": (
        b"".join(LISTED.replace(b"GET", one) for one in (b"PUT", b"PATCH", b"DELETE", b"TRACE")),
        (405, 405, 405, 405),
    ),
    "methods of other protocols": (
        b"".join(LISTED.replace(b"GET", one) for one in (b"PROPFIND", b"LOCK", b"PURGE")),
        (405, 405, 405),
    ),
    "a body of a DELETE": (
        LISTING.replace(b"GET", b"DELETE") + b"Content-Length: 4\r\n\r\nGET " + LISTED,
        (405, 200),
    ),
    "two keys for idempotency": (
        CREATING + LENGTH + b"Idempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n" + BODY,
        (400,),
    ),
    "two types": (CREATING + LENGTH + b"Content-Type: application/json\r\n\r\n" + BODY, (400,)),
    "two encodings": (
        CREATING + LENGTH + b"Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\n" + BODY,
        (400,),
    ),
    "the key twice": (LISTING + b"Authorization: Bearer <key>\r\n\r\n" + LISTED, (401, 200)),
    "pipelined refusals": (asking(b"/v1/tasks/%00") * 3 + LISTED, (404, 404, 404, 200)),
    "pipelined bad body and good": (
        CREATING + b"Content-Length: 1\r\n\r\n{" + LISTED,
        (400, 200),
    ),
    "a bomb in chunks": (
        chunked((b"4000\r\n" + b"[" * 16_384 + b"\r\n") * 8 + b"0\r\n\r\n") + LISTED,
        (400, 200),
    ),
    "a quoted chunk extension": (chunked(b'1;a="b;\tc"\r\n{\r\n0\r\n\r\n') + LISTED, (400, 200)),
    "trailers behind the chunks": (
        chunked(b"1\r\n{\r\n0\r\nX: y\r\nHost: z\r\n\r\n") + LISTED,
        (400, 200),
    ),
}


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    database = tmp_path_factory.mktemp("wire") / "orchestrion.db"
    with serving(database) as served:
        wire = Wire(int(served.url().rpartition(":")[2]), served.first_key(), database)
        yield wire
        assert {line["level"] for line in served.lines} == {"info"}
        wire.reader.close()


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
def test_malformed_http_is_refused_and_ends_the_connection(wire: Wire, sent: bytes) -> None:
    with wire.client(sent) as client:
        answers = [client.answer()]
        while answers[-1].status == 200:
            answers.append(client.answer())

        assert (answers[-1].status, wire.refused(answers[-1])) == (400, "invalid_request")
        assert answers[-1].headers["connection"] == "close"
        assert client.rest() == b""
    assert wire.tasks() == 0
    assert wire.lives()


@pytest.mark.parametrize(("sent", "statuses"), ANSWERED.values(), ids=ANSWERED)
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
