"""A small disk of a campaign's own, in a mount namespace that goes when the campaign does."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MEBIBYTE: Final = 1 << 20
SIZE_MEBIBYTES: Final = 256
NEEDS_ROOT: Final = "a small disk is mounted by root only"
_MOUNT: Final = 'mount -t tmpfs -o size={}m tmpfs "$0" && echo mounted && exec cat'


class SmallDisk:
    """A mounted folder; who is started with `prefix` sees it at `folder`, we at `inside`."""

    def __init__(self, folder: Path, holder: int) -> None:
        self.folder = folder
        self.inside = Path(f"/proc/{holder}/root{folder}")
        self.prefix = ("nsenter", f"--target={holder}", "--mount")
        self._filler = self.inside / "filler"

    def fill(self) -> int:
        """Leave no room; gives how many bytes that took."""
        with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(MEBIBYTE))
        with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(1))
        return self._filler.stat().st_size

    def free(self) -> None:
        """Make room again."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk | None]:
    """Mount one until the block ends, or give None where this is not allowed."""
    if os.geteuid() != 0:
        yield None
        return
    folder.mkdir(parents=True)
    script = _MOUNT.format(SIZE_MEBIBYTES)
    # The holder lives by its input, which ends with this process whatever ends it.
    with subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        mounted = holder.stdout.readline() == b"mounted\n"
        yield SmallDisk(folder.absolute(), holder.pid) if mounted else None
        holder.stdin.close()
