"""Refuses network file systems, on which SQLite's locks and shared memory do not hold."""

import re
from pathlib import Path

from orchestrion.core.faults import StoreRefused

_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")
_NETWORK = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.glusterfs",
        "fuse.s3fs",
        "fuse.sshfs",
        "gfs2",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "smb3",
        "smbfs",
    }
)


def refuse_network_file_system(path: Path) -> None:
    """Raise StoreRefused where the path lies on a network mount, if the system tells."""
    if not _MOUNTS.exists():
        return
    kind = file_system_of(path.resolve(), _MOUNTS.read_text("utf-8", "replace"))
    if kind in _NETWORK:
        message = f"{path} lies on a network file system ({kind}): use a local disk for SQLite"
        raise StoreRefused(message)


def file_system_of(path: Path, mountinfo: str) -> str:
    """Name the file system type of the longest mount point above the path."""
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        fields = left.split(" ")
        if len(fields) <= 4 or not right:  # noqa: PLR2004 - the fifth field is the mount point
            continue
        # Spaces in mount points are written as octal escapes.
        point = Path(_ESCAPE.sub(lambda escape: chr(int(escape[1], 8)), fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), right.split(" ")[0]
    return kind
