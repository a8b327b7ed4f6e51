"""Points of the service at which it ends itself when it is told to: chance would miss them."""

import functools
import mmap
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

BEFORE_COMMIT: Final = "before a commit"
AFTER_COMMIT: Final = "after a commit"
# What it has found overdue is still to be changed.
IN_SWEEP: Final = "in a sweep"
POINTS: Final = (BEFORE_COMMIT, AFTER_COMMIT, IN_SWEEP)
# Names a file of one byte: 0, or one more than the index of the point.
VARIABLE: Final = "CHAOS_KILL_AT"
_NOWHERE: Final = 0


def arm(path: Path, point: str | None) -> None:
    """Have the process that goes by this file end itself at a point, once."""
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(bytes([_NOWHERE if point is None else 1 + POINTS.index(point)]))


class _Fuse:
    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._byte = mmap.mmap(file.fileno(), 1)

    def reached(self, point: str) -> None:
        """Be killed here, if it is to be."""
        if self._byte[0] == 1 + POINTS.index(point):
            # Whoever is started next lives.
            self._byte[0] = _NOWHERE
            os.kill(os.getpid(), signal.SIGKILL)


def establish() -> None:
    """Set the points in this process; what they import may not have to be changed later."""
    from orchestrion.jobs import expire_leases  # noqa: PLC0415
    from orchestrion.jobs.sweep import by_account  # noqa: PLC0415
    from orchestrion.store.postgres import store as postgres  # noqa: PLC0415
    from orchestrion.store.postgres.connecting import commit  # noqa: PLC0415
    from orchestrion.store.sqlite.store import SqliteStore  # noqa: PLC0415

    path = os.environ.get(VARIABLE)
    if path is None:
        return
    fuse = _Fuse(Path(path))
    # To the type checker these are no variables.
    setattr(SqliteStore, "_commit", _around(fuse, SqliteStore._commit))  # noqa: B010, SLF001
    setattr(postgres, "commit", _around_async(fuse, commit))  # noqa: B010
    setattr(expire_leases, "by_account", _in_sweep(fuse, by_account))  # noqa: B010


def _around(fuse: _Fuse, commit: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(commit)
    def killed(*arguments: object) -> None:
        fuse.reached(BEFORE_COMMIT)
        commit(*arguments)
        fuse.reached(AFTER_COMMIT)

    return killed


def _around_async(
    fuse: _Fuse, commit: Callable[..., Awaitable[None]]
) -> Callable[..., Awaitable[None]]:
    @functools.wraps(commit)
    async def killed(*arguments: object) -> None:
        fuse.reached(BEFORE_COMMIT)
        await commit(*arguments)
        fuse.reached(AFTER_COMMIT)

    return killed


def _in_sweep(fuse: _Fuse, by_account: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(by_account)
    def killed(overdue: Sequence[Any]) -> Mapping[Any, Any]:
        if overdue:
            fuse.reached(IN_SWEEP)
        found: Mapping[Any, Any] = by_account(overdue)
        return found

    return killed
