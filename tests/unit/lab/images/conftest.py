"""The programs of the images are packages of their own, each with its directory as the root."""

import sys
from pathlib import Path

_IMAGES = Path(__file__).parents[3] / "lab" / "images"
for _name in ("immich-server", "immich-machine-learning"):
    sys.path.insert(0, str(_IMAGES / _name))
