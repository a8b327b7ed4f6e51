"""`orchestrion init`: the files a first worker needs, written once and never over others."""

import shlex
from collections.abc import Mapping
from pathlib import Path

import click
import msgspec

from orchestrion.cli.init_files import EVERYBODY, OWNER_ONLY, Fate, add_line, add_section, write
from orchestrion.cli.init_texts import ENVIRONMENT, ENVIRONMENT_WITHOUT_KEY, WORKER
from orchestrion.cli.options import at_server
from orchestrion.cli.printing import Rows, Shape
from orchestrion.cli.reaching import Session
from orchestrion.cli.refusals import Refusal
from orchestrion.client.errors import APIError, ConnectionFailed

WORKER_FILE, ENVIRONMENT_FILE, GUIDE_FILE = "worker.py", ".env", "AGENTS.md"
IGNORED_FILE = ".gitignore"


class _Started(msgspec.Struct, frozen=True, kw_only=True):
    """What became of each file, and whether the settings hold a key."""

    folder: str
    files: dict[str, Fate]
    has_key: bool | None


@click.command
@click.argument(
    "folder", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path), default="."
)
@click.option("--force", is_flag=True, help="Write the files anew, also over others.")
@at_server()
def init(session: Session, /, *, folder: Path, force: bool) -> None:
    """Write a worker, its settings and a part of AGENTS.md to DIR, this folder unless named.

    What is there is kept. The settings get the key you have, else one that is registered at the
    server, else a place for it. AGENTS.md is made or added to, once; .gitignore keeps the settings
    out of git.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        started = _written(session, folder, force=force)
    except OSError as error:
        raise Refusal(f"cannot write to {folder}: {error}", "orchestrion init --help") from error
    _print(session, started)


def _written(session: Session, folder: Path, *, force: bool) -> _Started:
    environment = folder / ENVIRONMENT_FILE
    key = None
    files = {WORKER_FILE: write(folder / WORKER_FILE, WORKER, mode=EVERYBODY, force=force)}
    if force or not environment.exists():
        key = _key(session)
        text = _environment(session, key)
        files[ENVIRONMENT_FILE] = write(environment, text, mode=OWNER_ONLY, force=force)
    else:
        files[ENVIRONMENT_FILE] = Fate.KEPT
    # Before a key is committed by mistake.
    files[IGNORED_FILE] = add_line(
        folder / IGNORED_FILE, ENVIRONMENT_FILE, same_as=(f"/{ENVIRONMENT_FILE}",)
    )
    files[GUIDE_FILE] = add_section(folder / GUIDE_FILE, force=force)
    has_key = None if files[ENVIRONMENT_FILE] is Fate.KEPT else key is not None
    return _Started(folder=str(folder), files=files, has_key=has_key)


def _key(session: Session) -> str | None:
    if session.target.api_key:
        return session.target.api_key
    try:
        return session.client.keys.register().api_key
    except (APIError, ConnectionFailed) as error:
        session.printer.hint(f"No key yet: {error}")
        return None


def _environment(session: Session, key: str | None) -> str:
    url = shlex.quote(session.target.url)
    if key is None:
        return ENVIRONMENT_WITHOUT_KEY.format(url=url, command=session.command("keys", "register"))
    return ENVIRONMENT.format(url=url, key=shlex.quote(key))


def _print(session: Session, started: _Started) -> None:
    if session.printer.single_shape() is Shape.TABLE:
        lines = [(name, _said(fate)) for name, fate in started.files.items()]
        session.printer.rows(Rows(headings=("file", ""), lines=lines))
    else:
        session.printer.json(started)
    if started.has_key is False:
        session.advise_to(f"{session.command('keys', 'register')}, and put the key into .env")
        return
    place = "" if started.folder == "." else f"cd {shlex.quote(started.folder)}; "
    session.advise_to(f"{place}set -a; . ./.env; set +a; python {WORKER_FILE}")


_SAID: Mapping[Fate, str] = {
    Fate.WRITTEN: "written",
    Fate.KEPT: "kept as it was; --force writes it anew",
    Fate.APPENDED: "a part was added",
}


def _said(fate: Fate) -> str:
    return _SAID[fate]
