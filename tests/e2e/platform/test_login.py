"""An address that changes in the inventory is the login, whoever knows the password; nothing restarts."""

from ..cloud import Cloud

THEIRS = "theirs alone"


def test_another_address_is_the_login_with_the_same_password_and_sessions(lab, operator, customer, newcomer):
    name = newcomer("umzug")
    operator.apply("--limit", name)
    phone = customer(name)
    passwords = {"password": operator.secrets(name)["admin_password"], "newPassword": THEIRS}
    assert phone.post("/api/auth/change-password", passwords).status in (200, 201)
    before = lab.containers(name)

    operator.edit(name, email="Umzug@m\u00fcller.example.ch")
    assert "the tenant's new address" in operator.run("plan.yml", "--limit", name).output
    assert Cloud(lab, name).login(f"{name}@example.ch", THEIRS).status == 201
    operator.apply("--limit", name)

    assert Cloud(lab, name).login("umzug@xn--mller-kva.example.ch", THEIRS).status == 201
    assert Cloud(lab, name).login(f"{name}@example.ch", THEIRS).status == 401
    assert phone.get("/api/users/me").status == 200
    assert lab.containers(name) == before
    assert set(operator.apply("--limit", name).changed.values()) == {0}


def test_an_address_that_another_user_has_is_told_and_the_login_stays(lab, operator, customer, newcomer):
    name = newcomer("familie")
    operator.apply("--limit", name)
    taken = {"email": "zweite@example.ch", "password": "zweites passwort", "name": "Zweite"}
    assert customer(name).post("/api/admin/users", taken).status == 201
    operator.edit(name, email="zweite@example.ch")
    run = operator.try_run("apply.yml", "--limit", name)
    assert run.code != 0
    assert "another user of this instance has the new address" in " ".join(run.output.split())
    operator.edit(name, email=f"{name}@example.ch")
    operator.apply("--limit", name)
    password = operator.secrets(name)["admin_password"]
    assert Cloud(lab, name).login(f"{name}@example.ch", password).status == 201
