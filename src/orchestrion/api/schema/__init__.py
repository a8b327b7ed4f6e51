"""The OpenAPI document that /v1/schema serves, built from the tables it describes."""

from orchestrion.api.schema.document import API_VERSION, document

__all__ = ["API_VERSION", "document"]
