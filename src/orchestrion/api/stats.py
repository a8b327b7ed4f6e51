"""GET /v1/stats: the numbers of an account's tasks."""

from orchestrion.api.http import Request, Response
from orchestrion.api.respond import HEADERS, encode
from orchestrion.core.stats_bodies import stats_answer
from orchestrion.engine.statistics import Statistics


class StatsHandlers:
    """Shows numbers; they may be a moment old."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    async def get_stats(self, request: Request) -> Response:
        """GET /v1/stats."""
        found = await self._statistics.of(request.account_id)
        body = encode(stats_answer(found, request.request_id))
        return Response(status=200, body=body, headers=HEADERS)
