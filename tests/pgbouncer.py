"""A PgBouncer of one's own before a PostgreSQL server; gone when closed.

It is the system's: on Debian, `apt-get install pgbouncer`.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec

from tests.ports import free_port

HOST: Final = "127.0.0.1"
DEADLINE_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.01
# Fewer than one process of the service opens, so that they do share.
SESSIONS: Final = 3
_GUARD: Final = Path(__file__).with_name("guard.py")
_SETTINGS: Final = """\
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = {listen}
listen_port = {listen_port}
unix_socket_dir =
pidfile = {folder}/pid
auth_type = {auth}
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = {sessions}
"""


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How a pooler works."""

    mode: str = "transaction"
    auth: str = "trust"
    sessions: int = SESSIONS


USUAL: Final = Manner()


class PgBouncer:
    """One pooler; it takes the place of the server that an address names."""

    def __init__(self, url: str, manner: Manner = USUAL) -> None:
        self._behind = urlsplit(url)
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="orchestrion-pgbouncer-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        (self.folder / "users").write_text(f'"{self._name}" "{self._password}"\n', "utf-8")
        (self.folder / "settings").write_text(
            _SETTINGS.format(
                host=self._behind.hostname,
                port=self._behind.port or 5432,
                listen=HOST,
                listen_port=self.port,
                folder=self.folder,
                sessions=manner.sessions,
                auth=manner.auth,
                mode=manner.mode,
            ),
            "utf-8",
        )
        if self._user is not None:
            # PgBouncer refuses to run as root.
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """Give the address of a database behind it."""
        netloc = f"{self._name}@{HOST}:{self.port}"
        return urlunsplit(self._behind._replace(netloc=netloc, path=f"/{database}"))

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, "these tests need PgBouncer: apt-get install pgbouncer"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(_GUARD), str(self.folder)),
                    str(self._user.pw_uid) if self._user else "",
                    *(program, str(self.folder / "settings")),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            assert self._process.poll() is None, (self.folder / "log").read_text("utf-8")
            try:
                socket.create_connection((HOST, self.port)).close()
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(PAUSE_SECONDS)
            else:
                return

    def stop(self) -> None:
        """Stop it at once, and wait until it has."""
        process, self._process = self._process, None
        assert process is not None
        assert process.stdin is not None
        os.kill(self._pid(), signal.SIGTERM)
        process.wait(DEADLINE_SECONDS)
        process.stdin.close()

    def _pid(self) -> int:
        """Read its number, which it writes down after it has begun to listen."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        file = self.folder / "pid"
        while not (text := file.read_text("ascii") if file.exists() else ""):
            assert time.monotonic() < deadline
            time.sleep(PAUSE_SECONDS)
        return int(text)

    @property
    def _name(self) -> str:
        return unquote(self._behind.username or "postgres")

    @property
    def _password(self) -> str:
        return unquote(self._behind.password or "")
