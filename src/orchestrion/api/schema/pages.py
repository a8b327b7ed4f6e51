"""Answers of the paths beside the API: pages to read and probes for supervisors."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from orchestrion.api.schema.shapes import Schema, struct, text


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What such a path answers."""

    summary: str
    media: str
    schema: Schema
    example: object


_TEXT: Schema = {"type": "string"}
_PROBE = struct("Yes.", {"status": text("Always this.", const="ok")})


def _page(media: str) -> Shown:
    return Shown(summary="The page.", media=media, schema=_TEXT, example="# Orchestrion\n")


def _landing(title: str) -> Shown:
    example = f"<!doctype html>\n<title>{title}</title>\n"
    return Shown(summary="The page.", media="text/html", schema=_TEXT, example=example)


def _probe(summary: str) -> Shown:
    return Shown(summary=summary, media="application/json", schema=_PROBE, example={"status": "ok"})


# By operation.
PAGES: Mapping[str, Shown] = MappingProxyType(
    {
        "read_llms_txt": _page("text/plain"),
        "read_agents_guide": _page("text/markdown"),
        "read_contract_guide": _page("text/markdown"),
        "read_approved_page": _landing("Payment approved"),
        "read_cancelled_page": _landing("Payment not approved"),
        "receive_payment_event": _probe("The event was taken; what it is about is settled."),
        "check_liveness": _probe("The process runs; the database was not asked."),
        "check_readiness": _probe("The database answers and nobody has asked the process to stop."),
    }
)
