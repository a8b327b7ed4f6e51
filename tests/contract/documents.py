"""The served document and the specification's structure, as plain JSON."""

import json
import re
from pathlib import Path
from typing import Any

from orchestrion.documents import read_document

HERE = Path(__file__).parent
# What ECMA-262 has not, or reads as something else.
PYTHON_ONLY = re.compile(r"\\[AZz]|\(\?(?![:=!]|<[=!])")


def served() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(read_document("openapi.json"))
    return document


def served_to_the_specification() -> dict[str, Any]:
    """Give the served document as a client of the specification may read it.

    A body that is complete in one of several ways is complete in the first of them.
    """
    document = served()
    for methods in document["paths"].values():
        for operation in methods.values():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema", {})
            ways = schema.get("anyOf", [])
            if ways and all(list(way) == ["required"] for way in ways):
                schema |= schema.pop("anyOf")[0]
    return document


def specification() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((HERE / "specification.json").read_text("utf-8"))
    return document
