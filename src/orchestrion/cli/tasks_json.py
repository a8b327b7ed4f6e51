"""What is typed of tasks: ids, and JSON objects as text, from a file, or on stdin."""

import sys
from pathlib import Path

import click
import msgspec

from orchestrion.cli.refusals import WrongUsage
from orchestrion.client.call import task_path

# What the largest payload may take with blanks and escapes around it.
INPUT_BYTES_MAX = 1 << 20


class TaskName(click.ParamType[str]):
    """An id of a task, as far as one can tell without asking."""

    name = "id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Pass the id on; what cannot stand in a path fails as wrong usage."""
        try:
            task_path(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value


TASK_ID = TaskName()


class JsonObject(click.ParamType[dict[str, msgspec.Raw]]):
    """A JSON object: its text, `-` for stdin, or `@` and the name of a file.

    Only the outermost names are read: what they hold goes out as it was written.
    """

    name = "json"

    def convert(
        self,
        value: str | dict[str, msgspec.Raw],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> dict[str, msgspec.Raw]:
        """Read the object; whatever else it is fails as wrong usage."""
        if isinstance(value, dict):
            return value
        try:
            return msgspec.json.decode(_text(value), type=dict[str, msgspec.Raw])
        except OSError as error:
            self.fail(f"cannot read {value.removeprefix('@')}: {error.strerror}", param, ctx)
        except (msgspec.MsgspecError, UnicodeError) as error:
            self.fail(f"{_named(value)} is no JSON object: {error}", param, ctx)


def _text(value: str) -> bytes:
    if value == "-":
        read = sys.stdin.buffer.read(INPUT_BYTES_MAX + 1)
    elif value.startswith("@"):
        with Path(value[1:]).open("rb") as file:
            read = file.read(INPUT_BYTES_MAX + 1)
    else:
        return value.encode()
    if len(read) > INPUT_BYTES_MAX:
        raise WrongUsage(f"{_named(value)} is larger than {INPUT_BYTES_MAX:,} bytes")
    return read


def _named(value: str) -> str:
    if value == "-":
        return "what stands on stdin"
    return value[1:] if value.startswith("@") else "this"
