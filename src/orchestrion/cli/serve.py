"""`orchestrion serve`: reads the settings and runs the server."""

import os
import sys

import click
import uvloop

from orchestrion.api.serving.listener import CannotListen
from orchestrion.cli.flags import settings_flags, sources
from orchestrion.cli.refusals import Refusal, refusals
from orchestrion.core.faults import StoreRefused, Unavailable
from orchestrion.main import log_refusal
from orchestrion.main import serve as serve_forever
from orchestrion.selling import CannotPretend
from orchestrion.settings import SETTINGS, load_settings
from orchestrion.supervisor.handover import this_worker
from orchestrion.supervisor.host import supervise


@click.command
@settings_flags(setting.name for setting in SETTINGS)
def serve(**values: str | None) -> None:
    """Serve the API until told to stop.

    Every flag may also be given as the variable in brackets or as a key of the TOML file; a flag
    wins over a variable, a variable over the file.
    """
    with refusals():
        worker = this_worker(os.environ)
        settings = load_settings(sources(values))
        try:
            if worker.index is None and settings.workers > 1:
                sys.exit(uvloop.run(supervise(settings, [sys.executable, *sys.orig_argv[1:]])))
            uvloop.run(serve_forever(settings, worker))
        except (CannotListen, CannotPretend, StoreRefused, Unavailable) as error:
            if worker.greets:
                raise Refusal(str(error)) from error
            log_refusal(settings, worker, error)
            sys.exit(1)
