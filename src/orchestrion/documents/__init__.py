"""Documents that are served as they stand in the package."""

from importlib.resources import files


def read_document(name: str) -> bytes:
    """Give a document's bytes by its file name."""
    return files(__name__).joinpath(name).read_bytes()
