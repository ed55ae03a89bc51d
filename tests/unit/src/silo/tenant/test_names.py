"""Names that no tenant, no new tenant, and no stranger can have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silo.tenant import names


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("login", "the platform's page to log in"),
        ("konto", "the platform's page to log in"),
        ("compte", "the platform's page to log in"),
        ("conto", "the platform's page to log in"),
        ("payment", "the platform's page to pay"),
        ("pagamento", "the platform's page to pay"),
        ("paiement", "the platform's page to pay"),
        ("hilfe", "the platform's own people"),
        ("postmaster", "RFC 2142"),
        ("abuse", "RFC 2142"),
        ("autoconfig", "programs look for a host of this name"),
        ("admin", "reserved for the platform"),
        ("support", "reserved for the platform"),
        ("Hans", "cannot be used"),
        ("mta-sts", "cannot be used"),
    ],
)
def test_a_name_at_which_people_would_believe_us_is_refused_with_the_reason(name, reason):
    assert reason in names.new_name_problem(name)


def test_who_has_such_a_name_keeps_it_when_more_words_are_reserved():
    assert names.name_problem("login") is None
    assert names.name_problem("www") is not None


def test_every_reserved_word_could_be_a_name_and_stands_in_one_group():
    words = [*names.PLATFORM, *(word for group in names.RESERVED.values() for word in group)]
    assert len(words) == len(set(words))
    assert [word for word in words if not names.is_tenant(word)] == []


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("rnaria", "maria"),
        ("maria", "rnaria"),
        ("wa1ter", "walter"),
        ("waiter", "walter"),
        ("0tto", "otto"),
        ("vvalter", "walter"),
        ("l0gin", "login"),
        ("adrnin", "admin"),
        ("b1lling", "billing"),
    ],
)
def test_a_name_that_looks_like_another_is_found(name, other):
    assert names.lookalike(name, ["maria", "rnaria", "walter", "otto"]) == other


@pytest.mark.parametrize("name", ["hans1", "hans2", "han", "hannes", "mario", "maria"])
def test_a_name_that_is_only_near_is_not(name):
    assert names.lookalike(name, ["hans", "maria"]) is None


@given(st.from_regex(r"\A[a-z][a-z0-9]{1,30}\Z"), st.sampled_from([("m", "rn"), ("l", "1"), ("i", "l"), ("o", "0")]))
def test_each_swap_is_found_in_both_directions(name, swap):
    swapped = name[0] + name[1:].replace(*swap)
    if swapped != name and not names.lookalike(name, ()) and not names.lookalike(swapped, ()):
        assert names.lookalike(swapped, [name]) == name
        assert names.lookalike(name, [swapped]) == swapped


@pytest.mark.parametrize(
    ("wish", "meant", "proposed"),
    [
        ("hans", "hans", "hans"),
        (" Hans ", "hans", "hans"),
        ("HANS2", "hans2", "hans2"),
        ("hans-peter", "", "hanspeter"),
        ("Familie Meier-R\u00fcegg", "", "familiemeierrueegg"),
        ("Zo\u00eb", "", "zoe"),
        ("Mu\u0308ller", "", "mueller"),
        ("Stra\u00dfe", "", "strasse"),
        ("4meiers", "", "meiers4"),
        ("\uff28\uff41\uff4e\uff53", "", "hans"),
        ("x" * 50, "", "x" * 31),
        ("7" * 5 + "x" * 50, "", "x" * 26 + "7" * 5),
        ("Login", "login", ""),
        ("l0gin!", "", ""),
        ("O\u2019Brien & Co.", "", "obrienco"),
        ("evil.example/login?for=", "", ""),
        ("../hans", "", ""),
        ("2024", "", ""),
        ("h", "", ""),
        ("", "", ""),
        ("\u0413\u0430\u043d\u0441", "", ""),
        ("x" * 10_000, "", ""),
    ],
)
def test_what_people_type_means_one_name_or_has_one_close_to_it(wish, meant, proposed):
    assert (names.meant(wish), names.proposal(wish)) == (meant, proposed)


@given(st.text())
def test_a_proposal_can_be_a_new_tenants_name_and_a_meaning_is_no_guess(wish):
    if near := names.proposal(wish):
        assert names.new_name_problem(near) is None
        assert names.lookalike(near, ()) is None
    if name := names.meant(wish):
        assert names.name_problem(name) is None or name in names.PLATFORM
        assert name == wish.strip().lower()


def test_a_name_that_cannot_be_is_refused_with_one_that_can():
    assert names.name_problem("Hans-Peter").endswith("beginning with a letter, such as 'hanspeter'")
    assert names.name_problem("2024").endswith("beginning with a letter")
