"""Small words for writing JSON Schema; they know nothing of the service."""

from collections.abc import Iterable, Mapping

# Read-only to its holders: schemas are shared between the places that show them.
Schema = Mapping[str, object]


def text(description: str, **keywords: object) -> Schema:
    """A string."""
    return {"type": "string", "description": description, **keywords}


def text_or_null(description: str, **keywords: object) -> Schema:
    """A string that may be null."""
    return {"type": ["string", "null"], "description": description, **keywords}


def instant(description: str) -> Schema:
    """A moment in UTC."""
    return text(description, format="date-time")


def instant_or_null(description: str) -> Schema:
    """A moment in UTC, or null."""
    return text_or_null(description, format="date-time")


def whole(description: str, **keywords: object) -> Schema:
    """An integer."""
    return {"type": "integer", "description": description, **keywords}


def flag(description: str) -> Schema:
    """A boolean."""
    return {"type": "boolean", "description": description}


def choice(description: str, values: Iterable[str]) -> Schema:
    """One of a closed set."""
    return {"type": "string", "enum": list(values), "description": description}


def struct(description: str, properties: Schema, required: Iterable[str] | None = None) -> Schema:
    """An object; every property is required unless a list says which are."""
    names = list(properties if required is None else required)
    shape: Schema = {"type": "object", "description": description, "properties": properties}
    return {**shape, "required": names} if names else shape


def component(name: str) -> Schema:
    """Point at a component schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def example_refs(names: Iterable[str]) -> Schema:
    """Point at examples by name."""
    return {name: {"$ref": f"#/components/examples/{name}"} for name in names}
