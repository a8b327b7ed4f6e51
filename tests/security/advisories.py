"""Holds every pinned release against the stored list of advisories.

Run it as `python -m tests.security.advisories`. What the list is, and is not, stands in it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from packaging.specifiers import SpecifierSet

from tests.security.pins import FILES, Pin, pins_of
from tests.security.tests_by_name import ROOT

LIST: Final = ROOT / "security" / "advisories.json"


class Advisory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One flaw of a package: in which releases, and from which on no more."""

    package: str
    affected: str
    id: str
    fixed_in: str
    says: str
    source: str

    def affects(self, pin: Pin) -> bool:
        """Tell whether a release has the flaw."""
        return pin.name == self.package and SpecifierSet(self.affected).contains(pin.version)


class Advisories(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The list, when it was written, and how new what it was written from is."""

    date: str
    what: str
    newest_report: str
    advisories: Sequence[Advisory]


def stored(path: Path = LIST) -> Advisories:
    """Read the list."""
    return msgspec.json.decode(path.read_bytes(), type=Advisories)


def pinned() -> list[Pin]:
    """Give every release that any requirement file names, once."""
    found = {pin.purl: pin for file in FILES for pin in pins_of(file)}
    return [found[purl] for purl in sorted(found)]


def found_in(pins: Sequence[Pin], advisories: Sequence[Advisory]) -> list[str]:
    """Name the releases that have a flaw."""
    return [
        f"{pin.name} {pin.version}: {one.id}, {one.says}; mended in {one.fixed_in}"
        for pin in pins
        for one in advisories
        if one.affects(pin)
    ]


def main() -> None:
    """Print what was looked at and found."""
    listed, pins = stored(), pinned()
    found = found_in(pins, listed.advisories)
    named = {one.package for one in listed.advisories} & {pin.name for pin in pins}
    lines = [
        f"list of {listed.date}: {len(listed.advisories)} advisories",
        f"pinned releases: {len(pins)}, of them named in the list: {len(named)}",
        *found,
        f"affected: {len(found)}",
        listed.what,
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
