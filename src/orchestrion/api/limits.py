"""Limits counted in this process: per key by the hour, per address by the minute or hour."""

import ipaddress
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from orchestrion.core.account import Principal, RequestCount
from orchestrion.core.clock import Clock
from orchestrion.core.counting import over
from orchestrion.core.errors import ErrorCode
from orchestrion.core.instants import SECOND, Instant, seconds_until
from orchestrion.core.limits import (
    DISCOVERY_WINDOW_SECONDS,
    EVENTS_PER_MINUTE,
    EVENTS_WINDOW_SECONDS,
    REGISTRATIONS_PER_HOUR,
    WINDOW_SECONDS,
)
from orchestrion.core.operations import Allowance
from orchestrion.core.outcomes import Rejection, Window
from orchestrion.core.plans import (
    Catalogue,
    heartbeats_per_hour,
    mutations_per_hour,
    reads_per_hour,
)
from orchestrion.core.view import CountKey, count_key

ADDRESSES_MAX: Final = 100_000
KEYS_MAX: Final = 100_000
# Counters saved in one transaction.
UNSAVED_MAX: Final = 1_000
_IPV6_SITE_BITS: Final = 64

Address = tuple[str, str]
Counted = TypeVar("Counted", Address, CountKey)


class _Count(msgspec.Struct):
    window_at: Instant
    used: int
    # How many of those the other processes have not been told of.
    unsaved: int = 0


class _Rule(msgspec.Struct, frozen=True):
    name: str
    limit: int
    seconds: int


class Limiter:
    """Counts requests and says when the window allows one more."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._rules = {plan_id: _rules_of(catalogue, plan_id) for plan_id in catalogue.plans}
        self._addresses: OrderedDict[Address, _Count] = OrderedDict()
        self._keys: OrderedDict[CountKey, _Count] = OrderedDict()
        self._unsaved: set[CountKey] = set()

    def load(self, counts: Iterable[RequestCount]) -> None:
        """Go on from what a former run counted."""
        for one in counts:
            self._keys[count_key(one)] = _Count(one.window_at, one.count)

    def unsaved(self) -> tuple[RequestCount, ...]:
        """Take what was counted since it was last taken, of so many keys at a time."""
        taken: list[RequestCount] = []
        while self._unsaved and len(taken) < UNSAVED_MAX:
            key = self._unsaved.pop()
            count = self._keys.get(key)
            if count is not None:
                taken.append(_increment(key, count))
                count.unsaved = 0
        return tuple(taken)

    def put_back(self, counts: Iterable[RequestCount]) -> None:
        """Take back what was surely not saved; what was counted in an hour that is over is gone."""
        now = self._clock.now()
        for one in counts:
            key = count_key(one)
            count = self._keys.get(key)
            if count is not None and not over(one.window_at, now):
                count.unsaved += one.count
                self._unsaved.add(key)

    def adopt(self, counts: Iterable[RequestCount]) -> None:
        """Go on from what all processes together have counted, and what was counted meanwhile."""
        now = self._clock.now()
        for one in counts:
            count = self._keys.get(count_key(one))
            if count is not None and not over(one.window_at, now):
                count.window_at = one.window_at
                count.used = one.count + count.unsaved

    def admit_address(self, allowance: Allowance, address: str) -> Window | Rejection | None:
        """Count a request of an address; None where no limit applies."""
        rule = self._address_rule(allowance)
        if rule is None:
            return None
        now = self._clock.now()
        key = (rule.name, site_of(address))
        count = self._addresses.get(key)
        if count is None or _over(count, rule, now):
            count = _begun(self._addresses, key, now, ADDRESSES_MAX)
        return _spent(rule, count, now)

    def admit_key(self, allowance: Allowance, principal: Principal) -> Window | Rejection | None:
        """Count a request of a key; None where no limit applies."""
        if self._catalogue.limits is None:
            return None
        now = self._clock.now()
        rule = self._key_rule(allowance, principal, now)
        if rule is None:
            return None
        key = (principal.account_id, principal.key_id, rule.name)
        count = self._keys.get(key)
        if count is None or _over(count, rule, now):
            count = _begun(self._keys, key, now, KEYS_MAX)
        found = _spent(rule, count, now)
        if isinstance(found, Window):
            count.unsaved += 1
            self._unsaved.add(key)
        return found

    def exhausted(self, allowance: Allowance, principal: Principal) -> Rejection | None:
        """Refuse if nothing is left, without counting."""
        if self._catalogue.limits is None:
            return None
        now = self._clock.now()
        rule = self._key_rule(allowance, principal, now)
        if rule is None:
            return None
        count = self._keys.get((principal.account_id, principal.key_id, rule.name))
        if count is None or count.used < rule.limit or _over(count, rule, now):
            return None
        return _refused(rule, count, now)

    def _address_rule(self, allowance: Allowance) -> _Rule | None:
        if allowance is Allowance.REGISTRATION:
            return _Rule("registrations", REGISTRATIONS_PER_HOUR, WINDOW_SECONDS)
        if allowance is Allowance.EVENTS:
            return _Rule("events", EVENTS_PER_MINUTE, EVENTS_WINDOW_SECONDS)
        limits = self._catalogue.limits
        if allowance is Allowance.DISCOVERY and limits is not None:
            return _Rule("discovery", limits.discovery_per_minute, DISCOVERY_WINDOW_SECONDS)
        return None

    def _key_rule(self, allowance: Allowance, principal: Principal, now: Instant) -> _Rule | None:
        plan_id = self._catalogue.plan_id_at(principal.plan, principal.plan_expires_at, now)
        return self._rules[plan_id].get(allowance)


def site_of(address: str) -> str:
    """Give what counts as one address: IPv6 hosts own a /64 and count together."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        if mapped is not None:
            return str(mapped)
        return str(ipaddress.ip_network((int(parsed), _IPV6_SITE_BITS), strict=False))
    return str(parsed)


def _increment(key: CountKey, count: _Count) -> RequestCount:
    account_id, key_id, kind = key
    return RequestCount(
        account_id=account_id,
        key_id=key_id,
        kind=kind,
        window_at=count.window_at,
        count=count.unsaved,
    )


def _rules_of(catalogue: Catalogue, plan_id: str) -> dict[Allowance, _Rule]:
    limits = catalogue.limits
    if limits is None:
        return {}
    plan = catalogue.plans[plan_id]
    of_plan = {
        Allowance.READS: reads_per_hour(limits, plan_id),
        Allowance.MUTATIONS: mutations_per_hour(plan),
        Allowance.HEARTBEATS: heartbeats_per_hour(plan),
    }
    return {one: _Rule(one.value, limit, WINDOW_SECONDS) for one, limit in of_plan.items()}


def _begun(counts: OrderedDict[Counted, _Count], key: Counted, now: Instant, most: int) -> _Count:
    """Begin a window; whoever began first gives way where there are too many."""
    count = counts[key] = _Count(now, 0)
    counts.move_to_end(key)
    if len(counts) > most:
        counts.popitem(last=False)
    return count


def _spent(rule: _Rule, count: _Count, now: Instant) -> Window | Rejection:
    if count.used >= rule.limit:
        return _refused(rule, count, now)
    count.used += 1
    return _window(rule, count, now)


def _over(count: _Count, rule: _Rule, now: Instant) -> bool:
    return now >= count.window_at + rule.seconds * SECOND


def _window(rule: _Rule, count: _Count, now: Instant) -> Window:
    ends = Instant(count.window_at + rule.seconds * SECOND)
    return Window(
        name=rule.name,
        limit=rule.limit,
        remaining=max(0, rule.limit - count.used),
        reset_seconds=seconds_until(ends, now),
        window_seconds=rule.seconds,
    )


def _refused(rule: _Rule, count: _Count, now: Instant) -> Rejection:
    window = _window(rule, count, now)
    return Rejection(
        code=ErrorCode.RATE_LIMITED, wait_seconds=window.reset_seconds, window=window, now=now
    )
