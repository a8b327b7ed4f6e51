"""`orchestrion doctor`: looks at everything that may be wrong, and says what to type about it."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Final

import click
import httpx2

from orchestrion.cli.doctor_finding import Finding, Level, bad
from orchestrion.cli.doctor_key import key_findings
from orchestrion.cli.doctor_server import Server, look, reached
from orchestrion.cli.flags import settings_flags, sources
from orchestrion.cli.options import at_server
from orchestrion.cli.printing import Shape, cell
from orchestrion.cli.reaching import Session
from orchestrion.cli.refusals import refusals
from orchestrion.client.errors import ConnectionFailed

HERE: Final = ("host", "port", "database", "database_pooler")
COLOURS: Final[Mapping[Level, str]] = {
    Level.OK: "green",
    Level.WARN: "yellow",
    Level.FAIL: "bold red",
}


@click.command
@click.option("--quick", is_flag=True, help="Only ask the server whether it serves and is ready.")
@settings_flags(HERE)
@at_server()
def doctor(session: Session, /, *, quick: bool, **values: str | None) -> None:
    """Check the server, the versions, the clock, the key and its plan.

    Where a database is named, by flag, variable or file, also that database and this machine, as
    its server needs them. Ends with 1 if a check fails, with 0 otherwise.
    """
    findings = list(_server(session, quick=quick))
    if not quick:
        findings += _here(values)
    _print(session, findings)
    if _failing(findings):
        sys.exit(1)


def _server(session: Session, *, quick: bool) -> Iterator[Finding]:
    with closing(Server(session.target)) as server:
        try:
            findings = list(reached(server))
            yield from findings
            if not quick and findings[0].check == "server" and findings[0].level is not Level.FAIL:
                yield from key_findings(server, session.target.api_key)
        except httpx2.HTTPError as error:
            said = f"{server.url} does not answer: {str(error) or type(error).__name__}"
            step = session.refusal(ConnectionFailed(said)).step or ""
            # Where nothing better is known, the advice is to call the doctor, who is here.
            yield bad("server", said, look(server) if "doctor" in step else step)


def _here(values: Mapping[str, str | None]) -> list[Finding]:
    # A container that is asked for its health every few seconds does without all of this.
    from orchestrion.cli.doctor_database import database_findings  # noqa: PLC0415
    from orchestrion.cli.doctor_machine import machine_findings  # noqa: PLC0415
    from orchestrion.settings import (  # noqa: PLC0415
        SETTINGS,
        Settings,
        load_database_options,
    )
    from orchestrion.settings.sources import resolve  # noqa: PLC0415

    with refusals():
        given = resolve(SETTINGS, sources(values), HERE)
        if "database" not in given:
            return []
        options = load_database_options(sources(values))
        settings = Settings()
        host, port = given.get("host", settings.host), given.get("port", settings.port)
    assert isinstance(host, str)
    assert isinstance(port, int)
    return [*database_findings(options), *machine_findings(host, port)]


def _print(session: Session, findings: list[Finding]) -> None:
    printer = session.printer
    match printer.single_shape():
        case Shape.TABLE:
            console = printer.console()
            for finding in findings:
                level = cell(f"{finding.level:<4}")
                level.stylize(COLOURS[finding.level])
                console.print(level, cell(finding.line), sep="  ", soft_wrap=True)
        case Shape.JSONL:
            for finding in findings:
                printer.line(finding)
        case Shape.JSON:
            printer.json({"ok": not _failing(findings), "checks": findings})


def _failing(findings: list[Finding]) -> bool:
    return any(finding.level is Level.FAIL for finding in findings)
