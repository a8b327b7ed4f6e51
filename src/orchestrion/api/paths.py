"""Finds what answers a path: whole paths at once, then those with an id in them."""

from collections.abc import Mapping
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_ID = "{id}"


class Paths:
    """An ASGI application made of one per path; `{id}` stands for one part of a path.

    Two look-ups, where a general router tries every route in turn and wraps each in two more
    calls: that was a twelfth of a request. Only our own table has to fit, and it is tested to.
    """

    def __init__(self, apps: Mapping[str, ASGIApp], nowhere: ASGIApp) -> None:
        self._whole = {path: app for path, app in apps.items() if _ID not in path}
        self._with_id: dict[str, dict[str, ASGIApp]] = {}
        for path, app in apps.items():
            before, found, after = path.partition(_ID)
            if found:
                self._with_id.setdefault(before, {})[after] = app
        self._nowhere = nowhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on; its id, if the path has one, stands in `path_params`."""
        path: str = scope["path"]
        app = self._whole.get(path)
        if app is None:
            # As it was sent: an escaped slash belongs to the id and does not end it.
            app = self._find(scope["raw_path"].decode("ascii", "replace"), scope)
        await app(scope, receive, send)

    def _find(self, path: str, scope: Scope) -> ASGIApp:
        for before, apps in self._with_id.items():
            if path.startswith(before):
                name, slash, rest = path[len(before) :].partition("/")
                app = apps.get(slash + rest)
                if app is not None and name:
                    scope["path_params"] = {"id": unquote(name)}
                    return app
        return self._nowhere
