"""Opens whoever takes the money: PayPal, a pretend one, or nobody; nobody else knows all kinds."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

from orchestrion.core.clock import Clock
from orchestrion.engine.ports import Payments
from orchestrion.payments.calls import CallRecord
from orchestrion.payments.hosts import BaseUrl
from orchestrion.payments.opening import PromptPayPal
from orchestrion.payments.paypal import PayPalOptions
from orchestrion.payments.tokens import Credentials

# Nobody, a pretend PayPal that is started for it, or PayPal.
Taker = PayPalOptions | Literal["pretend"] | None

# -P: what lies in the working folder is material, never code.
PRETEND_PROGRAM: Final = ("-P", "-m", "orchestrion.payments.pretend", "--until-stdin-closes")
PRETEND_VARIABLES: Final = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ")
PRETEND_SECONDS_MAX: Final = 20.0
CANNOT_PRETEND: Final = "the pretend PayPal does not start; see what it said above"


class CannotPretend(Exception):
    """The pretend PayPal did not start; the text is one line for the operator."""


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """Who takes the money; `events` tells whether their events are taken, `pretend_url` where."""

    payments: Payments | None = None
    events: bool = False
    pretend_url: str = ""


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """What a pretend PayPal says of itself."""

    url: str
    client_id: str
    secret: str
    webhook_id: str


@asynccontextmanager
async def open_payments(
    taker: Taker, clock: Clock, told: Callable[[CallRecord], None]
) -> AsyncIterator[Open]:
    """Take payments until the block ends; raises CannotPretend."""
    if taker is None:
        yield Open()
        return
    async with contextlib.AsyncExitStack() as stack:
        url = ""
        if taker == "pretend":
            place = await stack.enter_async_context(_pretending())
            url, taker = place.url, _options(place)
        paypal = PromptPayPal(taker, clock, told)
        stack.push_async_callback(paypal.close)
        yield Open(payments=paypal, events=taker.webhook_id is not None, pretend_url=url)


def _options(place: _Place) -> PayPalOptions:
    return PayPalOptions(
        base_url=BaseUrl.parse(place.url),
        credentials=Credentials(client_id=place.client_id, secret=place.secret),
        webhook_id=place.webhook_id,
    )


def pretend_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Keep what the pretend PayPal needs to run: no secret, no folder that may be another one."""
    kept = {name: variables[name] for name in PRETEND_VARIABLES if name in variables}
    folders = variables.get("PYTHONPATH", "").split(os.pathsep)
    absolute = os.pathsep.join(folder for folder in folders if Path(folder).is_absolute())
    return kept | {"PYTHONPATH": absolute} if absolute else kept


@asynccontextmanager
async def _pretending() -> AsyncIterator[_Place]:
    # It ends when its stdin closes, so it does not outlive this process, however that ends. In a
    # session of its own, it still answers while the keys of a terminal stop this process.
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *PRETEND_PROGRAM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=pretend_environment(os.environ),
        start_new_session=True,
    )
    assert process.stdin is not None, "it was asked for"
    try:
        yield await _place(process)
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), PRETEND_SECONDS_MAX)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _place(process: asyncio.subprocess.Process) -> _Place:
    assert process.stdout is not None, "it was asked for"
    try:
        line = await asyncio.wait_for(process.stdout.readline(), PRETEND_SECONDS_MAX)
        return msgspec.json.decode(line, type=_Place)
    except (TimeoutError, msgspec.DecodeError) as error:
        raise CannotPretend(CANNOT_PRETEND) from error
