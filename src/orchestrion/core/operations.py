"""The table of operations: routes, schema, tools and guidance all derive from these rows."""

from collections.abc import Mapping
from types import MappingProxyType

from orchestrion.core.batch_operations import BATCH_OPERATIONS
from orchestrion.core.operation import Access, Allowance, Operation
from orchestrion.core.public_operations import BILLING_OPERATIONS, PAGES, PUBLIC_OPERATIONS
from orchestrion.core.task_operations import TASK_OPERATIONS

__all__ = ["BY_NAME", "OPERATIONS", "PAGES", "Access", "Allowance", "Operation"]

# The hottest rows stand first: routes are tried in this order.
OPERATIONS: tuple[Operation, ...] = (
    TASK_OPERATIONS + BATCH_OPERATIONS + BILLING_OPERATIONS + PUBLIC_OPERATIONS
)

BY_NAME: Mapping[str, Operation] = MappingProxyType({row.name: row for row in OPERATIONS + PAGES})
