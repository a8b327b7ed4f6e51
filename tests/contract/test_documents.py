"""Documents that derive from the code are fresh, and being stale is noticed."""

from pathlib import Path

import pytest

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
