"""Documents that derive from the code are fresh, and being stale is noticed."""

import re
from pathlib import Path

import click
import pytest

from orchestrion.cli import main
from orchestrion.cli.documents import rendered, stale
from orchestrion.core.errors import ErrorCode
from orchestrion.core.lifecycle import TABLE
from orchestrion.documents import read_document

ROOT = Path(__file__).parents[2]


def test_the_checked_in_documents_are_fresh() -> None:
    assert stale(ROOT) == [], "run: python -m orchestrion.cli.documents"


def test_a_missing_or_changed_document_is_stale(tmp_path: Path) -> None:
    for name, body in rendered().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(body)
    assert stale(tmp_path) == []

    (tmp_path / "docs/errors.md").write_bytes(b"old")
    (tmp_path / "docs/lifecycle.md").unlink()

    assert stale(tmp_path) == ["docs/lifecycle.md", "docs/errors.md"]


def test_every_error_and_every_transition_is_in_the_pages() -> None:
    errors = (ROOT / "docs/errors.md").read_text("utf-8")
    lifecycle = (ROOT / "docs/lifecycle.md").read_text("utf-8")

    assert all(f"| `{code}` |" in errors for code in ErrorCode)
    for (state, verb), row in TABLE.items():
        for target in filter(None, (row.target, row.exhausted, row.withdrawn)):
            assert f"    {state} --> {target}: {verb}" in lifecycle


@pytest.mark.parametrize("name", ["openapi.json", "llms.txt", "AGENTS.md", "AGENT_CONTRACT.md"])
def test_the_package_holds_its_documents(name: str) -> None:
    assert read_document(name)


@pytest.mark.parametrize("name", ["AGENTS.md", "AGENT_CONTRACT.md"])
def test_the_contents_of_a_guide_name_every_chapter(name: str) -> None:
    text = read_document(name).decode()
    contents = text[text.index("Contents:") : text.index("\n## ")]

    named = re.findall(r"\(#([a-z-]+)\)", contents)

    assert named == [_anchor(title) for title in re.findall(r"^## (.+)$", text, re.MULTILINE)]


def test_the_readme_names_every_command_that_a_group_of_them_has() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    context = click.Context(main)

    for name in main.list_commands(context):
        group = main.get_command(context, name)
        shown = re.findall(rf"^orchestrion {name}\b(.*)$", readme, re.MULTILINE)
        assert shown, name
        if isinstance(group, click.Group):
            assert all(verb in " ".join(shown) for verb in group.commands), name


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z -]", "", title.lower()).replace(" ", "-")
