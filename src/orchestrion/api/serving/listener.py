"""The sockets a server listens on, and one clear word where it cannot."""

import asyncio
import errno
import os
import socket
from collections.abc import Iterable, Sequence

# Connections that may wait to be accepted.
BACKLOG = 2_048
# What the system keeps of an answer that is not read: with more, whole answers would vanish in it,
# and nobody would notice that their client does not read.
SEND_BUFFER_BYTES = 128 * 1024

# As the system's look-up gives it, which differs between address families.
Address = tuple[str | int | bytes, ...]


class CannotListen(Exception):
    """The address is taken, forbidden, not ours or not one; the text says which."""


async def listen(
    host: str, port: int, backlog: int = BACKLOG, *, purpose: str = ""
) -> list[socket.socket]:
    """Listen on every address the host name stands for, all on one port; 0 means any free one.

    Raises CannotListen, which tells the purpose too.
    """
    sockets = await take(host, port, purpose=purpose)
    begin(sockets, f"{host}:{port}{purpose}", backlog)
    return sockets


def begin(sockets: Sequence[socket.socket], place: str, backlog: int = BACKLOG) -> None:
    """Listen on what was taken; closes it and raises CannotListen where another was faster."""
    try:
        for taken in sockets:
            taken.listen(backlog)
    except OSError as error:
        for taken in sockets:
            taken.close()
        raise _cannot(place, error) from error


async def take(host: str, port: int, *, purpose: str = "") -> list[socket.socket]:
    """Take the addresses as `listen` does, but refuse callers until somebody listens there."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        places = {(family, (name, port, *rest)) for family, _, _, _, (name, _, *rest) in found}
        return _take_all(places)
    except (OSError, OverflowError, UnicodeError) as error:
        raise _cannot(f"{host}:{port}{purpose}", error) from error


def _cannot(place: str, error: Exception) -> CannotListen:
    return CannotListen(f"cannot listen on {place}: {_reason(error)}")


def _take_all(places: Iterable[tuple[int, Address]]) -> list[socket.socket]:
    """Leave out what this machine lacks, such as IPv6, as long as something remains."""
    sockets: list[socket.socket] = []
    lacking: OSError | None = None
    try:
        for family, (name, port, *rest) in sorted(places):
            chosen = sockets[0].getsockname()[1] if sockets else port
            try:
                sockets.append(_taken(family, (name, chosen, *rest)))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                lacking = error
        if lacking is not None and not sockets:
            raise lacking
    except OSError:
        for opened in sockets:
            opened.close()
        raise
    return sockets


def _taken(family: int, address: Address) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.settimeout(0)
        if os.name == "posix":
            # Elsewhere the option would let two servers share the port.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit it.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
    except BaseException:
        opened.close()
        raise
    return opened


def _reason(error: Exception) -> str:
    match error:
        case OSError(errno=errno.EADDRINUSE):
            return "another program listens there; stop it or choose another port"
        case OSError(errno=errno.EACCES):
            return "not permitted; ports below 1024 are usually reserved, choose a higher one"
        case OSError(errno=errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT):
            return "this machine has no such address"
        case _:
            return "not the name of an address of this machine and a port from 0 to 65535"
