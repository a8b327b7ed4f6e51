"""Every block of code of the README and of docs is run, read by its program, or listed with why."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from orchestrion.cli import main
from orchestrion.client.config import read_profile
from orchestrion.settings import Sources, load_settings
from tests.e2e.pages import Block, blocks_of, pages
from tests.e2e.serving import serving
from tests.e2e.typist import Typist
from tests.ports import free_port, free_ports
from tests.postgres import HOST, OWNER, PostgresServer

TYPED = {"sh", "console", "python", "sql"}
READ = {"json", "toml"}
# Output, drawings, and files of programs that are not ours.
SHOWN = {"text", "mermaid", "ini", "yaml"}
# A table of pyproject.toml.
PROJECT = "tool"
# Run by test_examples.py, in one shell, with a look at what they answer.
PASTED = ("README.md", "$ORCHESTRION_URL")

# Pages start this many workers at most, each with a metrics port after that of the one before.
WORKERS_SHOWN_MAX = 8
DATABASE = "orchestrion"
DEFAULT_URL = "http://127.0.0.1:8080"
MADE_UP_ACCOUNT = "acct_01M814NJ33M9S346Q3D25VT4F5"
MADE_UP_KEY = "key_01M814NVVKV37E3S3E28JT97KB"


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A block, by its page and a line of it, or lines of any page, with why they are left out."""

    page: str = ""
    line: str
    why: str


# Blocks that are not run.
LEFT_BLOCKS = (
    Left(
        page="README.md",
        line="make run",
        why="fetches packages; what it starts in the end is `orchestrion serve`",
    ),
    Left(page="docs/payments.md", line="export ORCHESTRION_PAYPAL_CLIENT_ID=...", why="PayPal"),
    Left(page="docs/scaling.md", line="create extension citus;", why="Citus, on other machines"),
    Left(
        page="docs/scaling.md",
        line="select create_reference_table('schema_migrations');",
        why="Citus, on other machines",
    ),
)
# Beginnings of lines that are taken out of the blocks that are run.
LEFT_LINES = (
    Left(line=".venv/bin/pip install", why="fetches packages"),
    Left(line="psql 'postgresql://postgres@db1/orchestrion' --command '\\password", why="asks"),
)
# What stands in a page for what the reader has, in the place of which something real is typed.
REPLACED = (
    # The first database is not empty any more.
    (
        "orchestrion.db --database 'postgresql://orchestrion@db1/orchestrion'",
        "orchestrion.db --database 'postgresql://postgres@{postgres}/moved'",
    ),
    ("sudo -u postgres ", ""),
    ("createuser --pwprompt", "createuser"),
    ("user:password@host/", "postgres@{postgres}/"),
    (":PASSWORD@db1/", "@{postgres}/"),
    ("@db1/", "@{postgres}/"),
    (DEFAULT_URL, "{url}"),
    (MADE_UP_ACCOUNT, "{account}"),
    (MADE_UP_KEY, "{key_id}"),
    ("--metrics-port 9100", "--metrics-port {port}"),
)
# Lines of blocks that stand where the reader's shell names the shared database.
SHARED_LINES = ("serve --host 0.0.0.0", "db migrate           # adds what the new version needs")
# Pages whose server is another than the usual one.
SERVERS: Mapping[str, Sequence[str]] = {
    "docs/payments.md": ("--plans", "hosted", "--payments", "pretend"),
}


def everything() -> list[Block]:
    return [block for page in pages() for block in blocks_of(page)]


def left(block: Block) -> bool:
    return any(one.page == block.page and one.line in block.text for one in LEFT_BLOCKS)


def test_a_block_says_what_it_is() -> None:
    unknown = [block.place for block in everything() if block.tag not in TYPED | READ | SHOWN]

    assert unknown == []


def test_what_is_left_out_is_there() -> None:
    blocks = [block for block in everything() if block.tag in TYPED]

    for one in LEFT_BLOCKS:
        assert [one.line in b.text for b in blocks if b.page == one.page].count(True) == 1, one
    for one in LEFT_LINES:
        assert any(f"\n{one.line}" in f"\n{block.text}" for block in blocks), one


@pytest.mark.parametrize("block", [b for b in everything() if b.tag in READ], ids=lambda b: b.place)
def test_a_file_that_is_shown_can_be_read(block: Block, tmp_path: Path) -> None:
    if block.tag == "json":
        json.loads(block.text)
    else:
        file = tmp_path / "orchestrion" / "config.toml"
        file.parent.mkdir()
        file.write_text(block.text, "utf-8")
        read = tomllib.loads(block.text)
        if PROJECT in read:
            # A setting of pytest's, which the tests of its page are run with.
            assert read.keys() == {PROJECT}
        elif "profiles" in read:
            assert read_profile({"XDG_CONFIG_HOME": str(tmp_path)}).api_key is not None
        elif "plans" in read:
            assert CliRunner().invoke(main, ["plans", "validate", str(file)]).exit_code == 0
        else:
            load_settings(Sources(config=str(file)))


class Reader:
    """Someone with a folder, a server, a key, and a PostgreSQL where the page wants one."""

    def __init__(self, page: str, folder: Path, beside: ExitStack) -> None:
        self.blocks = [block for block in blocks_of(page) if to_type(block)]
        flags = [*SERVERS.get(page, ()), "--port", str(free_port())]
        served = beside.enter_context(serving(folder / "served.db", *flags))
        self._real = {"url": served.url(), "port": str(free_ports(WORKERS_SHOWN_MAX))}
        variables = {
            "ORCHESTRION_URL": served.url(),
            "ORCHESTRION_API_KEY": served.first_key(),
            "ORCHESTRION_KEY": served.first_key(),
            "ORCHESTRION_PORT": str(free_port()),
        }
        programs = []
        if any("postgres" in block.text for block in self.blocks):
            # As a server should be: `db status` advises against less.
            durable = {"fsync": "on", "full_page_writes": "on"}
            postgres = beside.enter_context(PostgresServer(durable))
            postgres.createdb("moved")
            if not any("createdb" in block.text for block in self.blocks):
                postgres.createdb(DATABASE)
            programs.append(postgres.bin)
            self._real["postgres"] = f"{HOST}:{postgres.port}"
            variables |= {"PGHOST": HOST, "PGPORT": str(postgres.port), "PGUSER": OWNER}
            variables["PGDATABASE"] = DATABASE
            self._shared = {"ORCHESTRION_DATABASE": postgres.url(DATABASE)}
        self.typist = Typist(folder / "clone", variables, programs)
        beside.callback(self.typist.abandon)
        project = [block.text for block in blocks_of(page) if block.text.startswith(f"[{PROJECT}.")]
        (folder / "clone" / "pyproject.toml").write_text("".join(project), "utf-8")
        made = self._made_key()
        self._real |= {"account": made["account_id"], "key_id": made["key_id"]}

    def read(self) -> None:
        """Type every block, then leave."""
        for block in self.blocks:
            shared = any(line in block.text for line in SHARED_LINES)
            self.typist.type(block, self._text(block), self._shared if shared else {})
        self.typist.leave()

    def _text(self, block: Block) -> str:
        lines = block.text.splitlines(keepends=True)
        text = "".join(x for x in lines if not any(x.startswith(one.line) for one in LEFT_LINES))
        for shown, real in REPLACED:
            if shown in text:
                text = text.replace(shown, real.format(**self._real))
        return text

    def _made_key(self) -> dict[str, str]:
        """Make the file that the operator's commands find in the folder."""
        file = f"sqlite:///{self.typist.folder}/orchestrion.db"
        made = CliRunner().invoke(main, ["keys", "create", "--json", "--database", file])
        assert made.exit_code == 0, made.output
        return dict(json.loads(made.stdout))


def to_type(block: Block) -> bool:
    page, mark = PASTED
    pasted = block.page == page and mark in block.text
    return block.tag in TYPED and not left(block) and not pasted


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({block.page for block in everything() if to_type(block)}))
def test_the_blocks_of_a_page_can_be_typed(page: str, tmp_path: Path) -> None:
    with ExitStack() as beside:
        Reader(page, tmp_path, beside).read()
