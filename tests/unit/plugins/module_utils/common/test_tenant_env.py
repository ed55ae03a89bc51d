"""By what the last apply wrote, programs of the server know who should run."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import tenant_env


@pytest.fixture
def add(tmp_path):
    def write(name, text, set_up=True):
        (tmp_path / name).mkdir()
        (tmp_path / name / tenant_env.FILE).write_text(text)
        if set_up:
            (tmp_path / name / tenant_env.SET_UP).touch()

    return write


def test_variables_as_apply_writes_them(add, tmp_path):
    add("maria", "# Made by silo: do=not edit\nTENANT_STATE=running\n\nTENANT_LINE=a=b\nno variable\n")
    add("hans", "EMPTY=\n")
    assert tenant_env.read_all(tmp_path) == {
        "hans": {"EMPTY": ""},
        "maria": {"TENANT_STATE": "running", "TENANT_LINE": "a=b"},
    }


def test_what_is_no_tenants_is_passed_over(add, tmp_path):
    add("hans", "TENANT_STATE=running\n")
    add("hans.old", "TENANT_STATE=running\n")
    (tmp_path / "empty").mkdir()
    assert list(tenant_env.read_all(tmp_path)) == ["hans"]


def test_those_that_should_run_are_set_up_to_the_end(add, tmp_path):
    add("hans", "TENANT_STATE=running\n")
    add("maria", "TENANT_STATE=stopped\n")
    add("peter", "TENANT_STATE=running\n", set_up=False)
    add("anna", "")
    assert list(tenant_env.should_run(tmp_path)) == ["hans"]


def test_one_that_is_deleted_meanwhile_is_not_there(add, tmp_path, monkeypatch):
    add("hans", "TENANT_STATE=running\n")
    add("maria", "TENANT_STATE=running\n")
    read = tenant_env.read

    def gone(path):
        if path.parent.name == "hans":
            path.unlink()
        return read(path)

    monkeypatch.setattr(tenant_env, "read", gone)
    assert list(tenant_env.read_all(tmp_path)) == ["maria"]


def test_no_directory_holds_no_tenants(tmp_path):
    assert tenant_env.read_all(tmp_path / "nowhere") == {}
