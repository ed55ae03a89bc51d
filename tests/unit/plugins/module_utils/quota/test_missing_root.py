"""A check run on a fresh machine says what would be made, and nothing can be made by it."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError, QuotaTenant, Survey
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.converge import converge
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.missing_root import Fresh
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.rules import QuotaPolicy

HANS = {"name": "hans", "id": 1, "uid": 200001, "gid": 200001, "limit": "100G"}


@pytest.fixture
def fresh(tmp_path):
    return Fresh(str(tmp_path / "instances"), lambda _argv: pytest.fail("nothing is run"))


def test_everything_is_new(fresh):
    (outcome,) = converge(fresh, [HANS], QuotaPolicy(), check_mode=True)
    assert outcome.changes() == ["new, with a limit of 100G"]


def test_there_is_no_pool_that_could_be_too_small(fresh):
    (outcome,) = converge(fresh, [HANS | {"limit": "1000P"}], QuotaPolicy(), check_mode=True)
    assert outcome.changed


def test_nothing_can_be_written(fresh):
    fresh.check()
    with pytest.raises(QuotaError, match="nothing is mounted at"):
        fresh.apply(QuotaTenant("hans", 1, 200001, 200001, 1), Survey({}, {}))
    with pytest.raises(QuotaError, match="nothing is mounted at"):
        fresh.remove(".trash/20261123T165705Z-hans-1", 1)
