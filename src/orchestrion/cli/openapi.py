"""`orchestrion openapi`: the API's description, from a server or from this program."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from orchestrion.cli.options import at_server
from orchestrion.cli.reaching import Session
from orchestrion.cli.refusals import Refusal, WrongUsage
from orchestrion.client.call import Call
from orchestrion.client.config import DEFAULT_URL
from orchestrion.client.errors import ConnectionFailed
from orchestrion.documents import read_document

DOCUMENT: Final = "openapi.json"
DIFFERENCES_SHOWN_MAX: Final = 20


@click.command
@click.option(
    "--check",
    "file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Print nothing; end with 1 where FILE differs, and say where.",
)
@click.option("--built-in", is_flag=True, help="The one of this program; ask no server.")
@at_server()
def openapi(session: Session, /, *, file: Path | None, built_in: bool) -> None:
    """Print the OpenAPI document that the server serves at /v1/schema.

    Where no server is named and none answers at the default address, the one of this program.
    """
    document = read_document(DOCUMENT) if built_in else _served(session)
    if file is None:
        click.echo(msgspec.json.format(document, indent=2))
    else:
        _compare(session, file, document)


def _served(session: Session) -> bytes:
    try:
        return session.client.call(Call(method="GET", path="/v1/schema", decode=bytes))
    except ConnectionFailed:
        if session.typed.reach or session.target.url != DEFAULT_URL:
            raise
    session.printer.hint("No server answers: this is the document of this program.")
    return read_document(DOCUMENT)


def _compare(session: Session, file: Path, document: bytes) -> None:
    try:
        kept = msgspec.json.decode(file.read_bytes())
    except (msgspec.DecodeError, OSError) as error:
        raise WrongUsage(f"cannot read {file}: {error}", "orchestrion openapi --help") from error
    differing = list(differences(kept, msgspec.json.decode(document)))
    if not differing:
        session.printer.hint(f"{file} is the same.")
        return
    for place in differing[:DIFFERENCES_SHOWN_MAX]:
        click.echo(place, err=True)
    raise Refusal(f"{file} differs in {len(differing)} places", f"orchestrion openapi > {file}")


def differences(kept: object, served: object, place: str = "") -> Iterator[str]:
    """Name where two documents differ, as JSON pointers with what became of each place."""
    if isinstance(kept, dict) and isinstance(served, dict):
        for name in [*kept, *(name for name in served if name not in kept)]:
            inner = f"{place}/{_escaped(str(name))}"
            if name not in served:
                yield f"{inner}: gone"
            elif name not in kept:
                yield f"{inner}: new"
            else:
                yield from differences(kept[name], served[name], inner)
    elif kept != served:
        yield f"{place or '/'}: changed"


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
