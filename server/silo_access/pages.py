"""The pages for customers, and their security headers."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
from ansible_collections.swissphoto.silo.plugins.module_utils import common
from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json

# The shops of the app as they call themselves in every language, and where the brand has their addresses.
SHOPS = (("App Store (iPhone, iPad)", "app_store_url"), ("Google Play (Android)", "play_store_url"))
MINIMUM_LENGTH = 10
MOST_BYTES = 72
"""Immich's hash (bcrypt) ignores further bytes of a password."""


@dataclasses.dataclass(frozen=True)
class PageSettings:
    """The service's settings, written by the role. `brand`: as silo.brand has it; `texts`: by language."""

    address: str
    port: int
    tickets_directory: str
    requests_per_minute: int
    brand: Mapping[str, str]
    contact_email: str
    texts: Mapping[str, Mapping[str, t.Any]]

    @classmethod
    def read(cls, path: Path) -> PageSettings:
        """Return the settings of a JSON file; raises OSError, ValueError or TypeError."""
        return cls(**bounded_json.parse(path.read_text(encoding="utf-8")))


class Pages:
    """Renders the pages, by language and by name of the text."""

    def __init__(self, settings: PageSettings) -> None:
        """Read the template."""
        # The style and the picture are those of all pages for customers.
        loader = jinja2.ChoiceLoader([jinja2.PackageLoader(package, ".") for package in (__package__, common.__name__)])
        environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
        # Only this one part: a text has no other way to say what the settings hold.
        environment.filters["of_the_app"] = lambda text: text.replace("{app}", settings.brand["app_name"])
        environment.globals.update(
            brand=settings.brand,
            shops=[(shop, address) for shop, key in SHOPS if (address := settings.brand[key])],
            contact_email=settings.contact_email,
            all_texts=settings.texts,
            minimum_length=MINIMUM_LENGTH,
        )
        self._texts = settings.texts
        self._template = environment.get_template("page.html")
        self.headers = _headers(self.render(next(iter(self._texts)), "ended"))

    def render(
        self, language: str, name: str, *, email: str = "", host_name: str = "", mistakes: Sequence[str] = ()
    ) -> str:
        """Return the page `name` with its texts; the form also shows an address and mistakes."""
        texts = self._texts[language]
        return self._template.render(
            language=language,
            texts=texts,
            name=name,
            email=email,
            host_name=host_name,
            mistakes=[texts["mistakes"][mistake] for mistake in mistakes],
        )


def mistakes_in(password: str, repeated: str) -> list[str]:
    """Return the names of the mistakes in a new password, in the order in which the page shows them."""
    mistakes = []
    if len(password) < MINIMUM_LENGTH:
        mistakes.append("short")
    if len(password.encode()) > MOST_BYTES:
        mistakes.append("long")
    if not password.isprintable():
        mistakes.append("unprintable")
    if password != repeated:
        mistakes.append("different")
    return mistakes


def _headers(page: str) -> dict[str, str]:
    """Return the headers of every answer: the page may only use its own style and logo, and post to its own address."""
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    if style is None:
        raise ValueError("page.html has no style")
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; base-uri 'none'"
    return {
        "Content-Security-Policy": f"{policy}; frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "Server": "silo",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex, nofollow",
    }
