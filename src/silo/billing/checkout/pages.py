"""Renders the pages of the checkout in four languages, and their security headers."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import typing as t
import urllib.parse
from collections.abc import Mapping, Sequence
from importlib.resources import files

import jinja2
from ansible_collections.swissphoto.silo.plugins.module_utils import common
from ruamel.yaml import YAML

from silo.billing.checkout import prices
from silo.billing.checkout.catalogue import Catalogue
from silo.billing.checkout.prices import Offer
from silo.brand import Brand
from silo.languages import LANGUAGES

LONGEST_ACCEPT = 200
Texts = Mapping[str, t.Any]


def language_of(asked: str, accept: str) -> str:
    """Return the language that a reader asked for, or the first of ours that the browser accepts, or the first."""
    if asked in LANGUAGES:
        return asked
    wanted = []
    for place, part in enumerate(accept[:LONGEST_ACCEPT].lower().split(",")):
        tag, _semicolon, parameter = part.strip().partition(";")
        found = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", parameter) if parameter else None
        weight = float(found[1]) if found else (0.0 if parameter else 1.0)
        if weight > 0 and (language := tag.partition("-")[0]) in LANGUAGES:
            wanted.append((-weight, place, language))
    return min(wanted)[2] if wanted else LANGUAGES[0]


@functools.cache
def texts(language: str) -> Texts:
    """Return the texts in a language."""
    found: Texts = YAML(typ="safe", pure=True).load(_source(f"texts/{language}.yaml"))
    return found


@functools.cache
def script() -> str:
    """Return the script that checks a name while it is typed."""
    return _source("plans.js")


def plans(
    catalogue: Catalogue,
    language: str,
    offers: Sequence[Offer],
    *,
    chosen: str = "",
    wished: str = "",
    link: str = "",
    own: str = "",
    mistakes: Sequence[str] = (),
) -> str:
    """Return the page on which a customer orders.

    `chosen` is the price that is marked, `wished` the name in the form. With `link`, the token of an order, the name is
    `own`, and there is no field for it. `mistakes` are sentences.
    """
    words = texts(language)
    shown = [_shown(offer, language, words, chosen if len(offers) > 1 else offer.price.id) for offer in offers]
    query = {"link": link} if link else {}
    return render(
        catalogue,
        language,
        "plans",
        query,
        public=not link,
        offers=shown,
        wished=wished,
        link=link,
        own=words["plans"]["own"].format(address=catalogue.address(own)) if own else "",
        hint=words["plans"]["hint"].format(address=catalogue.address("hans")),
        mistakes=mistakes,
    )


def render(
    catalogue: Catalogue | None,
    language: str,
    name: str,
    query: Mapping[str, str] | None = None,
    *,
    tenant: str = "",
    **values: t.Any,
) -> str:
    """Return the page `name`; without a catalogue, it has no brand and no address for help.

    `query` is that of its address, for the links to other languages; None for a page that has none.
    """
    words = texts(language)
    found = words[name]
    links = [] if query is None else [(code, _query(code, query), texts(code)["language"]) for code in LANGUAGES]
    page = _environment().get_template("page.html")
    return page.render(
        language=language,
        languages=links,
        texts=words,
        name=name,
        title=found["title"],
        text=found["text"].format(address=catalogue.address(tenant)) if tenant and catalogue else found["text"],
        button=found.get("button", ""),
        brand=_brand(catalogue),
        is_branded=catalogue is not None,
        contact=catalogue.contact if catalogue else "",
        **{"public": False, **values},
    )


def headers(catalogue: Catalogue | None) -> dict[str, str]:
    """Return the headers of every answer: a page may use its own style, logo and script, and lead to Stripe's only.

    Browsers apply form-action to the address to which the answer to a form redirects, too.
    """
    pages = " ".join(["'self'", *(catalogue.payment_pages if catalogue else ())])
    policy = (
        f"default-src 'none'; style-src 'sha256-{_style(_brand(catalogue))}'; img-src data:; script-src 'self'; "
        f"connect-src 'self'; "
        f"form-action {pages}; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "Vary": "Accept-Language",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def _shown(offer: Offer, language: str, words: Texts, chosen: str) -> dict[str, t.Any]:
    price = offer.price
    money = prices.money(price, language)
    every = words["every"][price.interval] if price.count == 1 else words["every_few"][price.interval]
    lines = [
        words["plans"]["storage"].format(size=prices.storage(offer.plan.storage, language)),
        price.texts.get(language) or price.texts.get("", ""),
    ]
    return {
        "price": price.id,
        "title": price.titles.get(language) or price.titles.get("", offer.plan.name),
        "lines": [line for line in lines if line],
        "money": words["plans"]["from"].format(price=money) if price.is_least else money,
        "every": every.format(count=price.count),
        "tax": words["plans"]["tax"] if price.plus_tax else "",
        "is_chosen": chosen == price.id,
    }


def _query(language: str, others: Mapping[str, str]) -> str:
    return "?" + urllib.parse.urlencode({"lang": language, **others})


@functools.cache
def _source(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        # The style and the picture are those of all pages for customers.
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package, ".") for package in (__package__, common.__name__)]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _brand(catalogue: Catalogue | None) -> Brand:
    """Return whose colours a page has; where no catalogue was written yet, it shows nobody's name."""
    return catalogue.brand if catalogue else Brand.of({})


@functools.lru_cache(maxsize=8)
def _style(brand: Brand) -> str:
    """Return the hash by which the policy allows the style of the page in the colours of a brand."""
    source = re.search(r"<style>(.*?)</style>", _source("page.html"), re.DOTALL)
    if source is None:
        raise ValueError("page.html has no style")
    style = _environment().from_string(source[0]).render(brand=brand)
    style = style.removeprefix("<style>").removesuffix("</style>")
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
