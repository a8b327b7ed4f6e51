"""Reads the pages of the repository into their blocks of code."""

import re
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
_FENCED = re.compile(r"^( *)```([^\n`]*)\n(.*?)^\1``` *$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"# ([a-z_]+\.py)\n")


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A block, and where it stands."""

    page: str
    line: int
    tag: str
    text: str

    @property
    def place(self) -> str:
        """Say where to look for it."""
        return f"{self.page}:{self.line}"

    @property
    def file_name(self) -> str | None:
        """The file that its first line says it is."""
        named = _NAMED.match(self.text)
        return named[1] if named else None


def blocks_of(page: str) -> list[Block]:
    """Give the blocks of a page in their order."""
    text = (ROOT / page).read_text("utf-8")
    return [
        Block(
            page=page,
            line=text.count("\n", 0, match.start()) + 1,
            tag=match[2].strip(),
            text=re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE),
        )
        for match in _FENCED.finditer(text)
    ]


def pages() -> list[str]:
    """Name the pages whose blocks are run: the README and everything in docs."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [str(page.relative_to(ROOT)) for page in found]
