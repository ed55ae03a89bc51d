"""Maintenance that an operator switches on for a tenant, a server or all: where it is written, what pages say of it.

It stands in a file of its own in the inventory, which Ansible reads like the others, as the variable silo_maintenance:
`all`, a server or a tenant to a text and a time. What is on stays on until somebody switches it off.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import typing as t
from collections.abc import Mapping, Sequence
from html import escape
from zoneinfo import ZoneInfo

import yaml
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo.languages import LANGUAGES

FILE, VARIABLE, ALL = "maintenance.yml", "silo_maintenance", "all"
ZONE = ZoneInfo("Europe/Zurich")
LOCALES = {"de": "de_CH", "fr": "fr_CH", "it": "it_CH", "en": "en_GB"}
LONGEST_TEXT, MOST_DAYS, LONGEST_SHOWN = 500, 90, 100
SCOPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")
CLOCK = re.compile(r"([01]?\d|2[0-3]):[0-5]\d")
LAST_MINUTE = datetime.time(23, 59)
# The page of a server, of those that have none of their own; and that of a text which is gone.
HERE, ANY = "here", "any"
HEAD = "---\n# Written by 'silo maintenance'. Each shows a page in place of photo clouds until it is switched off.\n"


class MaintenanceError(ValueError):
    """What somebody wrote on maintenance is wrong; the text names it and what would be right."""


@dataclasses.dataclass(frozen=True)
class Notice:
    """What customers read: the operator's own `texts` by language, one that is missing is silo's; the end, if known."""

    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    until: datetime.datetime | None = None

    def __post_init__(self) -> None:
        """Raise MaintenanceError for a text or a language that cannot be shown, and for a time without a zone."""
        for language, text in self.texts.items():
            if language not in LANGUAGES:
                raise MaintenanceError(f"language {_shown(language)} is not one of {', '.join(LANGUAGES)}")
            plain = isinstance(text, str) and text.strip() and text == printable(text, LONGEST_TEXT)
            # A template: Ansible, which reads the file, would fill it in.
            if not plain or any(mark in text for mark in ("{{", "{%", "{#")):
                right = f"it must be one line of 1 to {LONGEST_TEXT} characters, without {{{{, {{% and {{#"
                raise MaintenanceError(f"text is {_shown(text)}; {right}")
        if self.until is not None and self.until.tzinfo is None:
            raise MaintenanceError(f"until is {self.until}; it must have a time zone, such as +01:00")

    @property
    def value(self) -> dict[str, t.Any]:
        """The notice as it is written."""
        texts, until = dict(self.texts), self.until
        same = set(texts) == set(LANGUAGES) and len(set(texts.values())) == 1
        text = {"text": next(iter(texts.values())) if same else texts} if texts else {}
        return text | ({"until": until.isoformat(timespec="minutes")} if until else {})


def _shown(value: object) -> str:
    return printable(repr(value), LONGEST_SHOWN)


def until(text: str, now: datetime.datetime) -> datetime.datetime:
    """Return the time of a text such as `22:00`, the next one, or `2026-12-24 22:00`; raises MaintenanceError.

    A day alone means its last minute.
    """
    try:
        if CLOCK.fullmatch(text):
            hour, minute = map(int, text.split(":"))
            found = now.astimezone(ZONE).replace(hour=hour, minute=minute, second=0, microsecond=0)
            found += datetime.timedelta(days=0 if found > now else 1)
        else:
            found = _day(text) or datetime.datetime.fromisoformat(text)
    except ValueError:
        right = "a time of Switzerland such as 22:00 or '2026-12-24 22:00', or a day"
        raise MaintenanceError(f"until is {_shown(text)}; it must be {right}") from None
    found = found if found.tzinfo else found.replace(tzinfo=ZONE)
    if not now < found <= now + datetime.timedelta(days=MOST_DAYS):
        raise MaintenanceError(f"until is {_shown(text)}; it must be within the next {MOST_DAYS} days")
    return found


def _day(text: str) -> datetime.datetime | None:
    """Return the last minute of a day, None for a text that has a time."""
    try:
        return datetime.datetime.combine(datetime.date.fromisoformat(text), LAST_MINUTE)
    except ValueError:
        return None


def parse(said: object) -> dict[str, Notice]:
    """Return scope to notice of the value of silo_maintenance; raises MaintenanceError."""
    if not isinstance(said, Mapping):
        raise MaintenanceError(f"{VARIABLE} is {_shown(said)}; it must map all, a server or a tenant to text and until")
    return {_scope(scope): _notice(scope, value) for scope, value in said.items()}


def _scope(scope: object) -> str:
    if not isinstance(scope, str) or not SCOPE.fullmatch(scope):
        raise MaintenanceError(f"{VARIABLE} names {_shown(scope)}; it must be all, or the name of a server or a tenant")
    return scope


def _notice(scope: str, value: object) -> Notice:
    if not isinstance(value, Mapping) or value.keys() - {"text", "until"}:
        raise MaintenanceError(f"{VARIABLE}.{scope} is {_shown(value)}; it may have text and until")
    text, end = value.get("text", {}), value.get("until")
    texts = dict.fromkeys(LANGUAGES, text) if isinstance(text, str) else text
    if not isinstance(texts, Mapping):
        raise MaintenanceError(f"{VARIABLE}.{scope}: text is {_shown(text)}; it must be one, or one for each language")
    try:
        # YAML makes a time of what looks like one.
        when = datetime.datetime.fromisoformat(end) if isinstance(end, str) else end
        if not isinstance(when, datetime.datetime | None):
            raise ValueError("another type")  # noqa: TRY301
        return Notice(dict(texts), when)
    except MaintenanceError as error:
        raise MaintenanceError(f"{VARIABLE}.{scope}: {error}") from error
    except ValueError:
        right = "it must be a time such as 2026-12-24T22:00+01:00"
        raise MaintenanceError(f"{VARIABLE}.{scope}: until is {_shown(end)}; {right}") from None


def read(text: str | None) -> dict[str, Notice]:
    """Return scope to notice of the file in an inventory; raises MaintenanceError."""
    if text is None:
        return {}
    try:
        found = yaml.safe_load(text)
    # A day that there is not, such as February 30, is no YAMLError.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise MaintenanceError(f"{FILE}: it is no YAML: {' '.join(str(error).split())[:LONGEST_TEXT]}") from error
    variables = found.get(ALL, {}).get("vars", {}) if _is_ours(found) else None
    if variables is None or variables.keys() != {VARIABLE}:
        raise MaintenanceError(f"{FILE}: it must hold nothing but {ALL}.vars.{VARIABLE}; 'silo maintenance' writes it")
    return parse(variables[VARIABLE])


def _is_ours(found: t.Any) -> bool:
    inner = found.get(ALL) if isinstance(found, dict) and found.keys() == {ALL} else None
    return isinstance(inner, dict) and inner.keys() == {"vars"} and isinstance(inner["vars"], dict)


def written(notices: Mapping[str, Notice]) -> str | None:
    """Return the text of the file; None where nothing is on, and so there is none."""
    if not notices:
        return None
    values = {scope: notice.value for scope, notice in sorted(notices.items())}
    body = yaml.safe_dump({ALL: {"vars": {VARIABLE: values}}}, sort_keys=False, allow_unicode=True, width=1000)
    return HEAD + str(body)


def of_server(
    said: object, server: str, groups: Mapping[str, Sequence[str]], hostvars: Mapping[str, Mapping[str, t.Any]]
) -> list[dict[str, t.Any]]:
    """Return the notices of a server, for templates: id, tenant (empty for all of the server), language, texts, until.

    That of the server counts before that of all. Who is neither a server nor a tenant any more is left out.
    """
    known = parse(said)
    servers, tenants = groups.get("servers", ()), groups.get("tenants", ())
    found = []
    if whole := known.get(server) or known.get(ALL):
        found.append(_for_templates(HERE, "", "auto", whole))
    for scope, notice in sorted(known.items()):
        if scope in servers or scope not in tenants:
            continue
        values = hostvars[scope]
        if values.get("tenant_server", server) == server:
            found.append(_for_templates(f"tenant-{scope}", scope, str(values.get("tenant_language", "auto")), notice))
    return found


def _for_templates(name: str, tenant: str, language: str, notice: Notice) -> dict[str, t.Any]:
    values = notice.value
    return {
        "id": name,
        "tenant": tenant,
        "language": language,
        "texts": dict(notice.texts),
        "until": values.get("until"),
    }


def files(
    notices: Sequence[Mapping[str, t.Any]], words: Mapping[str, Mapping[str, t.Any]], folder: str
) -> list[dict[str, str]]:
    """Return path and content of the files from which the pages take what they say: HTML and JSON in each language.

    `words` are the texts of the pages; those of `maintenance` hold what is said where the operator says nothing.
    """
    found: dict[str, str] = {}
    for notice in [{"id": ANY, "texts": {}, "until": None}, *notices]:
        for language in LANGUAGES:
            general = words[language]["maintenance"]
            said = [notice["texts"].get(language, general["text"])]
            if notice["until"]:
                end = datetime.datetime.fromisoformat(notice["until"])
                said.append(general["until"].replace("{until}", _when(end, language)))
            message = " ".join(said)
            answer = {"message": f"{general['title']}. {message}", "reason": "maintenance"}
            answer |= {"until": notice["until"]} if notice["until"] else {}
            found[f"{notice['id']}-{language}.html"] = escape(message)
            found[f"{notice['id']}-{language}.json"] = json.dumps(answer, ensure_ascii=True) + "\n"
    return [{"path": f"{folder}/{name}", "content": content} for name, content in found.items()]


def _when(end: datetime.datetime, language: str) -> str:
    # Here, as it takes longer to import than a short command to run.
    from babel.dates import format_datetime

    form = "d. MMMM y, HH:mm" if language == "de" else "d MMMM y, HH:mm"
    return str(format_datetime(end, form, tzinfo=ZONE, locale=LOCALES[language]))
