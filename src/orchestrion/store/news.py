"""What happens to the way to a database, told to whoever keeps the log."""

from typing import Final, Protocol


class News(Protocol):
    """Who is told; may be told the same twice, and never raises."""

    def awaited(self, why: str, seconds: float) -> None:
        """Take note that a start waits for the database, for up to so long."""
        ...

    def away(self, why: str) -> None:
        """Take note that the database cannot be reached."""
        ...

    def back(self) -> None:
        """Take note that it was reached."""
        ...


class _Nobody:
    def awaited(self, why: str, seconds: float) -> None: ...

    def away(self, why: str) -> None: ...

    def back(self) -> None: ...


NOBODY: Final = _Nobody()
