"""The client's log: requests without their bodies and keys, on request at standard error."""

import logging
import os
from typing import Final

LOG: Final = logging.getLogger("orchestrion.client")
FORMAT: Final = "%(asctime)s %(name)s %(levelname)s %(message)s"


def configure_log() -> None:
    """Obey ORCHESTRION_LOG (debug, info, warning or error); without it, leave logging alone."""
    wanted = os.environ.get("ORCHESTRION_LOG", "").upper()
    level = logging.getLevelNamesMapping().get(wanted)
    if level is None:
        return
    LOG.setLevel(level)
    if not LOG.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(FORMAT))
        LOG.addHandler(handler)
