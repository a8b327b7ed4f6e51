"""The doctor's look at the machine that serves: open files, the port, what is installed."""

import asyncio
import resource
from importlib.util import find_spec
from typing import Final

import httpx2

from orchestrion.api.serving.listener import CannotListen, take
from orchestrion.api.serving.phases import ProtocolLimits
from orchestrion.api.serving.server import FILES_BESIDES
from orchestrion.cli.doctor_finding import Finding, bad, doubtful, good
from orchestrion.databases import DRIVER

ASK_SECONDS: Final = 1.0


def machine_findings(host: str, port: int) -> list[Finding]:
    """Look at what a server on this machine needs of it."""
    return [_files(), _port(host, port), _postgres()]


def _files() -> Finding:
    wanted = ProtocolLimits().connections_max + FILES_BESIDES
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return good("files", "open files: no limit")
    text = f"open files: {hard:,} of the {wanted:,} that all connections need"
    if hard < wanted:
        return doubtful("files", text, f"ulimit -Hn {wanted}, in the shell that starts the server")
    return good("files", f"open files: up to {hard:,}, {wanted:,} needed")


def _port(host: str, port: int) -> Finding:
    try:
        for taken in asyncio.run(take(host, port)):
            taken.close()
    except CannotListen as error:
        if _served(host, port):
            return good("port", f"port {port} is served by Orchestrion")
        return bad("port", str(error), "orchestrion serve --port 8095")
    return good("port", f"port {port} is free")


def _served(host: str, port: int) -> bool:
    name = f"[{host}]" if ":" in host else host
    try:
        answer = httpx2.get(f"http://{name}:{port}/health", timeout=ASK_SECONDS)
        return "leaseExpiryJob" in answer.json()
    except (httpx2.HTTPError, ValueError):
        return False


def _postgres() -> Finding:
    if find_spec(DRIVER) is None:
        return good("extras", "extra postgres: not installed, needed for postgresql:// alone")
    return good("extras", "extra postgres: installed")
