"""The arithmetic of the mission: 24 + 0.5 + 15 x 2.5 + 10 = 72 GB."""

from hypothesis import given
from hypothesis import strategies as st

from silo.capacity import GIB, MemoryBudget, Server

TENANT = 5 * GIB // 2


def test_fifteen_tenants_take_exactly_72_gb():
    assert MemoryBudget(Server(), (TENANT,) * 15).promised == 72 * GIB


def test_what_is_left_of_128_gb_takes_22_more():
    budget = MemoryBudget(Server(), (TENANT,) * 15)
    assert budget.free == 56 * GIB
    assert budget.room_for(TENANT) == 22


def test_fifteen_bursts_are_a_small_part_of_what_is_left():
    budget = MemoryBudget(Server(), (TENANT,) * 15, bursts=(GIB // 2,) * 15)
    assert (budget.burst, sum(budget.bursts)) == (56 * GIB, 7.5 * GIB)
    assert (budget.promised, budget.room_for(TENANT)) == (72 * GIB, 22)


def test_a_server_that_promised_too_much_has_room_for_nobody():
    budget = MemoryBudget(Server(total=64 * GIB), (TENANT,) * 15)
    assert budget.free < 0
    assert budget.room_for(TENANT) == 0


@given(st.integers(0, 200), st.integers(GIB // 8, 8 * GIB))
def test_as_many_fit_as_are_said_to_and_not_one_more(tenants, size):
    room = MemoryBudget(Server(), (TENANT,) * tenants).room_for(size)
    filled = MemoryBudget(Server(), (*(TENANT,) * tenants, *(size,) * room))
    assert room == 0 or filled.free >= 0
    assert filled.free < size


def test_overcommit_counts_for_the_tenants_part_alone():
    budget = MemoryBudget(Server(), (TENANT,) * 15, overcommit=2.0)
    assert budget.promised == 72 * GIB
    assert budget.free == 2 * 93.5 * GIB - 37.5 * GIB
