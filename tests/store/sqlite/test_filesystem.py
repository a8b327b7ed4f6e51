"""Network file systems are told by the system's list of mounts."""

from pathlib import Path

import pytest

from orchestrion.core.faults import StoreRefused
from orchestrion.store.sqlite import filesystem
from orchestrion.store.sqlite.filesystem import file_system_of, refuse_network_file_system

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
31 22 0:27 / /srv rw,relatime shared:5 - nfs4 files.example:/export rw,vers=4.2
32 31 254:1 / /srv/local rw,relatime - xfs /dev/vdb rw
33 22 0:28 / /mnt/team\\040share rw - cifs //files.example/team rw
34 22 0:29 / /mnt/donn\u00e9es rw - fuse.sshfs files.example:/ rw
35 22 0:30 / /mnt/back\\134slash rw master:7 propagate_from:2 - 9p host rw
36 22 0:31 / /over rw - ext4 /dev/vdc rw
37 36 0:32 / /over rw - nfs files.example:/over rw
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/orchestrion.db", "ext4"),
        ("/srv/orchestrion.db", "nfs4"),
        ("/srv/deeper/down/orchestrion.db", "nfs4"),
        ("/srv/local/orchestrion.db", "xfs"),
        ("/srvlocal/orchestrion.db", "ext4"),
        ("/mnt/team share/orchestrion.db", "cifs"),
        ("/mnt/donn\u00e9es/orchestrion.db", "fuse.sshfs"),
        ("/mnt/back\\slash/orchestrion.db", "9p"),
        ("/over/orchestrion.db", "nfs"),
    ],
)
def test_a_path_lies_on_the_mount_nearest_above_it(path: str, kind: str) -> None:
    assert file_system_of(Path(path), MOUNTS) == kind


def test_a_system_that_does_not_tell_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystem, "_MOUNTS", tmp_path / "none")

    refuse_network_file_system(tmp_path / "orchestrion.db")


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs"])
def test_a_network_mount_is_refused_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / {tmp_path.resolve()} rw - {kind} somewhere rw\n", "utf-8")
    monkeypatch.setattr(filesystem, "_MOUNTS", mounts)

    with pytest.raises(StoreRefused, match=f"network file system \\({kind}\\): use a local disk"):
        refuse_network_file_system(tmp_path / "orchestrion.db")


def test_a_link_is_followed_to_where_the_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    link = tmp_path / "orchestrion.db"
    link.symlink_to(share / "orchestrion.db")
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"1 0 0:1 / {share.resolve()} rw - nfs4 somewhere rw\n", "utf-8")
    monkeypatch.setattr(filesystem, "_MOUNTS", mounts)

    with pytest.raises(StoreRefused, match="network"):
        refuse_network_file_system(link)
