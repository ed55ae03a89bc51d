"""Whatever is wrong with one tenant is told in a sentence; nothing of it is touched, and everybody else is applied."""

import pytest

THREE = ("hans", "maria", "peter")
RIGHT = {"email": "otto@example.ch", "plan": "small", "index": 90}

WRONG = [
    ("otto", {**RIGHT, "quota": "lots"}, "otto: tenant_quota is 'lots'; it must be a size such as 512M, 100G or 1T"),
    ("otto", {**RIGHT, "qouta": "1T"}, "otto: unknown setting 'tenant_qouta'. Did you mean 'tenant_quota'?"),
    ("otto", {**RIGHT, "email": "otto"}, "otto: tenant_email is 'otto'; it must be an address such as hans@example.ch"),
    ("otto", {**RIGHT, "index": 1}, "otto: tenant_index is 1, which is hans's; choose a free one"),
    ("otto", {**RIGHT, "subnet": "10.83.0.32/28"}, "otto: its subnet 10.83.0.32/28 is also maria's"),
    (
        "otto",
        {**RIGHT, "state": "paused"},
        "otto: value of tenant_state must be one of: running, stopped, suspended, absent",
    ),
    ("otto", {**RIGHT, "server": "silo9"}, "otto: tenant_server is 'silo9'; the group servers has silo1"),
    ("otto", {"index": 90, "plan": "small"}, "otto: tenant_email is missing"),
    ("otto", {**RIGHT, "plan": "smal"}, "otto: tenant_quota is missing"),
    ("Otto", RIGHT, "tenant 'Otto': this name cannot be used; it must have 2 to 31 small letters and digits"),
    ("otto-k", RIGHT, "tenant 'otto-k': this name cannot be used; it must have 2 to 31 small letters and digits"),
    ("www", RIGHT, "tenant 'www': this name is reserved for the platform; choose another"),
]


@pytest.fixture
def folder(operator):
    """Removes what a test put there; no run has touched it."""
    names = []
    yield names.append
    for name in names:
        (operator.folder(name) / "tenant.yml").unlink()
        operator.folder(name).rmdir()


@pytest.mark.parametrize("playbook", ["apply.yml", "plan.yml"])
@pytest.mark.parametrize(("name", "settings", "sentence"), WRONG)
def test_a_wrong_tenant_is_refused_and_nothing_of_it_is_touched(
    lab, operator, folder, playbook, name, settings, sentence
):
    before, files = lab.containers(*THREE), lab.files()
    folder(name)
    operator.write(name, **settings)
    run = operator.try_run(playbook)
    assert run.code != 0
    said = " ".join(run.output.split())
    assert sentence in said
    assert lab.containers(*THREE) == before
    assert lab.files() == files
    assert not (operator.folder(name) / "vault.yml").exists()


@pytest.mark.parametrize("text", ["tenant_email: [otto\n", "just a sentence\n"])
def test_a_file_that_cannot_be_read_is_told_and_keeps_nobody_else_away(lab, operator, folder, text):
    before, files = lab.containers(*THREE), lab.files()
    folder("otto")
    operator.folder("otto").mkdir()
    (operator.folder("otto") / "tenant.yml").write_text(text)
    run = operator.try_run("apply.yml")
    assert run.code != 0
    assert "host_vars/otto/tenant.yml: " in run.output
    assert lab.containers(*THREE) == before
    assert lab.files() == files
    # A run that is limited to others has nothing to do with it.
    operator.apply("--limit", "maria")


def test_a_wrong_tenant_stops_a_run_that_is_limited_to_whom_it_is_in_conflict_with(operator, folder):
    folder("otto")
    operator.write("otto", **{**RIGHT, "index": 1})
    run = operator.try_run("apply.yml", "--limit", "hans")
    assert run.code != 0
    assert "otto: tenant_index is 1" in run.output
    operator.apply("--limit", "maria")
