"""Reads the requirement files: what is pinned, and by which hashes."""

import re
from pathlib import Path
from typing import Final

import msgspec

from tests.security.tests_by_name import ROOT

FILES: Final = ("build", "dev", "postgres", "run")
_PIN: Final = re.compile(r"([a-z0-9][a-z0-9._-]*)==([^\s;]+)(?: ; (.+))?")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


class Pin(msgspec.Struct, frozen=True, kw_only=True):
    """One release of a package; `marker` says where it is needed, if not everywhere."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its name among all packages of the world."""
        return f"pkg:pypi/{self.name}@{self.version}"


def lines_of(file: Path) -> list[str]:
    """Give the requirements of a file, each on one line."""
    return file.read_text("utf-8").replace(" \\\n", " ").splitlines()


def pins_of(name: str) -> list[Pin]:
    """Read a requirement file; a line that is no pin raises."""
    return [_pin(line) for line in lines_of(ROOT / "requirements" / f"{name}.txt")]


def _pin(line: str) -> Pin:
    requirement, *hashes = re.split(r" +(?=--hash=)", line)
    pinned = _PIN.fullmatch(requirement.strip())
    assert pinned, f"this pins nothing: {requirement}"
    found = [_HASH.fullmatch(one.strip()) for one in hashes]
    assert all(found), line
    return Pin(
        name=pinned[1],
        version=pinned[2],
        marker=pinned[3] or "",
        hashes=tuple(one[1] for one in found if one),
    )
