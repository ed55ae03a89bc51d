"""The kinds of letters with their data, and their rendering in a language."""

import html as markup
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import ClassVar, Literal, get_args
from zoneinfo import ZoneInfo

from ansible_collections.swissphoto.silo.plugins.module_utils.common.names import is_tenant
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable
from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup
from ruamel.yaml import YAML

from silo.brand import Brand
from silo.notifications.errors import LetterError

Language = Literal["de", "fr", "it", "en"]
LOCALES = {"de": "de_CH", "fr": "fr_CH", "it": "it_CH", "en": "en_GB"}
ZONE = ZoneInfo("Europe/Zurich")
# The keys of the texts on the shops of the app, and by which the HTML of a letter names its logo.
SHOPS = ("app_store", "play_store")
LOGO_ID = "logo"
DEFAULT = Brand.of({})
# What a mail program shows of a subject, and the most lines of a letter to the operator with their length.
LONGEST_SUBJECT, MOST_LINES, LONGEST_LINE = 150, 500, 1000
_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?([/?][!#-&(-;=?-~]*)?")
LONGEST_ADDRESS = 2048
# After so many days, a letter says nothing any more: what is stored changes, and a link leads to less.
QUOTA_DAYS, PAY_LINK_DAYS = 7, 3
_FRENCH_SPACE, _FIRST_OF_MONTH = re.compile(r" (?=[?!;:])"), re.compile("^1 ")


@dataclass(frozen=True)
class Letter:
    """The data of every letter: the tenant's name, and the address of its photo cloud (https)."""

    kind: ClassVar[str]
    # Whether a paragraph of its own says the reason.
    says_why: ClassVar[bool] = False
    # Whether it says where the app for phones is.
    shows_app: ClassVar[bool] = False
    name: str
    address: str

    def __post_init__(self) -> None:
        """Raise LetterError for a name that no tenant can have, an address that is not https, a time without a zone.

        A name that a stranger wished could otherwise lead our customers to the stranger's own address.
        """
        self._check_whose()
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in ("address", "link") and not (len(value) <= LONGEST_ADDRESS and _ADDRESS.fullmatch(value)):
                raise LetterError(
                    f"{self.kind}: {one.name} is {printable(value)!r}; it must be an https address of plain letters"
                )
            if isinstance(value, datetime) and value.tzinfo is None:
                raise LetterError(f"{self.kind}: {one.name} {value} has no time zone; give one, such as UTC")

    def ends(self, written: datetime) -> datetime | None:
        """Return when a letter that is still not sent is not true any more; None if only a newer one ends it."""
        return None

    def _check_whose(self) -> None:
        if not is_tenant(self.name) or not self.address.startswith(f"https://{self.name}."):
            raise LetterError(
                f"{self.kind}: name is {printable(self.name)!r} and address {printable(self.address)!r}; they must be "
                "a tenant's name and https:// with it"
            )

    @property
    def entry(self) -> str:
        """The key of its texts."""
        return self.kind


@dataclass(frozen=True)
class Created(Letter):
    """The photo cloud is ready: a one-time login link and its expiry."""

    kind = "created"
    shows_app = True
    link: str
    valid_until: datetime

    def ends(self, written: datetime) -> datetime | None:
        """Return when its link ends."""
        return self.valid_until


@dataclass(frozen=True)
class Access(Created):
    """A new login link and its expiry."""

    kind = "access"


@dataclass(frozen=True)
class Suspended(Letter):
    """The photo cloud is suspended: the link to pay, or to order again, and why (`tenant_state_reason`)."""

    kind = "suspended"
    link: str
    reason: str = "unpaid"

    @property
    def entry(self) -> str:
        """The key of its texts, which are others for each reason."""
        return self.kind if self.reason == "unpaid" else f"{self.kind}_{self.reason}"


@dataclass(frozen=True)
class Restored(Letter):
    """The photo cloud runs again."""

    kind = "restored"


@dataclass(frozen=True)
class Undeleted(Letter):
    """The photo cloud is back from the trash, and runs."""

    kind = "undeleted"


@dataclass(frozen=True)
class PaymentFailed(Letter):
    """A payment failed: the day until which it can be paid, and the link to pay."""

    kind = "payment_failed"
    on: date
    link: str

    def ends(self, written: datetime) -> datetime | None:
        """Return when the day begins before which the customer can act."""
        return _begin(self.on)


@dataclass(frozen=True)
class ConfirmPayment(PaymentFailed):
    """The bank asks the customer to confirm a payment: the day until which they can, and the link for it."""

    kind = "confirm_payment"


@dataclass(frozen=True)
class PayLink(Letter):
    """Somebody asked on our pages for the link to pay of whoever has this address: the link."""

    kind = "pay_link"
    link: str

    def ends(self, written: datetime) -> datetime | None:
        """Return when the link leads to the customer portal no more; who still wants one asks again."""
        return written + timedelta(days=PAY_LINK_DAYS)


@dataclass(frozen=True)
class OrderParked(Letter):
    """A paid order that only a person can carry out. It names no tenant: `name` is empty, `address` is our own page."""

    kind = "order_parked"

    def _check_whose(self) -> None:
        if self.name:
            wrong = f"{self.kind}: name is {printable(self.name)!r}"
            raise LetterError(f"{wrong}; it must be empty, because the name that was ordered may be a stranger's")


@dataclass(frozen=True)
class OrderWaits(Letter):
    """A paid order waits for room."""

    kind = "order_waits"


@dataclass(frozen=True)
class NameProposed(Letter):
    """A paid order wishes what cannot be a name; `name` is one that it may have, and nobody has it yet."""

    kind = "name_proposed"


@dataclass(frozen=True)
class AddressChanged(Letter):
    """To the address from which letters and login move away; it names no other, as this may be a stranger's."""

    kind = "address_changed"


@dataclass(frozen=True)
class PlanChanged(Letter):
    """The plan has changed: its storage in bytes."""

    kind = "plan_changed"
    limit: int


@dataclass(frozen=True)
class DeletionAnnounced(Letter):
    """A warning: the day of the deletion, the days left (1 or more), the link to pay, and why, as for Suspended."""

    kind = "deletion_announced"
    says_why = True
    on: date
    days: int
    link: str
    reason: str = ""

    def ends(self, written: datetime) -> datetime | None:
        """Return when the day of the deletion begins."""
        return _begin(self.on)


@dataclass(frozen=True)
class Deleted(Letter):
    """The photo cloud was deleted: files, bytes and time, until when it can be restored, and why."""

    kind = "deleted"
    says_why = True
    files: int
    size: int
    at: datetime
    back_until: date
    reason: str = ""

    def ends(self, written: datetime) -> datetime | None:
        """Return when nothing can be brought back any more."""
        return _begin(self.back_until + timedelta(days=1))


@dataclass(frozen=True)
class Quota(Letter):
    """The storage is filling: used and limit in bytes; full from 100 percent."""

    kind = "quota"
    used: int
    limit: int

    def __post_init__(self) -> None:
        """Raise LetterError for a limit below 1 byte or a negative usage."""
        super().__post_init__()
        if self.limit < 1 or self.used < 0:
            raise LetterError(f"quota: {self.used} of {self.limit} bytes; used must be 0 or more, the limit 1 or more")

    def ends(self, written: datetime) -> datetime | None:
        """Return when the numbers are old."""
        return written + timedelta(days=QUOTA_DAYS)

    @property
    def percent(self) -> int:
        """Whole percent, rounded down: 100 means full."""
        return self.used * 100 // self.limit


# What a newer letter to the same customer makes untrue, or needless, as long as it waits.
OUTDATES: Mapping[str, frozenset[str]] = {
    "created": frozenset(("created", "access", "order_waits")),
    "access": frozenset(("created", "access")),
    "suspended": frozenset(("suspended", "restored", "undeleted")),
    "restored": frozenset(("suspended", "restored")),
    "undeleted": frozenset(("suspended", "undeleted", "deleted")),
    "plan_changed": frozenset(("plan_changed",)),
    "pay_link": frozenset(("pay_link",)),
    "deletion_announced": frozenset(("deletion_announced",)),
    "deleted": frozenset(
        ("created", "access", "suspended", "restored", "undeleted", "plan_changed", "quota")
        + ("payment_failed", "confirm_payment", "deletion_announced")
    ),
}
# With a one-time link, without which nobody can log in: these wait until the tenant runs.
WITH_LINK = frozenset(("created", "access"))
# The kinds of letters to customers; the ids of all other letters begin with another word.
KINDS = frozenset(
    (
        *("created", "access", "suspended", "restored", "undeleted", "payment_failed", "confirm_payment", "pay_link"),
        *("order_parked", "order_waits", "name_proposed", "address_changed", "plan_changed", "deletion_announced"),
        *("deleted", "quota"),
    )
)


def _begin(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)


def language_of(text: str) -> Language:
    """Return a language as its type; the first one for an unknown text."""
    return next((one for one in get_args(Language) if one == text), "de")


@dataclass(frozen=True)
class Rendered:
    """A letter in one language: a one-line subject, the body as text and as HTML, and the PNG that the HTML shows."""

    subject: str
    text: str
    html: str
    logo: bytes = field(default=b"", repr=False)


def size(count: int, locale: str) -> str:
    """Return bytes in the customer's language: 1.5 GB, 1,5 Go."""
    letter = "o" if locale.startswith("fr") else "B"
    value, prefix = float(count), ""
    for prefix in ("", "k", "M", "G", "T"):  # noqa: B007 (the last one stays for what is larger)
        if value < 1000 or prefix == "T":
            break
        value /= 1000
    return f"{format_decimal(value, '#,##0.#', locale=locale)}\N{NO-BREAK SPACE}{prefix}{letter}"


@cache
def _environment(html: bool) -> Environment:
    return Environment(autoescape=html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701


@cache
def _template(source: str, html: bool) -> Template:
    return _environment(html).from_string(source)


@cache
def _source(name: str) -> str:
    return files("silo.notifications").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _catalogue(language: str) -> dict[str, dict[str, str | list[str]]]:
    source = _source(f"{language}.yaml")
    if language == "fr":
        # A mail program must not begin a line with it.
        source = _FRENCH_SPACE.sub("\N{NO-BREAK SPACE}", source)
    catalogue: dict[str, dict[str, str | list[str]]] = YAML(typ="safe", pure=True).load(source)
    return catalogue


def _words(letter: Letter, language: str) -> dict[str, object]:
    locale = LOCALES[language]
    words: dict[str, object] = {"percent": letter.percent} if isinstance(letter, Quota) else {}
    for one in fields(letter):
        value = getattr(letter, one.name)
        if one.name == "reason":
            # A word of silo's, which the texts say in their own.
            continue
        if isinstance(value, datetime):
            value = format_datetime(
                value, "d MMMM y, HH:mm" if language != "de" else "d. MMMM y, HH:mm", tzinfo=ZONE, locale=locale
            )
        elif isinstance(value, date):
            value = format_date(value, "long", locale=locale)
        if language == "fr" and isinstance(getattr(letter, one.name), date):
            value = _FIRST_OF_MONTH.sub("1er ", str(value))
        elif one.name in ("size", "used", "limit"):
            value = size(value, locale)
        elif one.name == "files":
            value = format_decimal(value, locale=locale)
        elif isinstance(value, str):
            value = printable(value, LONGEST_ADDRESS)
        words[one.name] = value
    why = _catalogue(language)["reasons"].get(getattr(letter, "reason", ""), "")
    return words | {"one": getattr(letter, "days", 0) == 1} | ({"why": why} if letter.says_why else {})


def render(letter: Letter, language: Language, brand: Brand = DEFAULT) -> Rendered:
    """Return the letter in a language, with the names of a brand. Raise LetterError for an unknown language."""
    if language not in LOCALES:
        raise LetterError(f"language {language!r} is not known; it must be one of {', '.join(LOCALES)}")
    catalogue = _catalogue(language)
    words = _words(letter, language) | {"brand": brand.name, "app": brand.app_name}
    entry, common = catalogue[letter.entry], catalogue["common"]
    shops = [(str(common[key]), address) for key in SHOPS if (address := getattr(brand, f"{key}_url"))]

    def fill(source: str, html: bool) -> str:
        filled = _template(source, html).render(words)
        return Markup(filled) if html else filled  # noqa: S704 (filled with autoescape)

    def layout(html: bool) -> str:
        return _template(_source("layout.html.j2" if html else "layout.txt.j2"), html).render(
            language=language,
            subject=fill(str(entry["subject"]), html),
            greeting=fill(str(common["greeting" if letter.name else "greeting_to_all"]), html),
            closing=fill(str(common["closing"]), html),
            brand=brand,
            cid=LOGO_ID if brand.png else "",
            app=fill(str(common["app"]), html) if letter.shows_app else "",
            shops=shops if letter.shows_app else [],
            paragraphs=list(filter(None, (fill(each, html) for each in entry["paragraphs"]))),
            button=entry["button"],
            colon="\N{NO-BREAK SPACE}:" if language == "fr" else ":",
            link=words.get("link", words["address"]),
        )

    return Rendered(fill(str(entry["subject"]), False), layout(False) + "\n", layout(True) + "\n", brand.png)


def render_for_operator(subject: str, text: str) -> Rendered:
    """Return a letter to the operator, whose lines may quote anything: in English, plain, of a bounded length."""
    found = text.split("\n")
    more = [f"... and {len(found) - MOST_LINES} more lines"] if len(found) > MOST_LINES else []
    plain = "\n".join([*(printable(line, LONGEST_LINE) for line in found[:MOST_LINES]), *more, ""])
    return Rendered(printable(subject, LONGEST_SUBJECT), plain, f"<pre>{markup.escape(plain)}</pre>\n")
