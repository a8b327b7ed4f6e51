"""As many clients as are wanted at a time, and what they saw meanwhile."""

import asyncio
import time
from typing import Final

from benchmarks.overload.clients import Client, Manners
from benchmarks.overload.records import Records, Span

# So many connect at a time, as a listener's backlog is no part of what is measured.
CONNECT_AT_ONCE: Final = 50
CONNECT_PAUSE_SECONDS: Final = 0.01
LEAVE_SECONDS: Final = 30


class Crowd:
    """Clients of one kind at one server."""

    def __init__(self, manners: Manners, records: Records) -> None:
        self._manners = manners
        self._clients: list[Client] = []
        self.records = records

    async def become(self, clients: int) -> None:
        """Be so many: others join, or leave once they hold nothing."""
        leaving = self._clients[clients:]
        del self._clients[clients:]
        for client in leaving:
            client.leave()
        while len(self._clients) < clients:
            for _ in range(min(CONNECT_AT_ONCE, clients - len(self._clients))):
                client = Client(self._manners, self.records, len(self._clients))
                self._clients.append(client)
                client.start()
            await asyncio.sleep(CONNECT_PAUSE_SECONDS)

    async def disband(self) -> int:
        """Let everybody finish what they hold, and go; gives how many still have not."""
        clients = self._clients
        self._clients = []
        for client in clients:
            client.leave()
        if not clients:
            return 0
        _, stayed = await asyncio.wait([one.gone for one in clients], timeout=LEAVE_SECONDS)
        return len(stayed)

    async def watched(self, seconds: float) -> Span:
        """Let them ask for a while; give what that came to."""
        since, began = len(self.records), time.monotonic()
        await asyncio.sleep(seconds)
        return self.records.span(since, len(self._clients), time.monotonic() - began)
