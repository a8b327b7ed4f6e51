"""Full scans by cursor: each task that was there and did not change stands in them once."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.chaos.checker.evidence import Evidence, sent
from tests.chaos.checker.sights import READ
from tests.chaos.checker.verdict import Report
from tests.chaos.history import Operation

FILTERS = ("status", "type", "claimed_by")


def judge(evidence: Evidence, report: Report) -> None:
    born = sorted((create.returned, task, create.account) for task, create in evidence.made.items())
    for scan in scans(evidence.operations):
        account, asked = scan[0].account, sent(scan[0])
        items = [item for page in scan for item in (page.body or {}).get("items", ())]
        seen = Counter(item["id"] for item in items)
        filters = {name: str(asked[name]) for name in FILTERS if name in asked}
        report.judge("S16", max(1, len(seen)))
        twice = [task for task, times in seen.items() if times > 1]
        for task in twice:
            if _fitting(evidence, task, filters, scan):
                report.add("S16", "stands twice in a scan", [*scan, *evidence.about(task)], task)
        for returned, task, owner in born:
            if returned >= scan[0].invoked:
                break
            if owner != account or task in seen or report.explained(task):
                continue
            if _fitting(evidence, task, filters, scan) and _later(evidence, task, scan):
                report.add("S16", "is missing in a scan", [*scan, *evidence.about(task)], task)


def scans(operations: Sequence[Operation]) -> Iterator[list[Operation]]:
    """Put pages together: from one without a cursor to one with no more, each by the last's."""
    begun: dict[tuple[str, str], list[Operation]] = {}
    for page in operations:
        if page.name != "list" or page.outcome != "ok" or page.body is None:
            continue
        cursor = sent(page).get("cursor")
        pages = [page] if cursor is None else begun.pop((page.account, cursor), [])
        if not pages:
            continue
        if cursor is not None:
            pages = [*pages, page]
        info = page.body.get("pageInfo", {})
        if info.get("hasMore"):
            begun[page.account, info["nextCursor"]] = pages
        else:
            yield pages


def _fitting(
    evidence: Evidence, task: str, filters: dict[str, str], scan: Sequence[Operation]
) -> bool:
    """Tell whether the task fitted the filters all the time; without filters it always does."""
    create = evidence.made.get(task)
    if create is None:
        return False
    if "type" in filters and (create.body or {}).get("type") != filters["type"]:
        return False
    if not filters.keys() - {"type"}:
        return True
    return _unchanged(evidence, task, filters, scan)


def _unchanged(
    evidence: Evidence, task: str, filters: dict[str, str], scan: Sequence[Operation]
) -> bool:
    """Tell whether the same version was seen before and after the scan, and fitted."""
    seen = evidence.sights[task]
    before = [
        sight
        for sight in seen
        if sight.operation.returned < scan[0].invoked
        and (sight.verb == READ or (sight.operation.number, task) in evidence.fresh)
    ]
    if not before:
        return False
    version = max(before, key=lambda sight: sight.shown.updated_at).shown
    # Created and claimed within one millisecond: the instant does not tell the two apart.
    same = [sight.shown.status for sight in seen if sight.shown.updated_at == version.updated_at]
    if len(set(same)) > 1:
        return False
    if filters.get("status", version.status) != version.status:
        return False
    if filters.get("claimed_by", version.claimed_by) != version.claimed_by:
        return False
    final = evidence.final(task)
    if final is not None and final[1].updated_at == version.updated_at:
        return True
    return any(
        sight.verb == READ
        and sight.operation.invoked > scan[-1].returned
        and sight.shown.updated_at == version.updated_at
        for sight in seen
    )


def _later(evidence: Evidence, task: str, scan: Sequence[Operation]) -> bool:
    """Tell whether the task was still there after the scan."""
    if task in evidence.finals:
        return True
    return any(
        sight.operation.invoked > scan[-1].returned for sight in evidence.sights.get(task, ())
    )
