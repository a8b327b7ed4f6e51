"""A real disk that is really full, and a backup beside a server at work."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import apsw
import httpx2
import pytest

from tests.e2e.serving import (
    PATIENCE_SECONDS,
    PROGRAM,
    Launch,
    Served,
    clean_variables,
    serving,
)

PAYLOAD = {"text": "x" * 20_000}
# A mount of its own in a namespace of its own: it goes when the process does.
SMALL_DISK = 'mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@"'


def namespaces() -> list[tuple[str, ...]]:
    """Give the ways in which this machine lets us mount a small disk."""
    ways = [("unshare", "--mount"), ("unshare", "--mount", "--map-root-user")]
    return [way for way in ways if mounts(way)]


def mounts(way: tuple[str, ...]) -> bool:
    try:
        tried = subprocess.run(
            [*way, "sh", "-c", "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False
        )
    except FileNotFoundError:
        return False
    return tried.returncode == 0


class Filled:
    """A server and the tasks it acknowledged."""

    def __init__(self, served: Served, client: httpx2.Client) -> None:
        self.served = served
        self.client = client
        self.acknowledged: list[str] = []

    def create(self) -> httpx2.Response:
        answer = self.client.post("/v1/tasks", json={"type": "report", "payload": PAYLOAD})
        if answer.status_code == 201:
            self.acknowledged.append(answer.json()["id"])
        return answer

    def missing(self) -> list[str]:
        return [
            one
            for one in self.acknowledged
            if self.client.get(f"/v1/tasks/{one}").status_code != 200
        ]
