"""Finds the Markdown files below a folder and reads one by its reference."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from orchestrion.demo.printing import printable

FILES_MAX = 300
FOLDERS_MAX = 20_000
FILE_BYTES_MAX = 1024 * 1024
SUFFIXES = (".md", ".markdown")
# Other people's files, as a rule; and a folder that holds this file is a virtual environment.
FOREIGN_FOLDERS = frozenset({"node_modules", "site-packages", "__pycache__"})
ENVIRONMENT_MARK = "pyvenv.cfg"


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file to work on: its name for people, and the reference under which it can be read."""

    path: str
    text: str
    size_bytes: int


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a folder, in the order of their paths."""

    sources: list[Source]
    more: bool  # some were left out, because there is a limit


def find(folder: Path) -> Found:
    """Find Markdown files; hidden folders, environments and overlong files are left out."""
    root = folder.resolve()
    sources = list(islice(_sources(root), FILES_MAX + 1))
    return Found(sources=sources[:FILES_MAX], more=len(sources) > FILES_MAX)


def read(reference: str) -> str:
    """Read the text a source refers to; OSError says why it cannot be read."""
    file = os.fsdecode(unquote_to_bytes(urlsplit(reference).path))
    return Path(file).read_bytes().decode("utf-8-sig", "replace")


def source(file: Path, path: str) -> Source:
    """Refer to a file, which need not exist."""
    size = file.stat().st_size if file.is_file() else 0
    return Source(path=path, text=file.as_uri(), size_bytes=size)


def _sources(root: Path) -> Iterator[Source]:
    for folder, folders, names in islice(os.walk(root), FOLDERS_MAX):
        if ENVIRONMENT_MARK in names:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if _ours(name))
        for name in sorted(names):
            file = Path(folder, name)
            if name.lower().endswith(SUFFIXES) and _readable(file):
                yield source(file, _name(file.relative_to(root)))


def _ours(folder_name: str) -> bool:
    return not folder_name.startswith(".") and folder_name not in FOREIGN_FOLDERS


def _readable(file: Path) -> bool:
    return file.is_file() and os.access(file, os.R_OK) and file.stat().st_size <= FILE_BYTES_MAX


def _name(path: Path) -> str:
    # A name on disk may hold bytes that are no text.
    return printable(os.fsencode(path).decode("utf-8", "replace"))
