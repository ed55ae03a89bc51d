"""The customer's login: one statement to the tenant's own database, and a sentence where it does not take."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import login
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

from .conftest import database


def test_it_is_set_in_the_tenants_own_database_by_a_value_that_psql_quotes(server):
    feed, fed = database()
    login.set_login(server.stack(email="o'brien@example.ch"), feed)
    ((command, text),) = fed
    assert command[:4] == ("docker", "exec", "--interactive", "silo-hans-database-1")
    assert "email=o'brien@example.ch" in command
    assert "brien" not in text
    assert """"email" = :'email'""" in text
    assert """"isAdmin" AND "deletedAt" IS NULL ORDER BY "createdAt" LIMIT 1""" in text


def test_an_address_that_another_user_has_is_told_with_what_to_do(server):
    feed, _fed = database(3, "", 'ERROR:  duplicate key value violates unique constraint "user_email_uq"\n')
    with pytest.raises(StackError, match="another user of this instance has the new address; the customer can"):
        login.set_login(server.stack(), feed)


def test_a_database_that_refuses_is_told(server):
    feed, _fed = database(3, "", "ERROR:  the database system is shutting down\n")
    with pytest.raises(StackError, match="the login cannot be changed: silo-hans-database-1 ends with code 3: ERROR"):
        login.set_login(server.stack(), feed)


@pytest.mark.parametrize("out", ["0\n", ""])
def test_an_instance_without_an_admin_is_told(server, out):
    feed, _fed = database(0, out)
    with pytest.raises(StackError, match="this instance has no admin any more"):
        login.set_login(server.stack(), feed)
