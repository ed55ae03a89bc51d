"""The brand that customers see on pages, at the checkout and in letters: checked in one place, for all that show it."""

from __future__ import annotations

import base64
import dataclasses
import re
import typing as t
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from ansible_collections.swissphoto.silo.plugins.module_utils.common import foreign
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo import email_address

# What the operator writes is each of these names with the prefix; the policy in group_vars/all/brand.yml is the same.
PREFIX = "silo_brand_"
DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "name": "SwissPhoto",
        "color": "#b3261e",
        "color_dark": "#ff9a8f",
        "logo": "",
        "support_email": "",
        "app_name": "Immich",
        "app_store_url": "https://apps.apple.com/app/immich/id1613945652",
        "play_store_url": "https://play.google.com/store/apps/details?id=app.alextran.immich",
    }
)
LONGEST_NAME, LONGEST_URL, LONGEST_SHOWN = 60, 2048, 100
# Bytes and pixels of a logo, which is part of each page that shows it.
LARGEST_LOGO, MOST_PIXELS = 48 * 1024, 2048
COLOR = re.compile(r"#[0-9a-fA-F]{6}")
URL = re.compile(r"https://[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,30}(:[0-9]{1,5})?(/[!#-&(-;=?-~]*)?")
PNG = b"\x89PNG\r\n\x1a\n"
SVG = "{http://www.w3.org/2000/svg}"
# Elements by which a drawing acts, holds another document, or changes its own attributes.
ACTIVE = frozenset(
    ("script", "handler", "listener", "foreignobject", "iframe", "embed", "object", "audio", "video", "set", "animate")
)
# What an attribute or a style may name outside of the drawing.
ELSEWHERE = re.compile(r"url\(\s*['\"]?(?!#)|@import|javascript:|expression\(", re.IGNORECASE)


class BrandError(ValueError):
    """A setting of the brand is wrong; the text names it, its value and what would be right."""


@dataclasses.dataclass(frozen=True)
class Brand:
    """What is shown. Colours are #rrggbb, those with `on_` black or white for a text on the other.

    `logo` is a data: URL of an SVG or PNG, empty for none. A URL of a shop is empty where the app is not in it.
    """

    name: str
    color: str
    on_color: str
    color_dark: str
    on_color_dark: str
    logo: str
    support_email: str
    app_name: str
    app_store_url: str
    play_store_url: str

    @classmethod
    def of(cls, said: object) -> Brand:
        """Return the brand of the values in an inventory, without their prefix; raises BrandError for the first wrong.

        What is not said is as in DEFAULTS.
        """
        if not isinstance(said, Mapping):
            raise BrandError(f"the brand is {_shown(said)}; it must map {', '.join(DEFAULTS)} to texts")
        if unknown := sorted(map(str, said.keys() - DEFAULTS.keys())):
            raise BrandError(f"{PREFIX}{_shown(unknown[0])[1:-1]} is unknown; there are {', '.join(DEFAULTS)}")
        values = {key: check(key, said.get(key, DEFAULTS[key])) for key, check in _CHECKS.items()}
        return cls(**values, on_color=_on(values["color"]), on_color_dark=_on(values["color_dark"]))

    @property
    def png(self) -> bytes:
        """The logo for mail programs, few of which show an SVG; empty for none."""
        kind, _comma, text = self.logo.partition(",")
        return base64.b64decode(text) if kind == "data:image/png;base64" else b""


def _shown(value: object) -> str:
    return printable(repr(value), LONGEST_SHOWN)


def _wrong(key: str, value: object, right: str) -> BrandError:
    return BrandError(f"{PREFIX}{key} is {_shown(value)}; it must be {right}")


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip() or value != printable(value, LONGEST_NAME):
        raise _wrong(key, value, f"a text of 1 to {LONGEST_NAME} characters on one line")
    return value.strip()


def _color(key: str, value: object) -> str:
    if not isinstance(value, str) or not COLOR.fullmatch(value):
        raise _wrong(key, value, "a colour such as #b3261e, in quotation marks")
    return value.lower()


def _url(key: str, value: object) -> str:
    if value == "":
        return ""
    if not isinstance(value, str) or len(value) > LONGEST_URL or not URL.fullmatch(value):
        raise _wrong(key, value, f"an https address of plain letters, of at most {LONGEST_URL}, or empty for none")
    return value


def _email(key: str, value: object) -> str:
    if value != "" and (problem := email_address.problem(value)):
        raise BrandError(f"{PREFIX}{key} is {_shown(value)}; {problem}")
    return str(value)


def _logo(key: str, value: object) -> str:
    """Return the data: URL of the file that is named."""
    if value == "":
        return ""
    if not isinstance(value, str) or not Path(value).is_absolute():
        raise _wrong(key, value, "the absolute path of a file, such as {{ inventory_dir }}/files/logo.svg")
    try:
        content = foreign.read(Path(value), LARGEST_LOGO, owner=foreign.ANYBODY).content
    except OSError as error:
        why = error.strerror or error
        raise BrandError(f"{PREFIX}{key} is {_shown(value)}, which cannot be read: {why}") from error
    problem = _png_problem(content) if content.startswith(PNG) else _svg_problem(content)
    if problem:
        raise _wrong(key, value, f"an SVG or PNG without anything that acts or is elsewhere, but {problem}")
    kind = "png" if content.startswith(PNG) else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _png_problem(content: bytes) -> str:
    width, height = (int.from_bytes(content[place : place + 4], "big") for place in (16, 20))
    if content[12:16] != b"IHDR" or not (0 < width <= MOST_PIXELS and 0 < height <= MOST_PIXELS):
        return f"it is no whole PNG of at most {MOST_PIXELS} x {MOST_PIXELS} pixels"
    return ""


def _svg_problem(content: bytes) -> str:
    """Return what is wrong with a drawing; it is parsed only where it declares nothing that could grow."""
    try:
        text = content.decode("utf-8")
        if "<!" in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL) or "<?xml-stylesheet" in text:
            return "it has a DOCTYPE, an entity or a style sheet"
        root = ET.fromstring(text)  # noqa: S314  # without a DOCTYPE there are no entities
    except (ValueError, ET.ParseError) as error:
        return f"it is neither: {printable(str(error), LONGEST_SHOWN)}"
    if root.tag != f"{SVG}svg":
        return f"its first element is {_shown(root.tag)}, not svg"
    return next(_acts(root), "")


def _acts(root: ET.Element) -> Iterator[str]:
    for element in root.iter():
        name = str(element.tag).rpartition("}")[2]
        if name.lower() in ACTIVE or name.lower().startswith("animate"):
            yield f"it has an element {_shown(name)}"
        if ELSEWHERE.search(element.text or ""):
            yield f"its element {_shown(name)} names something outside of it"
        for key, value in element.attrib.items():
            short = key.rpartition("}")[2].lower()
            leads = short in ("href", "src") and not value.startswith(("#", "data:image/png;base64,"))
            if short.startswith("on") or leads or ELSEWHERE.search(value):
                yield f"the attribute {_shown(short)} of {_shown(name)} acts, or names something outside of it"


_CHECKS: Mapping[str, Callable[[str, object], str]] = {
    "name": _text,
    "color": _color,
    "color_dark": _color,
    "logo": _logo,
    "support_email": _email,
    "app_name": _text,
    "app_store_url": _url,
    "play_store_url": _url,
}


def _on(color: str) -> str:
    """Return black or white, whichever has more contrast on a colour (WCAG 2, relative luminance)."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return "#000000" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "#ffffff"


def shown(said: object) -> dict[str, t.Any]:
    """Return the checked brand as plain values, for templates; raises BrandError."""
    return dataclasses.asdict(Brand.of(said))
