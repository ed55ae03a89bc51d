"""Who is let in: nobody beyond what is there, and everybody up to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silo.admission import AdmissionError, Pool, admit_disk, admit_memory, admit_storage, place
from silo.capacity import GIB, MemoryBudget, Server

TENANT = 5 * GIB // 2
FULL = MemoryBudget(Server(), (TENANT,) * 37)  # 93.5 GiB for tenants, 92.5 of them promised
SIZES = st.integers(GIB // 8, 8 * GIB)


def test_the_last_tenant_that_fits_is_admitted():
    admit_memory("hans", "silo1", MemoryBudget(Server(), (TENANT,) * 36), TENANT)


def test_the_one_after_is_refused_with_all_the_numbers():
    with pytest.raises(AdmissionError) as refusal:
        admit_memory("hans", "silo1", FULL, TENANT)
    assert str(refusal.value) == (
        "hans: it needs 2.5 GiB of memory on silo1, which has 1 GiB left; of its 128 GiB, 34.5 GiB are set aside "
        "(machine learning, Traefik, reserve), and of the rest, 92.5 GiB are promised to 37 tenants. Stop a tenant "
        "there, lower a limit, take another server, or raise silo_memory_overcommit"
    )


def test_the_policy_may_promise_more_than_is_there():
    stretched = MemoryBudget(FULL.server, FULL.tenants, overcommit=1.1)
    admit_memory("hans", "silo1", stretched, TENANT)
    with pytest.raises(AdmissionError, match=r"of the rest times 1\.1, 92\.5 GiB are promised to 37 tenants"):
        admit_memory("hans", "silo1", stretched, 5 * TENANT)


def test_on_a_server_that_promised_too_much_a_limit_may_be_lowered_and_not_raised():
    too_much = MemoryBudget(Server(total=64 * GIB), (TENANT,) * 15)
    admit_memory("hans", "silo1", too_much, TENANT, held=TENANT)
    admit_memory("hans", "silo1", too_much, TENANT - 1, held=TENANT)
    with pytest.raises(AdmissionError, match="which has 0 B left"):
        admit_memory("hans", "silo1", too_much, TENANT + 1, held=TENANT)


def test_overcommit_does_not_stretch_what_is_not_there():
    nothing = MemoryBudget(Server(total=30 * GIB), (), overcommit=2.0)
    assert nothing.free == -4.5 * GIB
    with pytest.raises(AdmissionError):
        admit_memory("hans", "silo1", nothing, 1)


def test_a_quota_is_admitted_up_to_the_size_of_the_pool():
    pool = Pool(size=1000 * GIB, promised=(100 * GIB,) * 9)
    admit_storage("hans", "nas1", pool, 100 * GIB)
    with pytest.raises(AdmissionError) as refusal:
        admit_storage("hans", "nas1", pool, 101 * GIB)
    assert str(refusal.value) == (
        "hans: it needs 101 GiB of storage on nas1, which has 100 GiB left; of its 1000 GiB, 900 GiB are promised to "
        "9 tenants. Take a smaller quota, purge what is deleted, add disks, or raise silo_storage_overcommit"
    )


def test_a_pool_may_be_promised_more_than_once():
    pool = Pool(size=100 * GIB, promised=(100 * GIB,), overcommit=2.0)
    admit_storage("hans", "nas1", pool, 100 * GIB)
    with pytest.raises(AdmissionError, match="of its 100 GiB times 2, 100 GiB are promised to 1 tenant"):
        admit_storage("hans", "nas1", pool, 101 * GIB)


def test_a_part_of_a_disk_is_admitted_up_to_its_size():
    pool = Pool(size=100 * GIB, promised=(20 * GIB,) * 4)
    admit_disk("hans", "silo1", pool, 20 * GIB)
    with pytest.raises(AdmissionError) as refusal:
        admit_disk("hans", "silo1", pool, 21 * GIB)
    assert str(refusal.value) == (
        "hans: it needs 21 GiB on the disk of silo1, which has 20 GiB left; of its 100 GiB, 80 GiB are promised to 4 "
        "tenants. Lower tenant_disk, take another server, purge what is deleted, make the disk larger, or raise "
        "silo_disk_overcommit"
    )
    admit_disk("hans", "silo1", pool, 21 * GIB, held=21 * GIB)


def test_a_quota_may_be_lowered_where_too_much_is_promised():
    admit_storage("hans", "nas1", Pool(size=GIB, promised=(2 * GIB,)), GIB, held=2 * GIB)


def test_a_tenant_is_placed_where_most_memory_is_left():
    budgets = {
        "silo1": FULL,
        "silo2": MemoryBudget(Server(), (TENANT,)),
        "silo3": MemoryBudget(Server(), (TENANT,) * 2),
    }
    assert place("hans", budgets, TENANT) == "silo2"


def test_of_equal_servers_the_first_by_name_is_taken():
    equal = MemoryBudget(Server(), ())
    assert place("hans", {"silo2": equal, "silo10": equal, "silo1": equal}, TENANT) == "silo1"


def test_where_no_server_has_room_each_is_named():
    with pytest.raises(AdmissionError, match="no server has as much left: 1 GiB on silo1, 1 GiB on silo2. Stop"):
        place("hans", {"silo2": FULL, "silo1": FULL}, TENANT)


def test_one_full_server_tells_where_its_memory_goes():
    with pytest.raises(AdmissionError, match=r"hans: .* on silo1, .* 34\.5 GiB are set aside"):
        place("hans", {"silo1": FULL}, TENANT)


def test_an_inventory_without_servers_is_told():
    with pytest.raises(AdmissionError, match="hans: there is no server in the inventory's group servers"):
        place("hans", {}, TENANT)


@given(st.integers(0, 60), SIZES, st.floats(0.5, 3.0))
def test_what_is_admitted_never_exceeds_what_may_be_promised(tenants, asked, overcommit):
    budget = MemoryBudget(Server(), (TENANT,) * tenants, overcommit)
    after = MemoryBudget(budget.server, (*budget.tenants, asked), overcommit)
    try:
        admit_memory("hans", "silo1", budget, asked)
    except AdmissionError:
        assert after.free < 0
    else:
        assert after.free >= 0


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.integers(0, 40), min_size=1, max_size=5), SIZES)
def test_placement_does_not_depend_on_the_order_of_servers(counts, asked):
    budgets = {server: MemoryBudget(Server(), (TENANT,) * count) for server, count in counts.items()}

    def placed(servers):
        try:
            return place("hans", {server: budgets[server] for server in servers}, asked)
        except AdmissionError as error:
            return str(error)

    assert placed(sorted(budgets)) == placed(sorted(budgets, reverse=True))
