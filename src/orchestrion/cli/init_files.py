"""Writes files without ever losing one that is there."""

import os
from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from secrets import token_hex

from orchestrion.cli.init_texts import SECTION_BEGIN, SECTION_END, section

OWNER_ONLY = 0o600
EVERYBODY = 0o644


class Fate(StrEnum):
    """What became of a file."""

    WRITTEN = "written"
    KEPT = "kept"
    APPENDED = "appended"


def write(file: Path, text: str, *, mode: int, force: bool) -> Fate:
    """Write a file that is not there, or with `force` in the place of the one that is."""
    if force:
        _replace(file, text, mode)
        return Fate.WRITTEN
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        return Fate.KEPT
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    return Fate.WRITTEN


def add_line(file: Path, line: str, *, same_as: Collection[str]) -> Fate:
    """Append a line unless it, or one that does the same, is there."""
    there = file.read_text("utf-8") if file.exists() else ""
    if not {line, *same_as}.isdisjoint(there.splitlines()):
        return Fate.KEPT
    gap = "\n" if there and not there.endswith("\n") else ""
    _append(file, f"{gap}{line}\n")
    return Fate.APPENDED if there else Fate.WRITTEN


def add_section(file: Path, *, force: bool) -> Fate:
    """Append the marked section once; with `force` write the one that is there anew."""
    there = file.read_text("utf-8") if file.exists() else ""
    before, begin, rest = there.partition(SECTION_BEGIN)
    if not begin:
        ended = len(there) - len(there.rstrip("\n"))
        gap = "\n" * max(0, 2 - ended) if there else ""
        _append(file, gap + section())
        return Fate.APPENDED if there else Fate.WRITTEN
    _, end, after = rest.partition(SECTION_END + "\n")
    if not force or not end:
        return Fate.KEPT
    mode = file.stat().st_mode & 0o777
    _replace(file, before + section() + after, mode)
    return Fate.WRITTEN


def _append(file: Path, text: str) -> None:
    with file.open("a", encoding="utf-8") as opened:
        opened.write(text)


def _replace(file: Path, text: str, mode: int) -> None:
    file = file.resolve()
    # Whatever happens in between, either the old text or the new one is there.
    beside = file.with_name(f".{file.name}.{token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
