"""The served document and the specification's structure, as plain JSON."""

import json
from pathlib import Path
from typing import Any

from orchestrion.documents import read_document

HERE = Path(__file__).parent


def served() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(read_document("openapi.json"))
    return document


def specification() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((HERE / "specification.json").read_text("utf-8"))
    return document
