# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The schema of a tenant, read from the role's argument_specs and defaults.

It does not depend on a run of Ansible: the command line and the billing service use it like a play.
"""

from __future__ import annotations

import difflib
import functools
import re
import typing as t
from pathlib import Path

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator, ValidationResult
from ansible.module_utils.common.yaml import yaml_load
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo import email_address, languages
from silo.repository import collection
from silo.tenant.names import name_problem

PREFIX = "tenant_"
LANGUAGE = "tenant_language"
# Settings that become a line, path, rule or image in files of a server, where other characters could be syntax.
PLAIN = re.compile(r"[A-Za-z0-9_./:@+=,-]*")
# Validated separately, or never written to a server.
NOT_PLAIN = frozenset(
    (
        "tenant_address_pool tenant_disk tenant_email tenant_extension_reason tenant_file tenant_quota tenant_subnet"
    ).split()
)
# A service's limit, which is a size.
MEMORY = re.compile(r"tenant_\w+_memory")
SIZE = re.compile(r"tenant_(?:quota|disk|\w+_memory|\w+_burst)")
# 100Gi and 100 GiB are what 100G is, which alone Ansible and Compose take.
_BINARY = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGTP])(?:iB?|B)", re.ASCII)
LONGEST_SENTENCE = 400
# Exceptions of Ansible's validation for values of an unexpected type.
FAULTS = (TypeError, ValueError, ArithmeticError, AttributeError)


class TenantError(Exception):
    """Invalid settings: each problem is a sentence that names the tenant, the field and the value."""

    def __init__(self, problems: t.Sequence[str]) -> None:
        """Keep the sentences as a list; each is one line, whatever a value contains."""
        self.problems = tuple(printable(problem, LONGEST_SENTENCE) for problem in problems)
        super().__init__("\n".join(self.problems))


def role() -> Path:
    """Return the folder of the role that defines a tenant."""
    return collection() / "roles" / "tenant"


@functools.cache
def options() -> dict[str, t.Any]:
    """Return the options of the role's entry point, as in argument_specs: name to type, required, choices ..."""
    specs = yaml_load((role() / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    return t.cast("dict[str, t.Any]", specs["argument_specs"]["main"]["options"])


@functools.cache
def defaults() -> dict[str, t.Any]:
    """Return the role's defaults, for settings that neither the tenant, its plan nor the policy has."""
    return t.cast("dict[str, t.Any]", yaml_load((role() / "defaults" / "main.yml").read_text(encoding="utf-8")))


def _unknown(name: str, values: t.Mapping[str, t.Any]) -> list[str]:
    problems = []
    for key in sorted(set(values) - set(options())):
        near = difflib.get_close_matches(key, options(), n=1)
        problems.append(f"{name}: unknown setting {key!r}" + (f". Did you mean {near[0]!r}?" if near else ""))
    return problems


def _has_own_check(key: str) -> bool:
    return key in NOT_PLAIN or bool(MEMORY.fullmatch(key))


def _not_plain(name: str, values: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    texts = {key: value for key, value in values.items() if key in options() and not _has_own_check(key)}
    texts |= {f"tenant_images.{key}": value for key, value in (values.get("tenant_images") or {}).items()}
    for key, value in texts.items():
        if isinstance(value, str) and not PLAIN.fullmatch(value):
            yield f"{name}: {key} is {value!r}; it must have plain letters, digits and . / : @ _ + = , - only"


def _sentence(name: str, message: str) -> str:
    if message.startswith("missing required arguments: "):
        keys = message.removeprefix("missing required arguments: ").split(", ")
        places = {"tenant_server", "tenant_nas"} & set(keys)
        hint = "; 'silo places' writes where the tenant's data is" if places else ""
        return f"{name}: {' and '.join(keys)} {'is' if len(keys) == 1 else 'are'} missing{hint}"
    return f"{name}: {message}"


def shown(value: t.Any) -> str:
    """Return a value for a message."""
    try:
        return repr(value)
    except ValueError:
        return "a number of too many digits"


def _breaks(key: str, value: t.Any) -> bool:
    """Return whether Ansible's own validation crashes at this value, for example at a list instead of a dict."""
    try:
        _checked({key: options()[key]}, {key: value})
    except FAULTS:
        return True
    return False


def _checked(specification: t.Mapping[str, t.Any], values: t.Mapping[str, t.Any]) -> ValidationResult:
    repr(values)  # Python cannot print a number of more than some thousand digits.
    result: ValidationResult = ArgumentSpecValidator(specification).validate(values)
    return result


def normal_size(value: t.Any) -> t.Any:
    """Return 100G for a size such as 100Gi, 100 GiB or 100GB; anything else as it is."""
    found = _BINARY.fullmatch(value.strip()) if isinstance(value, str) else None
    return f"{found[1]}{found[2]}" if found else value


def typed(key: str, value: str) -> str | float | None:
    """Return a text as a value of the option `key`, by the schema; None if it is invalid."""
    option = options()[key]
    value = normal_size(value) if SIZE.fullmatch(key) else value
    try:
        found = _checked({key: {"type": option.get("type", "str")}}, {key: value})
    except FAULTS:
        return None
    return None if found.error_messages else t.cast("str | float", found.validated_parameters[key])


def validate(name: str, values: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Validate the settings of one tenant (all its `tenant_*` names); return them typed, with defaults.

    Raises TenantError with all problems.
    """
    problems = [problem] if (problem := name_problem(name)) else []
    problems += _unknown(name, values)
    # An empty value counts as missing.
    known = {key: value for key, value in values.items() if key in options() and value is not None}
    if language := languages.normal(str(known.get(LANGUAGE, ""))):
        known[LANGUAGE] = language
    known |= {key: normal_size(value) for key, value in known.items() if SIZE.fullmatch(key)}
    try:
        result = _checked(options(), defaults() | known)
    except FAULTS:
        breaking = [key for key in known if _breaks(key, known[key])]
        problems += [f"{name}: {key} is {shown(known[key])}; it must be {options()[key]['type']}" for key in breaking]
        if not breaking:
            raise
        raise TenantError(problems) from None
    problems += [_sentence(name, message) for message in result.error_messages]
    email = known.get("tenant_email")
    if email is not None and (wrong := email_address.problem(str(email))):
        problems.append(f"{name}: tenant_email is {email!r}; {wrong}")
    # A value of the wrong type already has its message.
    problems += [] if problems else _not_plain(name, result.validated_parameters)
    if problems:
        raise TenantError(problems)
    return {key: value for key, value in result.validated_parameters.items() if value is not None}
