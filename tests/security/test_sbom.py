"""The bill of materials that is kept is what the pins of today come to."""

import re
from typing import Any

from tests.security.pins import pins_of
from tests.security.sbom import document, licence_of, written

KEPT = written()
FRESH = document()


def test_the_bill_is_fresh() -> None:
    assert without_licences(KEPT) == without_licences(FRESH), "python -m tests.security.sbom"


def test_every_pin_of_a_server_is_in_it_with_name_version_purl_and_hashes() -> None:
    pins = {pin.purl: pin for file in ("run", "postgres") for pin in pins_of(file)}

    components = {one["purl"]: one for one in KEPT["components"]}
    assert components.keys() == pins.keys()
    for purl, pin in pins.items():
        assert (components[purl]["name"], components[purl]["version"]) == (pin.name, pin.version)
        assert [one["content"] for one in components[purl]["hashes"]] == list(pin.hashes)


def test_licences_are_those_that_the_installed_packages_name() -> None:
    told = {one["name"]: one.get("licenses") for one in KEPT["components"]}

    installed = {name: licence for name in told if (licence := licence_of(name))}
    assert len(installed) >= 15
    assert {name: told[name] for name in installed} == {
        name: [licence] for name, licence in installed.items()
    }


def test_it_is_what_readers_of_the_form_expect() -> None:
    assert (KEPT["bomFormat"], KEPT["specVersion"], KEPT["version"]) == ("CycloneDX", "1.6", 1)
    refs = [one["bom-ref"] for one in KEPT["components"]]
    assert len(set(refs)) == len(refs)
    assert KEPT["dependencies"] == [{"ref": "orchestrion", "dependsOn": refs}]
    for component in KEPT["components"]:
        assert component["type"] == "library"
        assert component["scope"] in {"required", "optional"}
        assert re.fullmatch(r"pkg:pypi/[a-z0-9._-]+@[\w.]+", component["purl"])


def without_licences(bill: dict[str, Any]) -> dict[str, Any]:
    parts = [{k: v for k, v in one.items() if k != "licenses"} for one in bill["components"]]
    return {**bill, "components": parts}
