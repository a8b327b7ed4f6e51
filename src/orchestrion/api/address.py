"""Whose address a request comes from: forwarded addresses count only from our own proxies."""

import ipaddress
import re
from collections.abc import Iterable, Sequence

_WITH_PORT = re.compile(r"\[([0-9a-fA-F:.]+)\](?::\d{1,5})?|([0-9.]+):\d{1,5}", re.ASCII)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Addresses:
    """Finds the client's address."""

    def __init__(self, trusted_proxies: Sequence[Network]) -> None:
        self._trusted = tuple(trusted_proxies)

    def of(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """Walk X-Forwarded-For from the right, past proxies of ours, to the first stranger."""
        if not self._trusted or not self._is_trusted(peer):
            return peer
        # Some proxies add a line of their own instead of appending to the last: all are one list.
        lines = [value for name, value in headers if name == b"x-forwarded-for"]
        forwarded = b",".join(lines).decode("latin-1")
        hops = [_bare(part.strip()) for part in forwarded.split(",") if part.strip()]
        for hop in reversed(hops):
            if not _is_address(hop):
                return peer
            if not self._is_trusted(hop):
                return hop
            peer = hop
        return peer

    def _is_trusted(self, address: str) -> bool:
        if not _is_address(address):
            return False
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self._trusted)


def _bare(hop: str) -> str:
    """Drop the port that some proxies write behind an address, and the brackets with it."""
    match = _WITH_PORT.fullmatch(hop)
    return (match.group(1) or match.group(2)) if match else hop


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
