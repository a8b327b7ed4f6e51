"""Writes security/sbom.cdx.json: what a server is made of, in CycloneDX.

Run it as `python -m tests.security.sbom` after the pins have changed. The form is so small that
a library to write it would be the larger part.
"""

import json
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from orchestrion import __version__
from tests.security.pins import Pin, pins_of
from tests.security.tests_by_name import ROOT

FILE: Final = ROOT / "security" / "sbom.cdx.json"
# What every server needs, then what one on PostgreSQL needs besides.
NEEDED: Final = "run"
OPTIONAL: Final = "postgres"

Json = dict[str, Any]


def document() -> Json:
    """Build the document from the requirement files and from what is installed."""
    needed = pins_of(NEEDED)
    names = {pin.name for pin in needed}
    optional = [pin for pin in pins_of(OPTIONAL) if pin.name not in names]
    parts = [*((pin, "required") for pin in needed), *((pin, "optional") for pin in optional)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "orchestrion",
                "name": "orchestrion",
                "version": __version__,
                "purl": f"pkg:pypi/orchestrion@{__version__}",
                "licenses": [{"expression": "MIT"}],
            }
        },
        "components": sorted(
            (_component(pin, scope) for pin, scope in parts), key=lambda one: str(one["bom-ref"])
        ),
        "dependencies": [
            {"ref": "orchestrion", "dependsOn": sorted(pin.purl for pin, _ in parts)},
        ],
    }


def _component(pin: Pin, scope: str) -> Json:
    component: Json = {
        "type": "library",
        "bom-ref": pin.purl,
        "name": pin.name,
        "version": pin.version,
        "purl": pin.purl,
        "scope": scope,
        # One for each file that the release has; whichever is installed has one of them.
        "hashes": [{"alg": "SHA-256", "content": one} for one in pin.hashes],
    }
    if licence := licence_of(pin.name):
        component["licenses"] = [licence]
    if pin.marker:
        component["properties"] = [{"name": "orchestrion:only-where", "value": pin.marker}]
    return component


def licence_of(name: str) -> Json | None:
    """Read what an installed package says of its licence; None where it is not installed."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    if "License-Expression" in about:
        return {"expression": about["License-Expression"]}
    # Older packages say it in words of their own, which are no expression.
    classifiers = about.get_all("Classifier") or []
    told = [one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License ::")]
    words = told or about.get_all("License") or []
    return {"license": {"name": words[0]}} if words else None


def written(path: Path = FILE) -> Json:
    """Read the document that is kept."""
    kept: Json = json.loads(path.read_text("utf-8"))
    return kept


def main() -> None:
    """Write it anew; a licence that was known elsewhere is kept for what is not installed here."""
    fresh = document()
    known = {one["bom-ref"]: one.get("licenses") for one in written()["components"]}
    for component in fresh["components"]:
        if "licenses" not in component and known.get(component["bom-ref"]):
            component["licenses"] = known[component["bom-ref"]]
    FILE.write_text(json.dumps(fresh, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
