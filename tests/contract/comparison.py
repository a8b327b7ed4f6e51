"""Says where a document falls short of another that it must contain to the letter."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]

# Keywords that narrow what a schema accepts when they are added.
NARROWING = frozenset(
    {
        "additionalProperties",
        "allOf",
        "anyOf",
        "const",
        "contains",
        "dependentRequired",
        "dependentSchemas",
        "else",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "if",
        "items",
        "maxContains",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minContains",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "not",
        "oneOf",
        "pattern",
        "patternProperties",
        "prefixItems",
        "propertyNames",
        "required",
        "then",
        "type",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
    }
)


def shortcomings(specification: Json, served: Json, bounds_added: frozenset[str]) -> list[str]:
    """List what is missing, renamed, narrowed or retyped; `bounds_added` are allowed to be new.

    A bound is named by its place: `POST /v1/tasks body type minLength`.
    """
    comparison = _Comparison(bounds_added)
    return [
        *comparison.same("openapi", specification["openapi"], served.get("openapi")),
        *comparison.contained("info", specification["info"], served.get("info", {})),
        *comparison.servers(specification["servers"], served.get("servers", [])),
        *comparison.components(specification["components"], served.get("components", {})),
        *comparison.paths(specification["paths"], served.get("paths", {})),
    ]


class _Comparison:
    def __init__(self, bounds_added: frozenset[str]) -> None:
        self._bounds_added = bounds_added

    def same(self, place: str, expected: object, found: object) -> Iterator[str]:
        if type(expected) is not type(found) or expected != found:
            yield f"{place}: expected {expected!r}, found {found!r}"

    def contained(self, place: str, expected: Json, found: Json) -> Iterator[str]:
        for key, value in expected.items():
            yield from self.same(f"{place} {key}", value, found.get(key))

    def servers(self, expected: Sequence[Json], found: Sequence[Json]) -> Iterator[str]:
        if [one["url"] for one in expected] != [one.get("url") for one in found]:
            yield "servers: the addresses differ"

    def components(self, expected: Json, found: Json) -> Iterator[str]:
        schemes = found.get("securitySchemes", {})
        for name, scheme in expected["securitySchemes"].items():
            yield from self.contained(f"scheme {name}", scheme, schemes.get(name, {}))
        schemas = found.get("schemas", {})
        for name, schema in expected["schemas"].items():
            if name not in schemas:
                yield f"schema {name}: missing"
            else:
                yield from self.schema(name, schema, schemas[name])

    def paths(self, expected: Json, found: Json) -> Iterator[str]:
        for path, methods in expected.items():
            for method, operation in methods.items():
                place = f"{method.upper()} {path}"
                served = found.get(path, {}).get(method)
                if served is None:
                    yield f"{place}: missing"
                else:
                    yield from self.operation(place, operation, served)

    def operation(self, place: str, expected: Json, found: Json) -> Iterator[str]:
        yield from self.same(f"{place} tags", expected["tags"], found.get("tags"))
        yield from self.same(f"{place} security", expected.get("security"), found.get("security"))
        yield from self.parameters(place, expected.get("parameters", []), found)
        yield from self.request_body(f"{place} body", expected.get("requestBody"), found)
        answers = found.get("responses", {})
        for status, answer in expected["responses"].items():
            if status not in answers:
                yield f"{place} {status}: missing"
            else:
                yield from self.content(f"{place} {status}", answer, answers[status])

    def parameters(self, place: str, expected: Sequence[Json], found: Json) -> Iterator[str]:
        served = {(one.get("name"), one.get("in")): one for one in found.get("parameters", [])}
        for parameter in expected:
            name, where = parameter["name"], parameter["in"]
            one = served.pop((name, where), None)
            if one is None:
                yield f"{place} {where} {name}: missing"
                continue
            required = one.get("required", False)
            yield from self.same(
                f"{place} {name} required", parameter.get("required", False), required
            )
            yield from self.schema(f"{place} {name}", parameter["schema"], one.get("schema", {}))
        for name, one in served.items():
            if one.get("required"):
                yield f"{place} {name}: a new parameter is required"

    def request_body(self, place: str, expected: Json | None, found: Json) -> Iterator[str]:
        served = found.get("requestBody")
        if served is None:
            if expected is not None:
                yield f"{place}: missing"
            return
        if expected is None:
            if served.get("required"):
                yield f"{place}: a new body is required"
            return
        required = served.get("required", False)
        yield from self.same(f"{place} required", expected.get("required", False), required)
        yield from self.content(place, expected, served)

    def content(self, place: str, expected: Json, found: Json) -> Iterator[str]:
        for media, content in expected["content"].items():
            served = found.get("content", {}).get(media)
            if served is None or "schema" not in served:
                yield f"{place}: {media} missing"
            else:
                yield from self.schema(place, content["schema"], served["schema"])

    def schema(self, place: str, expected: Json, found: Json) -> Iterator[str]:
        yield from self.properties(place, expected, found)
        for key, value in expected.items():
            if key != "properties":
                yield from self.keyword(f"{place} {key}", value, found.get(key))
        for key in NARROWING & (found.keys() - expected.keys()):
            if f"{place} {key}" not in self._bounds_added:
                yield f"{place} {key}: added, which narrows"

    def keyword(self, place: str, expected: object, found: object) -> Iterator[str]:
        match place.rpartition(" ")[2]:
            case "type" | "enum" | "required":
                yield from self.same(place, _as_set(expected), _as_set(found))
            case "items" | "allOf" | "oneOf":
                yield from self.parts(place, expected, found)
            case _:
                yield from self.same(place, expected, found)

    def properties(self, place: str, expected: Json, found: Json) -> Iterator[str]:
        served = found.get("properties", {})
        for name, schema in expected.get("properties", {}).items():
            if name not in served:
                yield f"{place} {name}: missing"
            else:
                yield from self.schema(f"{place} {name}", schema, served[name])

    def parts(self, place: str, expected: object, found: object) -> Iterator[str]:
        if isinstance(expected, Mapping) and isinstance(found, Mapping):
            yield from self.schema(place, expected, found)
        elif isinstance(expected, list) and isinstance(found, list):
            if len(expected) != len(found):
                yield f"{place}: {len(expected)} parts, found {len(found)}"
            for number, (one, other) in enumerate(zip(expected, found, strict=False)):
                yield from self.schema(f"{place} {number}", one, other)
        else:
            yield f"{place}: of another form"


def _as_set(value: object) -> frozenset[object] | None:
    if value is None:
        return None
    if isinstance(value, list):
        return frozenset((type(one).__name__, one) for one in value)
    return frozenset({(type(value).__name__, value)})
