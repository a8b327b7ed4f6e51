"""Reads a catalogue of plans from TOML, and says on which line it is wrong."""

import tomllib
from decimal import Decimal

import msgspec

from orchestrion.core.plans import FREE, PLAN_IDS, Catalogue, Plan, RequestLimits


class PlanFileError(ValueError):
    """A plan file that cannot be used; the text names the line and the reason."""


class _PlanFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    plans: dict[str, Plan]
    limits: RequestLimits | None = None


def catalogue_from_toml(text: str) -> Catalogue:
    """Read a catalogue; raises PlanFileError."""
    try:
        raw = _prices_as_text(tomllib.loads(text, parse_float=Decimal))
    except tomllib.TOMLDecodeError as error:
        raise PlanFileError(str(error)) from error
    try:
        read = msgspec.convert(raw, _PlanFile, strict=False)
    except msgspec.ValidationError as error:
        raise PlanFileError(_reason(text, raw, error)) from error
    unknown = sorted(set(read.plans) - set(PLAN_IDS))
    if unknown:
        where = _line(text, unknown[0], "")
        message = f"{where}unknown plan {unknown[0]!r} - plan ids are {', '.join(PLAN_IDS)}"
        raise PlanFileError(message)
    if FREE not in read.plans:
        raise PlanFileError("the plan 'free' is required")
    for plan_id, plan in read.plans.items():
        price = plan.price_usd
        if not price.is_finite() or price < 0 or price != round(price, 2):
            message = f"the plan {plan_id!r} needs a price_usd of 0 or more, in whole cents"
            raise PlanFileError(_line(text, plan_id, "price_usd") + message)
    if read.plans[FREE].price_usd != 0:
        message = "the plan 'free' costs nothing: price_usd must be 0"
        raise PlanFileError(_line(text, FREE, "price_usd") + message)
    ordered = {plan_id: read.plans[plan_id] for plan_id in PLAN_IDS if plan_id in read.plans}
    return Catalogue(plans=ordered, limits=read.limits)


def _reason(text: str, raw: dict[str, object], error: msgspec.ValidationError) -> str:
    # The decoder writes `$.plans[...]` for every plan alike, so each is tried alone.
    plans = raw.get("plans")
    for plan_id, plan in plans.items() if isinstance(plans, dict) else ():
        try:
            msgspec.convert(plan, Plan, strict=False)
        except msgspec.ValidationError as one:
            _, _, field = str(one).partition("$.")
            return f"{_line(text, plan_id, field.strip('`'))}plan {plan_id!r}: {one}"
    return str(error)


def _prices_as_text(raw: dict[str, object]) -> dict[str, object]:
    # Prices are decimals, never floats: a TOML float arrives as Decimal, an integer as int.
    plans = raw.get("plans")
    if not isinstance(plans, dict):
        return raw
    return raw | {
        "plans": {
            plan_id: {
                key: str(value) if key == "price_usd" else value for key, value in plan.items()
            }
            if isinstance(plan, dict)
            else plan
            for plan_id, plan in plans.items()
        }
    }


def _line(text: str, plan_id: str, field: str) -> str:
    """Say where a field of a plan stands, or else where its plan begins."""
    found, inside = 0, False
    for number, line in enumerate(text.splitlines(), start=1):
        written = line.strip().replace(" ", "").replace('"', "")
        if written.startswith("["):
            inside = written.partition("#")[0] == f"[plans.{plan_id}]"
            found = number if inside else found
        elif inside and field and written.partition("=")[0] == field:
            return f"line {number}: "
    return f"line {found}: " if found else ""
