"""The first admin: created, found again, or told why not."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.immich import create_admin
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import Admin, StackError

ADMIN = Admin("http://10.83.0.18:2283", "hans@example.ch", "Asecret")


def server(**codes):
    asked = []

    def post(url, body):
        path = url.removeprefix(ADMIN.url)
        asked.append((path, sorted(body)))
        return codes[path.rsplit("/", 1)[1].replace("-", "_")], "answer"

    return post, asked


def test_it_is_created():
    post, asked = server(admin_sign_up=201)
    create_admin(ADMIN, post)
    assert asked == [("/api/auth/admin-sign-up", ["email", "name", "password"])]


def test_it_is_found_again_after_a_run_that_was_cut_off():
    post, asked = server(admin_sign_up=400, login=201)
    create_admin(ADMIN, post)
    assert asked[-1] == ("/api/auth/login", ["email", "password"])


def test_an_instance_that_is_somebody_elses_is_not_taken():
    post, _asked = server(admin_sign_up=400, login=401)
    with pytest.raises(StackError, match="already has an admin"):
        create_admin(ADMIN, post)


def test_a_fault_is_told():
    post, _asked = server(admin_sign_up=500)
    with pytest.raises(StackError, match="the photo server answers 500: answer"):
        create_admin(ADMIN, post)


def test_a_server_that_does_not_answer_is_told():
    with pytest.raises(
        StackError, match=r"the photo server does not answer at http://127.0.0.1:9/api/auth/admin-sign-up"
    ):
        create_admin(Admin("http://127.0.0.1:9", "hans@example.ch", "Asecret"))
