"""What M15 breaks: two replicas verify one purchase in the same moment, and both take the money."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import httpx2

from tests.chaos.replica import ROOT, Program, Replica
from tests.e2e.counter import selling_config
from tests.e2e.serving import PATIENCE_SECONDS, clean_variables
from tests.pretend_paypal import PretendPayPal

REPLICAS: Final = 2
VERIFIES: Final = 10
_PAYPAL: Final = (
    sys.executable,
    "-m",
    "tests.chaos.mutants.generous_paypal",
    "--until-stdin-closes",
)


async def verify_at_once(command: tuple[str, ...], folder: Path, url: str) -> Mapping[str, int]:
    """Buy a plan; gives how often money was taken, by purchase."""
    with ExitStack() as resources:
        paypal = resources.enter_context(_paypal())
        flags = ("--config", str(selling_config(folder, paypal)))
        program = Program(command=command, flags=flags)
        replicas = [Replica(index, program, folder) for index in range(REPLICAS)]
        try:
            for replica in replicas:
                replica.database_url = url
            await asyncio.gather(*(replica.start() for replica in replicas))
            ports = [replica.port for replica in replicas]
            await asyncio.to_thread(_buy, ports, paypal)
        finally:
            for replica in replicas:
                if replica.running:
                    await replica.kill()
        return paypal.captures()


def _buy(ports: list[int], paypal: PretendPayPal) -> None:
    urls = [f"http://127.0.0.1:{port}/v1" for port in ports]
    with httpx2.Client(timeout=PATIENCE_SECONDS, trust_env=False) as client:
        key = client.post(f"{urls[0]}/keys/register").json()["apiKey"]
        client.headers["Authorization"] = f"Bearer {key}"
        opened = client.post(f"{urls[0]}/billing/checkout", json={"planId": "pro"})
        assert opened.status_code == 201, opened.text
        purchase = opened.json()
        paypal.change(purchase["orderId"], "approve")
        asyncio.run(_verify(urls, key, purchase["purchaseId"], paypal))


async def _verify(urls: list[str], key: str, purchase_id: str, paypal: PretendPayPal) -> None:
    # Both have seen the order approved before either captures it, and both ask for the money.
    for _ in urls:
        paypal.behave("order", "hold")
        paypal.behave("capture", "hold_before")
    async with httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE_SECONDS, trust_env=False
    ) as client:
        body = {"purchaseId": purchase_id}
        asked = [
            asyncio.create_task(
                client.post(f"{urls[number % len(urls)]}/billing/verify", json=body)
            )
            for number in range(VERIFIES)
        ]
        for point in ("order", "capture"):
            await asyncio.to_thread(paypal.wait_until_held, point, len(urls))
            paypal.release(point)
        await asyncio.gather(*asked)
        last = await client.post(f"{urls[0]}/billing/verify", json=body)
        assert last.status_code == 200, last.text


@contextmanager
def _paypal() -> Iterator[PretendPayPal]:
    environment = {**clean_variables(), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        _PAYPAL, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert process.stdout is not None
    try:
        pretend = PretendPayPal(process, json.loads(process.stdout.readline()))
        yield pretend
        assert pretend.end() == 0
    finally:
        process.kill()
        process.stdout.close()
        process.wait(PATIENCE_SECONDS)
