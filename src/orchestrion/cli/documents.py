"""Writes the documents that derive from the code, or says which are stale: for developers."""

import sys
from pathlib import Path

import click
import msgspec

from orchestrion.api.schema import document
from orchestrion.cli.reference import GENERATED, errors_page, lifecycle_page, settings_page
from orchestrion.cli.reference_commands import commands_page

_ROOT = Path(__file__).parents[3]
_AGAIN = "run: python -m orchestrion.cli.documents"


def rendered() -> dict[str, bytes]:
    """Give every derived document by its place in the repository."""
    schema = msgspec.json.format(msgspec.json.encode(document()), indent=2)
    return {
        "src/orchestrion/documents/openapi.json": schema + b"\n",
        "docs/lifecycle.md": lifecycle_page().encode(),
        "docs/errors.md": errors_page().encode(),
        "docs/settings.md": settings_page().encode(),
        "docs/cli.md": commands_page(GENERATED).encode(),
    }


def stale(root: Path) -> list[str]:
    """Name the documents under a repository that differ from the code."""
    return [
        name
        for name, body in rendered().items()
        if not (root / name).exists() or (root / name).read_bytes() != body
    ]


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail if a document is stale.")
def documents(check: bool) -> None:  # noqa: FBT001 - a flag of the command line
    """Write the documents that derive from the code."""
    if not (_ROOT / "pyproject.toml").exists():
        sys.exit("This is not a checkout of the repository: there is nothing to write to.")
    found = stale(_ROOT)
    if check:
        sys.exit("\n".join([*(f"stale: {name}" for name in found), _AGAIN]) if found else 0)
    for name in found:
        (_ROOT / name).write_bytes(rendered()[name])
        click.echo(f"wrote {name}")


if __name__ == "__main__":
    documents()
