"""What billing keeps: nothing that comes from outside becomes the name of a file."""

import datetime
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import locks

from silo.billing.errors import NeedsAttention
from silo.billing.state_store import Begun, Hold, StateStore

NOW = datetime.datetime(2026, 12, 1, 9, tzinfo=datetime.UTC)


@pytest.mark.parametrize("name", ["/etc/nologin", "../x", "sub_1/../../x", "", "sub_", "sub_1\n", "."])
def test_what_is_no_subscription_locks_nothing_and_makes_no_file(tmp_path, name):
    with pytest.raises(NeedsAttention, match="is not the id of a subscription"), StateStore(tmp_path).locked(name):
        raise AssertionError("it is held")
    assert list(tmp_path.rglob("*")) == []


def test_a_subscription_has_a_lock_of_its_own(tmp_path):
    with StateStore(tmp_path).locked("sub_1"):
        assert (tmp_path / "billing" / "sub_1").is_file()


def test_what_is_neither_linked_nor_waits_is_forgotten(tmp_path):
    store = StateStore(tmp_path)
    for name in ("sub_linked", "sub_waits", "sub_gone", "sub_held"):
        store.spare(name, NOW.date())
        with store.locked(name):
            pass
    store.wait("sub_waits", "hans", "create", "small", NOW, "")
    with store.locked("sub_held"):
        store.prune({"sub_linked"})
        assert {one.name for one in (tmp_path / "billing").iterdir()} == {"sub_linked", "sub_waits", "sub_held"}
    assert set(store.spared()) == {"sub_linked", "sub_waits"}


def test_who_waits_for_a_lock_whose_file_is_removed_holds_the_new_one(tmp_path):
    store, path = StateStore(tmp_path), tmp_path / "billing" / "sub_1"

    def is_held_by_me():
        with store.locked("sub_1"), pytest.raises(locks.LockedError), locks.held(path):
            pass

    with ThreadPoolExecutor() as pool:
        with store.locked("sub_1"):
            other = pool.submit(is_held_by_me)
            time.sleep(0.2)  # until it waits
            path.unlink()
        other.result()


def test_a_step_that_waits_does_so_since_the_first_time_until_another_is_next(tmp_path):
    store = StateStore(tmp_path)
    for hours in (0, 5):
        at = NOW + datetime.timedelta(hours=hours)
        store.hold("sub_1", "hans", "change", f"it stores too much, {hours}", "it stores less", at)
    (hold,) = store.holds()
    assert (hold.since, hold.why) == (NOW.isoformat(), "it stores too much, 5")
    store.unhold("sub_1", unless="change")
    assert store.holds() == (hold,)
    store.unhold("sub_1", unless="delete")
    assert store.holds() == ()


def test_what_a_night_found_replaces_what_the_night_before_did(tmp_path):
    store = StateStore(tmp_path)
    store.hold("sub_9", "anna", "delete", "the limit is reached", "you agree", NOW)
    old, new = NOW.isoformat(), (NOW + datetime.timedelta(days=1)).isoformat()
    asks = [Hold(f"sub_{number}", "hans", "needs_attention", "why", "then", old) for number in (1, 2)]
    store.renew("needs_attention", asks)
    again = [Hold(f"sub_{number}", "hans", "needs_attention", "why", "then", new) for number in (2, 3, 9)]
    store.renew("needs_attention", again)
    assert [(one.subscription, one.step, one.since) for one in store.holds()] == [
        ("sub_2", "needs_attention", old),
        ("sub_9", "delete", old),
        ("sub_3", "needs_attention", new),
    ]


def test_a_change_that_an_older_version_began_is_known(tmp_path):
    (tmp_path / "billing.json").write_text(json.dumps({"begun": {"sub_1": "hans"}}))
    store = StateStore(tmp_path)
    store.begin("sub_2", "anna", NOW)
    assert store.begun() == {
        "sub_1": Begun("sub_1", "hans", ""),
        "sub_2": Begun("sub_2", "anna", NOW.isoformat()),
    }
