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
        key = (rule.name, site_of(address))
        return self._spend(self._addresses, key, rule, ADDRESSES_MAX)

    def admit_key(self, allowance: Allowance, principal: Principal) -> Window | Rejection | None:
        """Count a request of a key; None where no limit applies."""
        rule = self._key_rule(allowance, principal)
        if rule is None:
            return None
        key = (principal.account_id, principal.key_id, rule.name)
        found = self._spend(self._keys, key, rule, KEYS_MAX)
        if isinstance(found, Window):
            self._keys[key].unsaved += 1
            self._unsaved.add(key)
        return found

    def exhausted(self, allowance: Allowance, principal: Principal) -> Rejection | None:
        """Refuse if nothing is left, without counting."""
        rule = self._key_rule(allowance, principal)
        if rule is None:
            return None
        count = self._keys.get((principal.account_id, principal.key_id, rule.name))
        now = self._clock.now()
        if count is None or count.used < rule.limit or _over(count, rule, now):
            return None
        return _refused(rule, count, now)

    def _address_rule(self, allowance: Allowance) -> _Rule | None:
        if allowance is Allowance.REGISTRATION:
            return _Rule("registrations", REGISTRATIONS_PER_HOUR, WINDOW_SECONDS)
        limits = self._catalogue.limits
        if allowance is Allowance.DISCOVERY and limits is not None:
            return _Rule("discovery", limits.discovery_per_minute, DISCOVERY_WINDOW_SECONDS)
        return None

    def _key_rule(self, allowance: Allowance, principal: Principal) -> _Rule | None:
        limits = self._catalogue.limits
        if limits is None:
            return None
        plan_id = self._catalogue.plan_id_at(
            principal.plan, principal.plan_expires_at, self._clock.now()
        )
        plan = self._catalogue.plans[plan_id]
        match allowance:
            case Allowance.READS:
                return _Rule("reads", reads_per_hour(limits, plan_id), WINDOW_SECONDS)
            case Allowance.MUTATIONS:
                return _Rule("mutations", mutations_per_hour(plan), WINDOW_SECONDS)
            case Allowance.HEARTBEATS:
                return _Rule("heartbeats", heartbeats_per_hour(plan), WINDOW_SECONDS)
            case _:
                return None

    def _spend(
        self, counts: OrderedDict[Counted, _Count], key: Counted, rule: _Rule, keys_max: int
    ) -> Window | Rejection:
        now = self._clock.now()
        count = counts.get(key)
        if count is None or _over(count, rule, now):
            count = _Count(now, 0)
            counts[key] = count
            counts.move_to_end(key)
            if len(counts) > keys_max:
                counts.popitem(last=False)
        if count.used >= rule.limit:
            return _refused(rule, count, now)
        count.used += 1
        return _window(rule, count, now)


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
