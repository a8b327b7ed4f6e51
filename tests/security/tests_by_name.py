"""Finds every test of the repository by reading its files, and the tests that a page names."""

import ast
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_NAMED: Final = re.compile(r"\btests/[\w/]+\.py(?:::\w+)*")


@cache
def known_tests() -> frozenset[str]:
    """Give `path::name` of every test, `path::Class::name` of one in a class."""
    paths = sorted((ROOT / "tests").rglob("test_*.py"))
    return frozenset(
        f"{path.relative_to(ROOT).as_posix()}::{name}"
        for path in paths
        for name in _tests_in(ast.parse(path.read_text("utf-8")).body)
    )


def named_in(text: str) -> list[str]:
    """Give what a text names as tests, in its order."""
    return _NAMED.findall(text)


def _tests_in(body: Sequence[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if name.startswith("test_"):
                    yield name
            case ast.ClassDef(name=name, body=inner) if name.startswith("Test"):
                yield from (f"{name}::{test}" for test in _tests_in(inner))
            # Hypothesis makes a test of a state machine by such a line.
            case ast.Assign(targets=[ast.Name(id=name)]) if name.startswith("Test"):
                yield name
            case _:
                pass
