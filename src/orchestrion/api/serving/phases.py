"""What a connection may be waiting for, and for how long."""

import enum
import math

import msgspec


class ProtocolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What clients may take of time and room; sweeps may grant `sweep_seconds` more."""

    head_seconds: float = 10
    body_seconds: float = 30
    keep_alive_seconds: float = 15
    # A response must lose `write_bytes_min`, or be gone, in every span of `write_seconds`.
    write_seconds: float = 30
    write_bytes_min: int = 65_536
    # After a refusal the client may read its answer this long; what it still sends is dropped.
    linger_seconds: float = 2
    # Once the server is stopping, a silent connection may still send a request this long.
    stop_idle_seconds: float = 0.5
    sweep_seconds: float = 0.5
    head_bytes_max: int = 32 * 1024
    headers_max: int = 100
    pipeline_max: int = 32
    connections_max: int = 2_000
    # Connections above the cap that are told so; any more are dropped unheard.
    turned_away_max: int = 200
    # By chance between these: who was turned away together must not come back together.
    retry_after_seconds_min: int = 3
    retry_after_seconds_max: int = 7


class Phase(enum.Enum):
    """What a connection is waiting for."""

    NEW = enum.auto()  # the first byte
    HEAD = enum.auto()  # the rest of a request's head
    BODY = enum.auto()  # the rest of a request's body
    ANSWER = enum.auto()  # the application
    IDLE = enum.auto()  # the next request
    REFUSED = enum.auto()  # earlier answers, before the refusal can be told
    LEAVING = enum.auto()  # the client to hang up; what it sends is dropped


# Reading a member off its class takes as long as three calls, and every request passes here.
NEW, HEAD, BODY, ANSWER, IDLE, REFUSED, LEAVING = Phase


def seconds_allowed(phase: Phase, limits: ProtocolLimits) -> float:
    """Give the longest time a connection may spend in a phase of a server that goes on."""
    if phase is NEW or phase is HEAD:
        return limits.head_seconds
    if phase is IDLE:
        return limits.keep_alive_seconds
    if phase is BODY:
        return limits.body_seconds
    if phase is LEAVING:
        return limits.linger_seconds
    # The application's time is its own affair.
    return math.inf
