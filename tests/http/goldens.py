"""Whole answers kept as files: ids numbered by first appearance, words left out."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.http.callers import Response

_FOLDER: Final = Path(__file__).with_name("golden")
_RANDOM: Final = re.compile(
    r"\b(tsk|acct|req|pur)_[0-9A-Z]{26}\b|\b(lse)_[0-9a-f]{34}\b|\b(orch_live)_[0-9a-f]{64}\b"
)
# Sentences may be reworded; that they are there is checked elsewhere.
_WORDS: Final = frozenset({"description", "message"})
# What PayPal makes up.
_FOREIGN: Final = frozenset({"orderId", "checkoutUrl"})


def check_golden(name: str, response: Response) -> None:
    """Compare an answer with its file; a missing file is written, for a person to look at."""
    found = _readable(response)
    file = _FOLDER / f"{name}.json"
    if not file.exists():
        file.write_text(found, "utf-8")
        message = f"{file.name} was missing: read what was written, then run again"
        raise AssertionError(message)
    assert found == file.read_text("utf-8")


def _readable(response: Response) -> str:
    body = _wordless(response.json())
    if "nextCursor" in body.get("pageInfo", ()):
        body = _without_cursor(body)
    text = json.dumps({"status": response.status_code, "body": body}, indent=2)
    return _RANDOM.sub(_numbering(), text) + "\n"


def _wordless(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {
            name: "..." if name in _WORDS | _FOREIGN and inner else _wordless(inner)
            for name, inner in value.items()
        }
    return [_wordless(one) for one in value] if isinstance(value, list) else value


def _without_cursor(body: dict[str, Any]) -> dict[str, Any]:
    cursor = body["pageInfo"]["nextCursor"]
    text = json.dumps(body)
    found: dict[str, Any] = json.loads(text.replace(cursor, "CURSOR") if cursor else text)
    return found


def _numbering() -> Callable[[re.Match[str]], str]:
    seen: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        kind = next(group for group in match.groups() if group)
        count = sum(1 for one in seen.values() if one.startswith(f"{kind}_"))
        return seen.setdefault(match.group(), f"{kind}_{count + 1}")

    return number
