"""What a command prints: data on stdout in the shape asked for, hints on stderr."""

import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import IO

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

CELL_LENGTH_MAX = 400
WIDE = 110

# JSON leaves these as they are, and a terminal may obey them; inside strings is all they can be.
_UNSAFE_IN_JSON = {code: f"\\u{code:04x}" for code in range(0x7F, 0xA0)}


class Shape(StrEnum):
    """How data is printed: for people, as one JSON object, or as lines with an object each."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """A table for people; a cell may hold anything, also what others wrote.

    Its last columns, `spare` many, are left out where a terminal is narrow.
    """

    headings: Sequence[str]
    lines: Iterable[Sequence[str]]
    spare: int = 0


class Printer(msgspec.Struct, frozen=True, kw_only=True):
    """Prints one command's data and hints. `shape` is None where the stream decides."""

    shape: Shape | None = None
    quiet: bool = False
    colour: bool = True

    def single_shape(self) -> Shape:
        """Give the shape of one object: a table on a terminal, else JSON."""
        return self.shape or (Shape.TABLE if sys.stdout.isatty() else Shape.JSON)

    def list_shape(self) -> Shape:
        """Give the shape of a list or stream: a table on a terminal, else a line for each."""
        return self.shape or (Shape.TABLE if sys.stdout.isatty() else Shape.JSONL)

    def console(self) -> Console:
        """Open stdout for what people look at."""
        return _console(sys.stdout, colour=self.colour)

    def errors(self) -> Console:
        """Open stderr for what moves, such as a bar."""
        return _console(sys.stderr, colour=self.colour)

    def json(self, value: object) -> None:
        """Print one object: indented on a terminal, else on one line."""
        encoded = msgspec.json.encode(value)
        if sys.stdout.isatty():
            encoded = msgspec.json.format(encoded, indent=2)
        click.echo(_safe(encoded))

    def line(self, value: object) -> None:
        """Print one object on one line, at once."""
        click.echo(_safe(msgspec.json.encode(value)))

    def text(self, text: str) -> None:
        """Print a line for people."""
        click.echo(printable(text))

    def rows(self, rows: Rows) -> None:
        """Print a table."""
        console = self.console()
        console.print(table_of(rows, console.width))

    def fields(self, values: Mapping[str, str | None]) -> None:
        """Print names and values below each other; what has no value is left out."""
        grid = Table.grid(padding=(0, 2))
        for name, value in values.items():
            if value is not None:
                grid.add_row(Text(name, "dim"), cell(value))
        self.console().print(grid)

    def hint(self, text: str) -> None:
        """Say something beside the data, unless silence was asked for."""
        if not self.quiet:
            click.echo(printable(text), err=True)


def printer_in(shape: str | None) -> Printer:
    """Give the printer of a command that takes `--json` alone."""
    return Printer(shape=None if shape is None else Shape(shape))


def table_of(rows: Rows, width: int) -> Table:
    """Lay out a table; its first column is never cut, for it is copied into other commands."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = len(rows.headings) - (rows.spare if width < WIDE else 0)
    for number, heading in enumerate(rows.headings[:shown]):
        table.add_column(heading, no_wrap=number == 0, overflow="fold")
    for line in rows.lines:
        table.add_row(*map(cell, line[:shown]))
    return table


def cell(text: str) -> Text:
    """Make text that others may have written fit for a table: no markup, nothing that steers."""
    short = text if len(text) <= CELL_LENGTH_MAX else text[: CELL_LENGTH_MAX - 1] + "…"
    return Text(printable(short))


def printable(text: str) -> str:
    """Replace what would steer a terminal; blanks and new lines stay."""
    return "".join(
        character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


def _safe(encoded: bytes) -> str:
    return encoded.decode().translate(_UNSAFE_IN_JSON)


def _console(stream: IO[str], *, colour: bool) -> Console:
    # What others wrote need not exist in the terminal's encoding.
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    # NO_COLOR alone would leave bold text its control codes.
    console = Console(file=stream, highlight=False)
    if colour and not console.no_color:
        return console
    return Console(file=stream, highlight=False, color_system=None)
