"""A program as a handler: the payload at its standard input, the result at its standard output."""

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from orchestrion.worker.context import Context
from orchestrion.worker.outcomes import Retry

# Between the request to end and the end; and between the end and that of its output.
END_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.02
OUTPUT_BYTES_MAX: Final = 1_048_576
# How much of standard error is kept to find its last line in.
TAIL_BYTES: Final = 4_096
PIECE_BYTES: Final = 65_536
VARIABLES: Final = "ORCHESTRION_TASK_"


class Program:
    """Runs a command for each attempt, in a session of its own.

    Exit code 0 completes the task with the JSON object that was printed, or without a result
    where nothing was; any other fails it with the last line of standard error. Cancelled, it ends
    the command and all it has started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)
        self._running: set[int] = set()

    def end_at_once(self) -> None:
        """End all commands that run, and what they have started; from any thread."""
        for leader in tuple(self._running):
            _signal(leader, signal.SIGKILL)

    async def __call__(self, payload: dict[str, Any], ctx: Context) -> dict[str, Any] | None:
        """Run the command once."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, **variables(ctx)},
            start_new_session=True,
        )
        self._running.add(process.pid)
        try:
            output, tail, code = await _talk(process, msgspec.json.encode(payload))
        except BaseException:
            await _end(process)
            raise
        finally:
            self._running.discard(process.pid)
        if code != 0:
            raise Retry(_last_line(tail) or _how_it_ended(code))
        return _result(output)


def variables(ctx: Context) -> Mapping[str, str]:
    """Give what the command is told of its task beside the payload."""
    return {
        VARIABLES + "ID": ctx.task.id,
        VARIABLES + "TYPE": ctx.task.type,
        VARIABLES + "ATTEMPT": str(ctx.attempt),
    }


async def _talk(process: Process, text: bytes) -> tuple[bytes, bytes, int]:
    """Give what it printed, the last of its standard error, and its exit code."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    output, tail = bytearray(), bytearray()
    async with asyncio.TaskGroup() as group:
        streams = (
            group.create_task(_write(process.stdin, text)),
            group.create_task(_read(process.stdout, output)),
            group.create_task(_pass_on(process.stderr, tail)),
        )
        code = await _exit_code(process)
        # What it has left behind may hold them open for as long as it lives.
        _, held = await asyncio.wait(streams, timeout=END_SECONDS)
        if held:
            await _end(process)
            _, held = await asyncio.wait(held, timeout=END_SECONDS)
        for each in held:
            each.cancel()
    return bytes(output), bytes(tail), code


async def _exit_code(process: Process) -> int:
    # In some releases of Python it waits for the ends of the streams too.
    ended = asyncio.create_task(process.wait())
    try:
        while (code := process.returncode) is None:
            await asyncio.wait([ended], timeout=LOOK_SECONDS)
    finally:
        ended.cancel()
    return code


async def _write(stream: asyncio.StreamWriter, text: bytes) -> None:
    # A program need not read what it does not want.
    with suppress(BrokenPipeError, ConnectionResetError):
        stream.write(text)
        await stream.drain()
    stream.close()


async def _read(stream: asyncio.StreamReader, output: bytearray) -> None:
    while piece := await stream.read(PIECE_BYTES):
        output += piece
        if len(output) > OUTPUT_BYTES_MAX:
            raise Retry(f"The program printed more than {OUTPUT_BYTES_MAX} bytes")


async def _pass_on(stream: asyncio.StreamReader, tail: bytearray) -> None:
    while piece := await stream.read(PIECE_BYTES):
        sys.stderr.buffer.write(piece)
        sys.stderr.buffer.flush()
        tail += piece
        del tail[:-TAIL_BYTES]


async def _end(process: Process) -> None:
    """End the whole group: politely, then for good, for not all of it may obey."""
    _signal(process.pid, signal.SIGTERM)
    # No asyncio.timeout: where a cancellation is under way, some releases of Python (3.11.2) take
    # its end for that one's, and nobody would be left to end what does not obey.
    until = time.monotonic() + END_SECONDS
    while _signal(process.pid, 0) and time.monotonic() < until:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(LOOK_SECONDS)
    _signal(process.pid, signal.SIGKILL)
    await _exit_code(process)


def _signal(leader: int, number: int) -> bool:
    """Send a signal to a group, 0 to look; tells whether any of it is left."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):  # The latter where nobody has collected them.
        return False
    return True


def _result(output: bytes) -> dict[str, Any] | None:
    if not output.strip():
        return None
    try:
        result: dict[str, Any] = msgspec.json.decode(output, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise Retry(f"The program printed no JSON object: {error}") from error
    return result


def _last_line(tail: bytes) -> str:
    lines = [line for line in tail.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def _how_it_ended(code: int) -> str:
    if code < 0:
        return f"The program was ended by {signal.Signals(-code).name}"
    return f"The program ended with exit code {code}"
