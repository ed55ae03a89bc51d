"""The small pictures of a photo: a preview for machine learning and a thumbnail for the page."""

import os
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

_PREVIEW = 1440
_THUMBNAIL = 250


@dataclass(frozen=True)
class Size:
    """The size of the original as it is to be seen, in pixels."""

    width: int
    height: int


def make_small_pictures(original: Path, preview: Path, thumbnail: Path) -> Size:
    """Writes a JPEG of at most 1440 and a WebP of at most 250 pixels on the longer side. Blocks.

    Raises OSError for a picture that cannot be decoded or a disk that is full.
    """
    with Image.open(original) as image:
        width, height = image.size
        if image.getexif().get(0x0112, 1) >= 5:  # orientations 5 to 8 lie on the side
            width, height = height, width
        image.draft("RGB", (_PREVIEW, _PREVIEW))  # a JPEG is decoded no larger than needed: a fraction of the memory
        ImageOps.exif_transpose(image, in_place=True)
        upright = image.convert("RGB")  # a picture that is RGB already is copied once, here
    for path, pixels, kind in ((preview, _PREVIEW, "JPEG"), (thumbnail, _THUMBNAIL, "WEBP")):
        upright.thumbnail((pixels, pixels))
        _save(upright, path, kind)
    return Size(width, height)


def _save(image: Image.Image, path: Path, kind: str) -> None:
    """Replaces the file as a whole; a half-written one does not stay."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            image.save(file, kind, quality=80)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
