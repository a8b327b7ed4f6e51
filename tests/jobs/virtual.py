"""An event loop whose time jumps to the next timer, so that hours pass without waiting."""

import asyncio
import selectors


class VirtualLoop(asyncio.SelectorEventLoop):
    """Instead of waiting for a timer, moves its clock there."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        super().__init__(_Skipping(self))

    def time(self) -> float:
        """Give the seconds that have passed in the test."""
        return self.elapsed


class _Skipping(selectors.SelectSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "nothing is left that could happen"
            self._loop.elapsed += timeout
        return ready


async def passing(seconds: float) -> None:
    """Let virtual time pass."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()
