"""Who gets how much of what nobody was promised: never more than there is, and the same for the same."""

import dataclasses

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import SizeError
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.burst import (
    MIB,
    Claim,
    Promise,
    ServerMemory,
    allot,
    grant,
    parse,
    promises,
    variables,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.examples import examples

GIB = 1024**3
SIZES = st.integers(0, 4 * GIB)
CLAIMS = st.lists(
    st.builds(Claim, st.sampled_from("abcdefghij"), SIZES, SIZES, st.booleans()),
    max_size=8,
    unique_by=lambda claim: claim.key,
)
POOLS = st.integers(-4 * GIB, 32 * GIB)


@examples(50, 3000)
@given(POOLS, CLAIMS)
def test_together_they_never_get_more_than_there_is_or_is_in_use(pool, claims):
    allotted = allot(pool, claims)
    assert set(allotted) == {claim.key for claim in claims}
    assert sum(allotted.values()) <= max(pool, sum(claim.firm for claim in claims))


@examples(50, 3000)
@given(POOLS, CLAIMS)
def test_nobody_loses_what_is_in_use_or_gets_more_than_its_setting_says(pool, claims):
    allotted = allot(pool, claims)
    for claim in claims:
        assert claim.firm <= allotted[claim.key] <= max(claim.most, claim.firm)
        if not claim.wants:
            assert allotted[claim.key] == claim.firm


@examples(50, 3000)
@given(POOLS, CLAIMS)
def test_who_gets_less_than_it_wants_gets_as_much_as_any_other(pool, claims):
    allotted = allot(pool, claims)
    got = {claim.key: allotted[claim.key] - claim.firm for claim in claims}
    for claim in claims:
        if claim.wants and allotted[claim.key] < claim.most:
            # By whole MiB at most one less.
            assert all(more <= got[claim.key] + len(claims) * MIB for more in got.values())


@examples(50, 2000)
@given(POOLS, CLAIMS, st.randoms(use_true_random=False))
def test_the_order_in_which_they_are_named_does_not_matter(pool, claims, chance):
    mixed = list(claims)
    chance.shuffle(mixed)
    assert allot(pool, claims) == allot(pool, mixed)


@examples(50, 2000)
@given(POOLS, CLAIMS)
def test_what_was_allotted_is_allotted_again(pool, claims):
    """Who holds all that it was allotted and uses it keeps it: a second step changes nothing."""
    first = allot(pool, claims)
    again = allot(pool, [dataclasses.replace(claim, firm=first[claim.key]) for claim in claims])
    assert all(again[key] >= value for key, value in first.items())
    assert sum(again.values()) <= max(pool, sum(first.values()))


@examples(50, 3000)
@given(POOLS, st.dictionaries(st.sampled_from("abcdefgh"), SIZES), st.dictionaries(st.sampled_from("abcdefgh"), SIZES))
def test_nothing_is_lent_before_it_is_there(pool, held, allotted):
    lent = grant(pool, held, allotted)
    assert set(lent) == set(held)
    assert sum(lent.values()) <= max(pool, sum(held.values()))
    assert all(held[key] <= lent[key] <= max(held[key], allotted.get(key, 0)) for key in held)


def test_the_smallest_wish_comes_first_and_the_rest_is_shared():
    claims = [Claim("a", 512 * MIB, wants=True), Claim("b", 100 * MIB, wants=True), Claim("c", GIB, wants=True)]
    assert allot(700 * MIB, claims) == {"a": 300 * MIB, "b": 100 * MIB, "c": 300 * MIB}


def test_the_missions_server_lends_to_all_at_once():
    memory = parse(
        {"total": "128G", "reserve": "10G", "machine_learning": "24G", "traefik": "512M", "template": "3G"}, 256 * GIB
    )
    pool = memory.pool(15 * 5 * GIB // 2, template=False)
    assert pool == 56 * GIB
    assert memory.pool(15 * 5 * GIB // 2, template=True) == 53 * GIB
    claims = [Claim(str(number), GIB // 2, wants=True) for number in range(15)]
    assert set(allot(pool, claims).values()) == {GIB // 2}


def test_a_machine_with_less_than_its_policy_says_lends_less():
    sizes = {"total": "128G", "reserve": "10G", "machine_learning": "24G", "traefik": "512M", "template": "3G"}
    assert parse(sizes, 64 * GIB) == ServerMemory(64 * GIB, 34 * GIB + GIB // 2, 3 * GIB)
    with pytest.raises(SizeError, match="template is missing; it must be a size such as"):
        parse({key: value for key, value in sizes.items() if key != "template"}, GIB)


def test_promises_are_read_from_what_compose_reads():
    record = (
        "# by Ansible\nTENANT_NAME=hans\nSERVER_MEMORY=1024\nSERVER_BURST=512\nSERVER_DIGEST=x\n"
        "DATABASE_MEMORY=2048\nDATABASE_MAINTENANCE_MEMORY=128MB\nDATABASE_DIGEST=y\nCACHE_DIGEST=z\n"
    )
    assert promises(variables(record)) == {
        "server": Promise(1024, 512),
        "database": Promise(2048),
        "cache": Promise(0),
    }
