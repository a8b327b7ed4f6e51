"""The corpus of bad requests: data files under corpus/, read into cases.

A file gives a request and an expectation; each of its cases changes both as it needs. `each` makes
a case per value of a field, `with` and `without` change the JSON body, a header that is null is
left out. Text may be made of pieces: `repeat` and `times`, `base64`, or `text` in a `codec`.
`<name>` stands for what the world of the tests holds under that name.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

CORPUS = Path(__file__).parent / "corpus"


class Piece(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a body, path or header that would be unreachable written out."""

    repeat: str = ""
    times: int = 0
    base64: bytes = b""
    text: str = ""
    codec: str = "utf-8"

    def written(self) -> bytes:
        return (self.repeat * self.times).encode() + self.base64 + self.text.encode(self.codec)


Text = str | Piece | list[str | Piece]


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a bad request is answered with; `says` stands in the message."""

    status: int
    error: str
    says: str = ""


class BadRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One case, ready to be sent once its `<name>`s are filled in; `varies` names a field."""

    name: str
    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    pieces: int
    expected: Expectation
    varies: str = ""

    def filled(self, names: Mapping[str, str]) -> "BadRequest":
        """Put in what the `<name>`s stand for."""
        body = _filled(self.body, names)
        names = {**names, "length": str(len(body))}
        return replace(
            self,
            target=_filled(self.target, names),
            headers=tuple((name, _filled(value, names)) for name, value in self.headers),
            body=body,
        )


class _Case(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"with_": "with"}
):
    name: str
    method: str
    path: Text
    headers: dict[str, Text | None] = {}
    more_headers: list[tuple[str, str]] = []
    json: object = None
    with_: dict[str, object] = {}
    without: list[str] = []
    each: dict[str, list[object]] = {}
    body: Text = ""
    pieces: int = 1
    status: int
    error: str
    says: str = ""


def bad_requests() -> Iterator[BadRequest]:
    """Read every file of the corpus."""
    for path in sorted(CORPUS.glob("*.json")):
        file = json.loads(path.read_text(encoding="utf-8"))
        for one in file["cases"]:
            merged = _merged({**file["request"], **file["expect"]}, one)
            yield from _varied(path.stem, msgspec.convert(merged, _Case))


def written(text: Text) -> bytes:
    """Write text made of pieces."""
    parts = text if isinstance(text, list) else [text]
    return b"".join(one.encode() if isinstance(one, str) else one.written() for one in parts)


def _merged(defaults: Mapping[str, Any], case: Mapping[str, Any]) -> dict[str, Any]:
    # A body or another path has no use for the JSON body of its file.
    stale = {"json"} if "body" in case else set()
    kept = {name: value for name, value in defaults.items() if name not in stale}
    return {**kept, **case}


def _varied(group: str, case: _Case) -> Iterator[BadRequest]:
    if not case.each:
        yield _request(f"{group}: {case.name}", case, case.with_)
    for field, values in case.each.items():
        for value in values:
            name = f"{group}: {case.name} {json.dumps(value)}"
            bad = _request(name, case, {**case.with_, field: value})
            yield replace(bad, varies=field)


def _request(name: str, case: _Case, changes: Mapping[str, object]) -> BadRequest:
    body = written(case.body)
    if isinstance(case.json, dict):
        fields = {key: value for key, value in case.json.items() if key not in case.without}
        body = json.dumps({**fields, **changes}, ensure_ascii=False).encode() or body
    return BadRequest(
        name=name,
        method=case.method,
        target=written(case.path),
        headers=tuple(_headers(case, body)),
        body=body,
        pieces=case.pieces,
        expected=Expectation(status=case.status, error=case.error, says=case.says),
    )


def _headers(case: _Case, body: bytes) -> Iterator[tuple[bytes, bytes]]:
    usual: dict[str, Text | None] = {"Authorization": "Bearer <key>"}
    if body:
        usual |= {"Content-Type": "application/json", "Content-Length": "<length>"}
    for name, value in {**usual, **case.headers}.items():
        if value is not None:
            yield name.lower().encode(), written(value)
    for name, value in case.more_headers:
        yield name.lower().encode(), value.encode()


def _filled(text: bytes, names: Mapping[str, str]) -> bytes:
    if b"<" not in text:
        return text
    for name, value in names.items():
        text = text.replace(f"<{name}>".encode(), value.encode())
    return text
