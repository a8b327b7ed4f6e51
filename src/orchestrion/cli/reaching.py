"""One command at one server: its client, its hints, and how it ends when it is refused."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from urllib.parse import urlsplit

import click
import msgspec
from msgspec.structs import replace

from orchestrion.cli.endings import kind_of
from orchestrion.cli.printing import Printer, printable
from orchestrion.cli.refusals import Refusal, Unreachable, WrongSetting, WrongUsage
from orchestrion.cli.steps import Typed, again, command, next_step
from orchestrion.client.config import Target, find_target
from orchestrion.client.contract import AgentContract
from orchestrion.client.errors import (
    APIError,
    ConfigurationError,
    ConnectionFailed,
    InvalidApiKey,
    MissingApiKey,
    OrchestrionError,
    Timeout,
    UnreadableAnswer,
)
from orchestrion.client.retrying import RetryNote
from orchestrion.client.sync import Orchestrion

# One who waits at a terminal would rather hear what is wrong.
RETRIES_MAX = 2
RETRY_SECONDS = 10.0
# Who waits longer wants to know what for.
PAUSE_TOLD_SECONDS = 1.0

HAVE_A_KEY = (
    "The server printed a key at its first start: export ORCHESTRION_API_KEY=… "
    "What comes next makes a new account."
)
_TARGET_VARIABLES = ("ORCHESTRION_URL", "ORCHESTRION_API_KEY", "ORCHESTRION_KEY")
_OWN_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed of the server and the key; the rest comes from variables and profiles."""

    url: str | None = None
    api_key: str | None = None
    profile: str | None = None

    def target(self) -> Target:
        """Choose server and key; raises ConfigurationError."""
        variables = dict(os.environ)
        if self.profile:
            # A profile that was asked for goes before variables that were set for all commands.
            variables = {
                name: variables[name] for name in variables if name not in _TARGET_VARIABLES
            }
            variables["ORCHESTRION_PROFILE"] = self.profile
        # What is no text is refused here, in one way for all that was typed.
        (self.url or "").encode()
        return find_target(self.url, self.api_key, variables)


class Session:
    """One command, from its first request to its last hint."""

    def __init__(self, printer: Printer, typed: Typed, reach: Reach) -> None:
        self.printer = printer
        self.typed = typed
        self._reach = reach

    @property
    def named(self) -> bool:
        """Whether a server, a key or a profile was typed."""
        return self._reach != Reach()

    @cached_property
    def target(self) -> Target:
        """The server and the key that hold for this command."""
        return self._reach.target()

    @cached_property
    def client(self) -> Orchestrion:
        """The client, made when it is first needed and closed when the command ends."""
        return self.client_for(RETRY_SECONDS)

    def client_for(self, retry_seconds: float) -> Orchestrion:
        """Open a client that repeats what can pass for so long."""
        client = Orchestrion(
            self.target.url,
            self.target.api_key,
            max_retries=RETRIES_MAX,
            retry_seconds=retry_seconds,
            on_retry=self._tell,
        )
        click.get_current_context().call_on_close(client.close)
        return client

    def knows(
        self,
        *,
        task_type: str | None = None,
        token: str | None = None,
        purchase_id: str | None = None,
    ) -> None:
        """Remember what makes the next command complete."""
        self.typed = replace(
            self.typed,
            task_type=task_type or self.typed.task_type,
            token=token or self.typed.token,
            purchase_id=purchase_id or self.typed.purchase_id,
        )

    def advise(self, contract: AgentContract) -> None:
        """Hint at the command for what the server recommends, if there is one."""
        step = next_step(contract.recommended, self.typed)
        if step is not None:
            self.advise_to(step)

    def advise_to(self, step: str) -> None:
        """Hint at a command to type next."""
        self.printer.hint(f"next: {step}")

    def command(self, *words: str) -> str:
        """Give another command at the same server."""
        return command(words, self.typed)

    def again(self, *more: str, without: str | None = None) -> str:
        """Give this command again, with more words or without one."""
        return again(self.typed, *more, without=without)

    @contextmanager
    def refusals(self) -> Iterator[None]:
        """Let what the client raises end the program with its line, next step and exit code."""
        try:
            yield
        except OrchestrionError as error:
            raise self.refusal(error) from error
        except UnicodeError as error:
            raise WrongUsage("what was typed is no text", f"{self.typed.path} --help") from error

    def refusal(self, error: OrchestrionError) -> Refusal:
        """Give the end of the program for what the client raised."""
        match error:
            case APIError():
                return self._refused(error)
            case ConnectionFailed() | UnreadableAnswer():
                # What it advises is said as a command.
                return Unreachable(str(error).partition(" Next: ")[0], self._to_reach())
            case ConfigurationError():
                return WrongSetting(str(error), f"{self.typed.path} --help")
            case Timeout():
                return Refusal(str(error), again(self.typed))
            case _:
                return Refusal(str(error), self.command("doctor"))

    def tell_of(self, error: OrchestrionError, pause: float) -> None:
        """Say what hindered a look, and when the next one follows."""
        said = str(error).partition(" Next: ")[0]
        self.printer.hint(f"{said} Looking again in {pause:g} s.")

    def _tell(self, note: RetryNote) -> None:
        if note.pause_seconds >= PAUSE_TOLD_SECONDS:
            said = f"{note.trouble.message} Trying again in {note.pause_seconds:.0f} s."
            self.printer.hint(said)

    def _refused(self, error: APIError) -> Refusal:
        quoted = ", ".join(filter(None, [error.code, error.request_id]))
        said = f"{error.message} ({quoted})"
        # Another checkout of the account may be pending.
        if "checkoutUrl" in error.details:
            self.knows(purchase_id=error.details.get("purchaseId"))
            said = f"{said} It is approved at {error.details['checkoutUrl']}"
        if isinstance(error, MissingApiKey | InvalidApiKey):
            said = f"{said} {HAVE_A_KEY}"
        step = next_step(error.contract.recommended, self.typed)
        return kind_of(error)(printable(said), step or self.command("doctor"))

    def _to_reach(self) -> str:
        # Where nothing listens on this very machine, a server may simply not run.
        if urlsplit(self.target.url).hostname in _OWN_MACHINE and not self.typed.reach:
            return command(["serve"], self.typed)
        return self.command("doctor")
