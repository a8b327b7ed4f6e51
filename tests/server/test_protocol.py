"""What clients may do to a connection, and what they are told when they do more."""

import itertools
import json
import socket

import pytest
from msgspec.structs import replace

from orchestrion.api.serving.server import ServerOptions
from tests.server.loopback import (
    LARGE_BYTES,
    PATIENCE_SECONDS,
    QUICK,
    Answer,
    Client,
    Record,
    Running,
    hooks,
    request,
    serving,
)

SOON = 0.15
PIECE = b"a" * 1_000


def assert_last_word(client: Client, status: int, word: str) -> None:
    answer = client.answer()
    assert answer.status == status
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"] == "req_1"
    assert json.loads(answer.body)["request_id"] == "req_1"
    assert word in json.loads(answer.body)["message"]
    assert client.rest() == b""


def assert_serves(client: Client) -> None:
    client.send(request("/echo", b"still here"))
    assert client.answer().body == b"still here"


# --- receive deadlines


def test_a_server_grants_the_time_that_is_promised_unless_told_otherwise() -> None:
    limits = ServerOptions(host="127.0.0.1", port=0, hooks=hooks(Record())).limits

    assert limits.head_seconds == 10
    assert limits.body_seconds == 30
    assert limits.keep_alive_seconds == 15
    assert limits.write_seconds == 30


def test_a_trickled_head_is_refused_when_its_time_is_over() -> None:
    with serving(replace(QUICK, head_seconds=SOON)) as server:
        client = server.connect()

        client.trickle(itertools.chain([b"G", b"ET /"], itertools.repeat(b"a")), SOON / 5)

        assert_last_word(client, 400, "took too long")
        assert server.record.refusal() == "head_late"


def test_headers_that_never_end_are_refused_when_their_time_is_over() -> None:
    with serving(replace(QUICK, head_seconds=SOON)) as server:
        client = server.connect()
        client.send(b"GET / HTTP/1.1\r\n")

        client.trickle(itertools.repeat(b"X-A: b\r\n"), SOON / 5)

        assert_last_word(client, 400, "took too long")
        assert server.record.refusal() == "head_late"


def test_the_head_of_a_later_request_has_its_own_deadline() -> None:
    with serving(replace(QUICK, head_seconds=SOON)) as server:
        client = server.connect()
        assert_serves(client)

        client.send(b"GET / HTTP/1.1\r\nHost:")

        assert_last_word(client, 400, "took too long")


def test_a_head_begun_behind_a_running_request_is_refused_after_its_answer() -> None:
    with serving(replace(QUICK, head_seconds=SOON)) as server:
        client = server.connect()

        client.send(request("/held") + b"GET / HTTP/1.1\r\nHost:")
        assert server.record.refusal() == "head_late"
        server.release()

        assert client.answer().body == b"released"
        assert_last_word(client, 400, "took too long")


def test_a_trickled_body_is_refused_and_taken_back_from_the_application() -> None:
    with serving(replace(QUICK, body_seconds=SOON)) as server:
        client = server.connect()
        client.send(request("/held", bytes(100))[:-100])

        client.trickle(itertools.repeat(b"x", 99), SOON / 5)

        assert_last_word(client, 400, "took too long")
        assert [server.app.event(), server.app.event()] == ["started", "cancelled"]
        assert server.record.refusal() == "body_late"
        assert not server.record.faults


def test_a_late_body_of_an_answered_request_only_ends_the_connection() -> None:
    with serving(replace(QUICK, body_seconds=SOON)) as server:
        client = server.connect()

        client.send(request("/early", bytes(100))[:-1])

        assert client.answer().body == b"early"
        assert client.rest() == b""
        assert server.record.refusal() == "body_late"


def test_a_connection_that_sends_nothing_is_closed_without_a_word() -> None:
    with serving(replace(QUICK, head_seconds=SOON)) as server:
        assert server.connect().rest() == b""


def test_an_idle_connection_is_closed_whatever_line_ends_it_sends() -> None:
    with serving(replace(QUICK, head_seconds=SOON, keep_alive_seconds=SOON)) as server:
        client = server.connect()
        assert_serves(client)

        client.trickle(itertools.repeat(b"\r\n", 100), SOON / 5)

        assert client.received == b""


def test_the_application_may_take_longer_than_any_deadline_of_the_client() -> None:
    hasty = replace(QUICK, head_seconds=SOON, body_seconds=SOON, keep_alive_seconds=SOON)
    with serving(hasty) as server:
        client, other = server.connect(), server.connect()
        client.send(request("/held", b"x"))
        # A whole keep-alive later on a neighbour's clock.
        assert_serves(other)
        assert other.rest() == b""

        server.release()

        assert client.answer().body == b"released"


# --- malformed requests


@pytest.mark.parametrize(
    "malformed",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_malformed_http_is_answered_in_the_error_shape(malformed: bytes) -> None:
    with serving() as server:
        client = server.connect()

        client.send(malformed)

        assert_last_word(client, 400, "not a well-formed")
        assert server.record.refusal() == "malformed_http"
        assert [(one.status, one.error) for one in server.record.requests] == [
            (400, "invalid_request")
        ]


def test_a_malformed_chunk_takes_the_request_back_from_the_application() -> None:
    with serving() as server:
        client = server.connect()
        client.send(b"POST /held HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        assert server.app.event() == "started"

        client.send(b"what\r\n")

        assert_last_word(client, 400, "not a well-formed")
        assert server.app.event() == "cancelled"


def test_a_malformed_request_waits_for_the_answers_before_it() -> None:
    with serving() as server:
        client = server.connect()

        client.send(request("/held") + request("/echo", b"next") + b"hello\r\n\r\n")
        assert server.record.refusal() == "malformed_http"
        server.release()

        assert [client.answer().body, client.answer().body] == [b"released", b"next"]
        assert_last_word(client, 400, "not a well-formed")


def test_a_queued_request_with_a_malformed_body_never_reaches_the_application() -> None:
    with serving() as server:
        client = server.connect()
        broken = b"POST /held HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nwhat\r\n"

        client.send(request("/held") + broken)
        assert server.record.refusal() == "malformed_http"
        server.release()

        assert client.answer().body == b"released"
        assert_last_word(client, 400, "not a well-formed")
        assert list(server.app.events.queue) == ["started", "read"]


# --- the size of a head


def head(*headers: bytes) -> bytes:
    return b"GET /echo HTTP/1.1\r\n" + b"".join(b"%s\r\n" % line for line in headers) + b"\r\n"


def test_a_large_head_is_refused_and_the_client_may_finish_sending_before_it_reads() -> None:
    with serving() as server:
        client = server.connect()

        client.send(head(b"X: " + bytes(4 << 20).replace(b"\x00", b"a")))

        assert_last_word(client, 400, "too large")
        assert server.record.refusal() == "head_too_large"


def test_a_header_that_never_ends_is_refused_at_the_cap() -> None:
    with serving() as server:
        client = server.connect()
        client.send(b"GET / HTTP/1.1\r\nX: ")

        client.trickle(itertools.repeat(PIECE), 0.001)

        assert_last_word(client, 400, "too large")


def test_a_head_in_two_pieces_is_measured_as_one() -> None:
    with serving(replace(QUICK, head_bytes_max=1_500)) as server:
        client = server.connect()
        whole = head(b"A: " + PIECE, b"B: " + PIECE)

        client.trickle(iter([whole[:1_200], whole[1_200:]]), 0.05)

        assert_last_word(client, 400, "too large")


def test_a_large_head_behind_another_request_is_refused_after_its_answer() -> None:
    with serving(replace(QUICK, head_bytes_max=500)) as server:
        client = server.connect()

        client.send(request("/echo", b"first") + head(b"X: " + PIECE))

        assert client.answer().body == b"first"
        assert_last_word(client, 400, "too large")


def test_a_body_does_not_count_as_head() -> None:
    with serving(replace(QUICK, head_bytes_max=200)) as server:
        client = server.connect()

        client.send(request("/echo", PIECE) + request("/echo", PIECE))

        assert [client.answer().body, client.answer().body] == [PIECE, PIECE]


def test_the_last_header_allowed_is_served_and_one_more_is_refused() -> None:
    with serving() as server:
        client = server.connect()

        client.send(head(*[b"A: b"] * 100))
        assert client.answer().status == 200
        client.send(head(*[b"A: b"] * 101))

        assert_last_word(client, 400, "too many headers")


# --- several requests on one connection


def test_a_connection_serves_one_request_after_another() -> None:
    with serving() as server:
        client = server.connect()

        for _ in range(3):
            assert_serves(client)


def test_pipelined_requests_are_answered_in_order() -> None:
    with serving() as server:
        client = server.connect()
        bodies = [b"%d" % number for number in range(20)]

        client.send(request("/held") + b"".join(request("/echo", body) for body in bodies))
        server.release()

        assert client.answer().body == b"released"
        assert [client.answer().body for _ in bodies] == bodies
        assert_serves(client)


def test_more_pipelined_requests_than_allowed_are_refused_after_the_answers() -> None:
    with serving(replace(QUICK, pipeline_max=2)) as server:
        client = server.connect()

        client.send(request("/held") + request("/echo", b"x") * 9)
        assert server.record.refusal() == "too_many_pipelined"
        server.release()

        assert [client.answer().body for _ in range(3)] == [b"released", b"x", b"x"]
        assert_last_word(client, 400, "without waiting")


@pytest.mark.parametrize(
    "closing", [b"GET /echo HTTP/1.0\r\n\r\n", head(b"Connection: close")], ids=["1.0", "close"]
)
def test_a_client_that_wants_one_answer_gets_one(closing: bytes) -> None:
    with serving() as server:
        client = server.connect()

        client.send(closing)

        assert client.answer().status == 200
        assert client.rest() == b""


def test_a_body_beyond_every_buffer_arrives_whole() -> None:
    with serving() as server:
        client = server.connect()
        body = bytes(3 << 20)

        client.send(request("/echo", body))

        assert client.answer().body == body


def test_an_answer_before_the_body_leaves_the_connection_usable() -> None:
    with serving() as server:
        client = server.connect()

        client.send(request("/early", bytes(3 << 20)))

        assert client.answer().body == b"early"
        assert_serves(client)


@pytest.mark.parametrize("length", [1, 2, 7, 64])
def test_it_does_not_matter_where_the_pieces_of_a_request_end(length: int) -> None:
    chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
    upgrade = b"POST / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\n"
    stream = request("/echo", b"one") + chunked + upgrade + b"three" + request("/echo", b"four")
    with serving() as server:
        client = server.connect()
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        client.send(*(stream[at : at + length] for at in range(0, len(stream), length)))

        bodies = [client.answer().body for _ in range(4)]
        assert bodies == [b"one", b"two", b"three", b"four"]


def test_a_client_that_expects_it_is_told_to_continue() -> None:
    with serving() as server:
        client = server.connect()

        client.send(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        while not client.received.endswith(b"\r\n\r\n"):
            client.received += client.socket.recv(1_000)
        assert client.received == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.received = b""
        client.send(b"ok")

        assert client.answer().body == b"ok"


def test_a_request_that_would_rather_speak_another_protocol_is_served_with_its_body() -> None:
    with serving() as server:
        client = server.connect()
        wish = b"POST /echo HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        length = b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nContent-Length: 4\r\n\r\n"

        client.send((wish + length + b"body") * 3)
        client.send(wish, length, b"bo", b"dy")

        assert [client.answer().body for _ in range(4)] == [b"body"] * 4
        assert_serves(client)


# --- clients that leave, and clients that do not read


def test_a_disconnect_cancels_the_request_without_a_fault() -> None:
    with serving() as server:
        client = server.connect()
        client.send(request("/held"))
        assert [server.app.event(), server.app.event()] == ["started", "read"]

        client.socket.close()

        assert server.app.event() == "cancelled"
        assert not server.record.faults
        assert_serves(server.connect())


def test_a_disconnect_in_the_middle_of_a_body_cancels_the_request() -> None:
    with serving() as server:
        client = server.connect()
        client.send(request("/held", b"body")[:-1])
        assert server.app.event() == "started"

        client.socket.close()

        assert server.app.event() == "cancelled"


def test_a_client_that_does_not_read_its_answer_is_dropped() -> None:
    with serving(replace(QUICK, write_seconds=SOON, keep_alive_seconds=60)) as server:
        client = server.connect()

        client.send(request("/large"))

        assert server.record.refusal() == "response_unread"
        with pytest.raises(ConnectionResetError):
            client.answer()
        assert len(client.received) < LARGE_BYTES
        assert not server.record.faults


def test_a_client_that_reads_slowly_gets_its_whole_answer() -> None:
    patient = replace(QUICK, write_seconds=PATIENCE_SECONDS, keep_alive_seconds=SOON / 5)
    with serving(patient) as server:
        client = server.connect()
        client.send(request("/large"))

        answer: Answer = client.answer()

        assert len(answer.body) == LARGE_BYTES


# --- too many connections


TURNED_AWAY = 20


def crowd(server: Running) -> list[Client]:
    clients = [server.connect() for _ in range(2)]
    for client in clients:
        assert_serves(client)
    return clients


def test_a_connection_above_the_cap_is_told_to_come_back() -> None:
    with serving(replace(QUICK, connections_max=2)) as server:
        first, second = crowd(server)

        turned_away = server.connect()
        turned_away.send(request("/echo", b"please"))

        answer = turned_away.answer()
        assert answer.status == 503
        assert json.loads(answer.body)["wait"] == int(answer.headers["retry-after"])
        assert turned_away.rest() == b""
        assert server.record.refusal() == "connections_max"
        assert_serves(first)
        assert_serves(second)


def test_those_turned_away_together_are_not_told_to_come_back_together() -> None:
    with serving(replace(QUICK, connections_max=2)) as server:
        crowd(server)
        waits = set()
        for _ in range(TURNED_AWAY):
            turned_away = server.connect()
            turned_away.send(request("/echo", b"please"))
            waits.add(int(turned_away.answer().headers["retry-after"]))

        assert len(waits) > 1
        assert waits <= set(range(QUICK.retry_after_seconds_min, QUICK.retry_after_seconds_max + 1))


def test_a_place_that_becomes_free_is_given_away() -> None:
    with serving(replace(QUICK, connections_max=2)) as server:
        first, _ = crowd(server)
        first.send(head(b"Connection: close"))
        assert first.answer().status == 200
        assert first.rest() == b""

        assert_serves(server.connect())


def test_connections_far_above_the_cap_are_dropped_unheard() -> None:
    with serving(replace(QUICK, connections_max=2, turned_away_max=0)) as server:
        crowd(server)

        with pytest.raises((EOFError, ConnectionError)):
            server.connect().answer()


# --- faults of the application


def test_a_crash_of_the_application_is_answered_and_reported() -> None:
    with serving() as server:
        client = server.connect()

        client.send(request("/crash"))

        assert_last_word(client, 500, "may or may not")
        assert [type(fault) for fault in server.record.faults] == [ZeroDivisionError]


def test_an_unfinished_answer_ends_the_connection_and_is_reported() -> None:
    with serving() as server:
        client = server.connect()

        client.send(request("/half"))

        assert b"200 OK" in client.rest()
        assert [type(fault) for fault in server.record.faults] == [RuntimeError]
