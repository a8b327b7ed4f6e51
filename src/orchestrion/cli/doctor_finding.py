"""What one look of `orchestrion doctor` came to."""

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How a finding counts; `fail` alone makes the doctor end with 1."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line; `next` is what to type about it, empty where nothing is to be done."""

    level: Level
    check: str
    text: str
    next: str = ""

    @property
    def line(self) -> str:
        """Write it for people."""
        return f"{self.text}  -> {self.next}" if self.next else self.text


def good(check: str, text: str) -> Finding:
    """Tell of something that is as it should be."""
    return Finding(level=Level.OK, check=check, text=text)


def doubtful(check: str, text: str, then: str = "") -> Finding:
    """Tell of something that may become trouble; `then` is what to type."""
    return Finding(level=Level.WARN, check=check, text=text, next=then)


def bad(check: str, text: str, then: str = "") -> Finding:
    """Tell of something that does not work; `then` is what to type."""
    return Finding(level=Level.FAIL, check=check, text=text, next=then)
