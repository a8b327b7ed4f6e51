"""Cuts the power more often than the tests do: `python -m tests.crash --images 10000`."""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from random import Random
from typing import Final

from tests.crash.cutting import Cuts, cuts
from tests.crash.images import Image

# Of one life. More images are cut from further lives.
IMAGES_PER_LIFE: Final = 1_000


def main() -> int:
    """Examine so many images and tell what was found; 1 if a promise was broken."""
    asked = _arguments().parse_args()
    left, seed, began, images, problems = asked.images, asked.seed, time.monotonic(), 0, 0
    while left > 0:
        found = asyncio.run(cuts(min(left, IMAGES_PER_LIFE), seed, asked.synchronous))
        sys.stdout.write(f"{found.text()}\n")
        if asked.keep is not None:
            _keep(asked.keep, found)
        images, problems = images + found.images, problems + len(found.problems)
        left, seed = left - IMAGES_PER_LIFE, seed + 1
    seconds = time.monotonic() - began
    sys.stdout.write(f"{images} images, {problems} problems, {seconds:.1f} s\n")
    return int(problems > 0)


def _keep(folder: Path, found: Cuts) -> None:
    broken: dict[int, Image] = {id(image): image for image, _ in found.problems}
    for number, image in enumerate(broken.values(), 1):
        place = folder / f"seed-{found.seed}-cut-{image.at}-{number}"
        place.mkdir(parents=True, exist_ok=True)
        for ending, content in image.files.items():
            (place / f"image.db{ending}").write_bytes(content)


def _arguments() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m tests.crash")
    found.add_argument("--images", type=int, default=IMAGES_PER_LIFE, help="so many, all different")
    drawn = Random().getrandbits(32)
    found.add_argument(
        "--seed", type=int, default=drawn, help="of the first life; drawn by default"
    )
    found.add_argument("--synchronous", default="full", help="as SQLite has it; a server says full")
    found.add_argument("--keep", type=Path, help="a folder for the images that break a promise")
    return found


if __name__ == "__main__":
    sys.exit(main())
