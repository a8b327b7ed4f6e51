"""Judges a recorded run against the invariants S1-S22 and the bounds L1-L8, from outside.

Imports nothing of the service: it knows the wire and the published rules, no more. Each rule
counts what it could judge; a rule with 0 observations was not judged by that run.

| rules | judged in |
|---|---|
| S1 S2 S3 S21, S14 of creates | creation.py |
| S4 S5 S9 S10 S11 | leases.py |
| S6 S7, S14 of answers | endings.py |
| S8 S14 S15 per task, by search | linearizability.py over model.py |
| S12 S13 | claims.py |
| S16 | paging.py |
| S17 | isolation.py |
| S18 | limits.py |
| S22 | guidance.py |
| L1 L2 L8 | liveness.py |
| L3 L4 L5 L6 L7 | timing.py, from what the nemesis wrote |

No history of tasks can show the two that are left. They are judged by other tests:

| rule | tests |
|---|---|
| S19 billing | tests/engine/test_checkout_races.py, test_checkout_doubt.py, test_checkout.py |
| S20 secrets | tests/e2e/test_secrets.py |
"""

from tests.chaos.checker.judging import check
from tests.chaos.checker.verdict import RULES, Verdict, Violation

__all__ = ["RULES", "Verdict", "Violation", "check"]
