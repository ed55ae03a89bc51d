"""Which names a tenant may have: what `silo create`, an inventory, billing and a playbook ask.

A living tenant keeps its name when a new version reserves more words; only those of the platform's own hosts can never
be a tenant's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from ansible_collections.swissphoto.silo.plugins.module_utils.common.names import is_tenant

# Names of hosts that the platform has, or whose records change the way of its mail and its certificates.
PLATFORM = frozenset(
    "acme admin api app autodiscover billing blog cdn demo dev docs ftp git grafana help host imap internal "
    "localhost mail metrics mx ns ns1 ns2 pages pay pop root shop silo smtp ssh static status stripe support "
    "system test traefik web webmail wpad www".split()
)
# Words at whose address customers of all languages would believe that we ask them for something, by the reason.
RESERVED: Mapping[str, frozenset[str]] = {
    "it looks like the platform's page to log in": frozenset(
        "accedi accesso account accounts anmelden anmeldung auth compte comptes connect connexion conti conto id "
        "identity inscription konten konto login logon logout myaccount oauth passwd password passwort profile "
        "register registrierung secure security session sicherheit signin signup sso token verify welcome".split()
    ),
    "it looks like the platform's page to pay": frozenset(
        "abo abonnement abonnements abos bank bezahlen buy cart cassa checkout factura facture factures fattura "
        "fatture invoice invoices kasse money order orders pagamenti pagamento pagare paiement paiements payer "
        "payment payments paypal portal rechnung rechnungen shopping store subscribe subscription twint zahlen "
        "zahlung zahlungen".split()
    ),
    "it looks like the platform's own people": frozenset(
        "administration administrator aide aiuto contact contatto datenschutz hilfe impressum info kontakt kunden "
        "kundendienst legal news newsletter office operator press privacy sales service services servizio staff "
        "swissphoto team".split()
    ),
    "mail to this name has a meaning of its own (RFC 2142)": frozenset(
        "abuse hostmaster list lists mailerdaemon marketing nobody noc noreply postmaster usenet uucp webmaster".split()
    ),
    "programs look for a host of this name by themselves": frozenset(
        "autoconfig broadcasthost dns gateway isatap lan ldap local mtasts ns3 ns4 ntp openpgpkey pop3 proxy relay "
        "router sip vpn wifi xmpp".split()
    ),
    "it is a word of the platform's own configuration": frozenset(
        "backup backups cloud controller database files foto fotos images img immich instances machinelearning "
        "media monitoring photo photography photos phototheque prometheus server template templates "
        "tenant upload uploads".split()
    ),
}
# What looks the same in many fonts, in the letters that stand for both.
ALIKE = (("rn", "m"), ("vv", "w"), ("1", "l"), ("i", "l"), ("0", "o"))
_PATTERN = "it must have 2 to 31 small letters and digits, beginning with a letter"
# How letters are written that have no plain one within.
SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "æ": "ae", "œ": "oe", "ø": "oe", "ł": "l", "đ": "d"})
LONGEST_NAME = 31
# Nobody means a name by more characters than these.
LONGEST_WISH = 100
# What stands between the words of a name; whoever types anything else means no name, and perhaps an address.
BETWEEN = " -_.'&+\N{RIGHT SINGLE QUOTATION MARK}\N{EN DASH}"
_LEADING_DIGITS = re.compile(r"([0-9]+)(.+)")


def meant(wish: str) -> str:
    """Return the one name that a wish can mean, `hans` for ` Hans`; empty if it means none, or could mean several."""
    name = wish.strip().lower()
    return name if wish.isascii() and is_tenant(name) else ""


def proposal(wish: str) -> str:
    """Return a name close to what a person typed, `hanspeter` for `Hans-Peter`; empty if there is none to propose.

    A new tenant may have it, if nobody else has it, or one that looks like it.
    """
    if len(wish) > LONGEST_WISH:
        return ""
    spelled = unicodedata.normalize("NFKC", wish.strip()).casefold().translate(SPELLED)
    plain = (letter for letter in unicodedata.normalize("NFKD", spelled) if not unicodedata.combining(letter))
    kept = "".join(letter for letter in plain if letter not in BETWEEN)
    if not kept.isascii() or not kept.isalnum():
        return ""
    if digits := _LEADING_DIGITS.fullmatch(kept):
        kept = digits[2][: LONGEST_NAME - len(digits[1])] + digits[1] if len(digits[1]) < LONGEST_NAME else ""
    name = kept[:LONGEST_NAME]
    return name if is_tenant(name) and new_name_problem(name) is None and lookalike(name, ()) is None else ""


def name_problem(name: str) -> str | None:
    """Return why no tenant can have this name, with one that is close to it; None if one can."""
    if not is_tenant(name):
        near = proposal(name)
        return f"tenant {name!r}: this name cannot be used; {_PATTERN}" + (f", such as {near!r}" if near else "")
    if name in PLATFORM:
        return f"tenant {name!r}: this name is reserved for the platform; choose another"
    return None


def new_name_problem(name: str) -> str | None:
    """Return why no new tenant can have this name, or None."""
    reasons = (reason for reason, words in RESERVED.items() if name in words)
    if problem := name_problem(name):
        return problem
    return next((f"tenant {name!r}: this name is reserved, as {reason}; choose another" for reason in reasons), None)


def lookalike(name: str, others: Iterable[str]) -> str | None:
    """Return the first of these names, or of the reserved words, that people may take for `name`; None for none."""
    known = sorted({*others, *PLATFORM, *(word for words in RESERVED.values() for word in words)} - {name})
    return next((other for other in known if seen(other) == seen(name)), None)


def seen(name: str) -> str:
    """Return what the eye makes of a name, the same for all that look alike."""
    for found, one in ALIKE:
        name = name.replace(found, one)
    return name
