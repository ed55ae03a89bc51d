"""Vectors for pictures and words, made without a model."""

import hashlib
import math
import random
from io import BytesIO

from PIL import Image

SIZE = 512
"""Numbers in a vector, as ViT-B-32 has them."""


def _normalised(values: list[float]) -> list[float]:
    length = math.sqrt(math.fsum(value * value for value in values))
    return [value / length for value in values]


def picture(data: bytes) -> tuple[list[float], int, int]:
    """The vector of an encoded picture, and its height and width in pixels.

    The picture is reduced to 16x16 lightness and twice 8x16 colour values, so similar pictures are near each other.
    Raises PIL.UnidentifiedImageError for data that is no picture.
    """
    with Image.open(BytesIO(data)) as image:
        width, height = image.size
        image.draft("RGB", (64, 64))  # a JPEG is decoded at an eighth of its size: fast, and enough for this
        lightness, blue, red = image.convert("RGB").convert("YCbCr").split()
    small = [
        lightness.resize((16, 16), Image.Resampling.BOX),
        blue.resize((8, 16), Image.Resampling.BOX),
        red.resize((8, 16), Image.Resampling.BOX),
    ]
    # The colour channels of black are 128, so no picture has a vector of length nothing.
    return _normalised([value / 255 for channel in small for value in channel.tobytes()]), height, width


def words(text: str) -> list[float]:
    """The vector of a text: random, but the same for the same words in the same order."""
    seed = hashlib.sha256(" ".join(text.lower().split()).encode()).digest()
    source = random.Random(seed)  # noqa: S311 - a vector, not a key
    return _normalised([source.gauss(0, 1) for _ in range(SIZE)])
