"""The line written for every request: its fields are all it can ever carry."""

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Encoder
from msgspec.structs import asdict, replace

from orchestrion.observe.redaction import printable


class RequestLine(Struct, frozen=True, gc=False):
    """One answered request, in the order of the fields on the wire.

    Built by position and unseen by the garbage collector, as ten thousand come in a second.
    """

    timestamp: str
    level: str
    event: str
    request_id: str
    operation: str
    method: str
    status: int
    duration_ms: float
    account: str | UnsetType = UNSET
    error: str | UnsetType = UNSET
    worker: int | UnsetType = UNSET


Line = RequestLine | Raw
"""A request, or a line that is already text."""

_encode_lines = Encoder().encode_lines


def encode_lines(lines: list[Line]) -> bytes:
    """Every line as text with its line end."""
    try:
        return _encode_lines(lines)
    except UnicodeEncodeError:
        # A lone surrogate in one line must not cost its neighbours.
        return _encode_lines([_repaired(line) for line in lines])


def _repaired(line: Line) -> Line:
    if not isinstance(line, RequestLine):
        return line
    texts = {name: value for name, value in asdict(line).items() if isinstance(value, str)}
    return replace(line, **{name: printable(text) for name, text in texts.items()})
