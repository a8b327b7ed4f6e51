"""Ports for the servers of tests, which several processes of tests choose at the same time."""

import os
import socket
from itertools import count
from typing import Final

HOST: Final = "127.0.0.1"
# Below those that the system hands out by itself, to connections of any program.
FIRST: Final = 10_000
SPAN: Final = 20_000
TRIES_MAX: Final = 1_000
# Each process begins somewhere else, and never names a port twice until all were named.
_NUMBERS: Final = count(os.getpid() * 37)


def free_port() -> int:
    """Find a port nobody listens on just now."""
    return free_ports(1)


def free_ports(wanted: int) -> int:
    """Find a row of ports nobody listens on just now; gives the first."""
    for _ in range(TRIES_MAX):
        row = [FIRST + next(_NUMBERS) % SPAN for _ in range(wanted)]
        if row == list(range(row[0], row[0] + wanted)) and all(map(_free, row)):
            return row[0]
    raise AssertionError("no port is free")


def _free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True
