"""The photo server's own quota: one statement to the tenant's own database, and a sentence where it does not take."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import psql
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import appquota
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

from .conftest import database


def test_it_is_set_in_the_tenants_own_database(server):
    feed, fed = database()
    appquota.set_app_quota(server.stack(app_quota=91268055040), feed)
    ((command, text),) = fed
    assert command[:4] == ("docker", "exec", "--interactive", "silo-hans-database-1")
    assert "quota=91268055040" in command
    # The number is psql's to quote; it is in no text that we put together.
    assert "91268055040" not in text
    assert """SET "quotaSizeInBytes" = :'quota'::bigint""" in text


def test_a_database_that_refuses_is_told(server):
    feed, _fed = database(3, "", "ERROR:  value is\n out of range\n")
    with pytest.raises(StackError, match=r"silo-hans-database-1 ends with code 3: ERROR: value is out of range"):
        appquota.set_app_quota(server.stack(), feed)


@pytest.mark.parametrize("out", ["0\n", ""])
def test_an_instance_without_an_admin_is_told(server, out):
    feed, _fed = database(0, out)
    with pytest.raises(StackError, match="this instance has no admin any more"):
        appquota.set_app_quota(server.stack(), feed)


def test_a_database_that_does_not_answer_is_not_waited_for_for_ever(server, monkeypatch):
    monkeypatch.setattr(psql, "SECONDS", 0.2)
    with pytest.raises(StackError, match=r"the database does not answer within 0\.2 s"):
        appquota.set_app_quota(server.stack(), lambda _command, text: psql.feed(("sleep", "60"), text))
