"""What billing keeps: nothing that comes from outside becomes the name of a file."""

import pytest

from silo.billing.errors import NeedsAttention
from silo.billing.state_store import StateStore


@pytest.mark.parametrize("name", ["/etc/nologin", "../x", "sub_1/../../x", "", "sub_", "sub_1\n", "."])
def test_what_is_no_subscription_locks_nothing_and_makes_no_file(tmp_path, name):
    with pytest.raises(NeedsAttention, match="is not the id of a subscription"), StateStore(tmp_path).locked(name):
        raise AssertionError("it is held")
    assert list(tmp_path.rglob("*")) == []


def test_a_subscription_has_a_lock_of_its_own(tmp_path):
    with StateStore(tmp_path).locked("sub_1"):
        assert (tmp_path / "billing" / "sub_1").is_file()
