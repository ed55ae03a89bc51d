"""A state, its reason and its day as they are written, and which letter tells the customer."""

import datetime

import pytest

from silo.inventory import InventoryEditor
from silo.tenants.desired_state import DesiredState

DAY = datetime.date(2026, 11, 24)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (DesiredState("running", "unpaid"), None),
        (DesiredState("suspended"), "unpaid"),
        (DesiredState("suspended", "disputed"), "disputed"),
        (DesiredState("stopped"), "operator"),
        (DesiredState("absent"), "operator"),
    ],
)
def test_a_state_in_which_it_does_not_run_has_a_reason(wanted, why):
    assert wanted.why == why


def test_a_day_is_that_of_the_state_and_its_reason_and_stays_with_them():
    wanted = DesiredState("suspended", since=DAY)
    written = {"tenant_state": "suspended", "tenant_state_reason": "unpaid"}
    assert wanted.settings({})["state_since"] == "2026-11-24"
    assert "state_since" not in wanted.settings(written)
    assert wanted.settings({**written, "tenant_state_reason": "disputed"})["state_since"] == "2026-11-24"
    assert DesiredState("running").settings(written) == {"state": "running", "state_reason": None, "state_since": None}


def test_a_customer_gets_a_letter_on_what_is_about_the_bill(path):
    running = InventoryEditor.open(path).fleet().tenants["anna"]
    assert [DesiredState(state).letter(running) for state in ("running", "stopped", "suspended")] == [
        "",
        "",
        "suspended",
    ]
