"""What a tool gives back: the answer's schema on its own, without words, to be cheap to read."""

from collections.abc import Iterator, Mapping, Sequence

from orchestrion.api.manifests.site import Json
from orchestrion.api.schema.answers import ANSWERS
from orchestrion.api.schema.components import COMPONENTS
from orchestrion.api.schema.shapes import Schema, component
from orchestrion.core.operations import Operation

_PREFIX = "#/components/schemas/"
_WORDS = frozenset({"description", "examples"})
_SURE = frozenset({"items", "pageInfo", "agent_contract"})


def output_schema(row: Operation) -> Json:
    """Give the schema of the operation's success with everything it refers to."""
    top = _claim() if row.answer == "ClaimResponse" else _flat(ANSWERS[row.answer])
    named = {name: _named(name) for name in dict.fromkeys(_reached(top))}
    if "view" in row.query:
        # A caller may ask for less of a task, so no field of one is sure to be there.
        top = {**top, "required": [name for name in _names(top["required"]) if name in _SURE]}
        named = {
            name: _loose(schema) if name == "Task" else schema for name, schema in named.items()
        }
    return {**_bare(top), "$defs": {name: _bare(schema) for name, schema in named.items()}}


def _loose(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "required"}


def _claim() -> Schema:
    # Many readers of tools take no `oneOf` at the top; a task that may be null says the same.
    found = _named("ClaimSuccessResponse")
    task = {"anyOf": [component("Task"), {"type": "null"}]}
    return {**found, "properties": {**_mapping(found["properties"]), "task": task}}


def _flat(schema: Schema) -> Schema:
    if "$ref" in schema:
        found = _flat(_named(_name(schema)))
        beside = _mapping(schema.get("properties", {}))
        return {**found, "properties": {**_mapping(found["properties"]), **beside}}
    parts = [_flat(part) for part in _schemas(schema.get("allOf", ()))]
    if not parts:
        return schema
    properties = {
        name: shape for part in parts for name, shape in _mapping(part["properties"]).items()
    }
    required = [name for part in parts for name in _names(part.get("required", ()))]
    return {"type": "object", "properties": properties, "required": required}


def _reached(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            name = _name(schema)
            yield name
            yield from _reached(_named(name))
        for value in schema.values():
            yield from _reached(value)
    elif isinstance(schema, list | tuple):
        for value in schema:
            yield from _reached(value)


def _bare(schema: Schema) -> Json:
    return {key: _bare_value(key, value) for key, value in schema.items() if key not in _WORDS}


def _bare_value(key: str, value: object) -> object:
    if key == "$ref":
        return str(value).replace(_PREFIX, "#/$defs/")
    if key == "properties":
        return {name: _bare(shape) for name, shape in _mapping(value).items()}
    if isinstance(value, Mapping):
        return _bare(value)
    if isinstance(value, list):
        return [_bare(one) if isinstance(one, Mapping) else one for one in value]
    return value


def _name(schema: Schema) -> str:
    return str(schema["$ref"]).removeprefix(_PREFIX)


def _named(name: str) -> Schema:
    found = COMPONENTS[name]
    assert isinstance(found, Mapping), name
    return found


def _mapping(value: object) -> Mapping[str, Schema]:
    assert isinstance(value, Mapping), value
    return value


def _schemas(value: object) -> Sequence[Schema]:
    assert isinstance(value, Sequence), value
    return value


def _names(value: object) -> Sequence[str]:
    assert isinstance(value, Sequence), value
    return value
