"""Secrets: their files, and that they are nowhere else."""

import os

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import secrets
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.subjects import Container, Tenant
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.probe import Storage
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

PASSWORD = "secret of secrets/database_password"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files away")


@pytest.fixture
def hans(given):
    """A tenant whose files are all as they should be."""
    hans = given.hans
    own = [(hans.directory, 0), (hans.directory / "secrets", 0)]
    for path, owner in (*own, *((hans.disk / folder, hans.uid) for folder in ("database", "queue", "backups"))):
        path.mkdir(parents=True, mode=0o700)
        os.chown(path, owner, owner)
    for name, mode, owner in (
        ("secrets/database_password", 0o400, hans.uid),
        ("secrets/cache_password", 0o400, hans.uid),
        ("secrets/valkey.conf", 0o400, hans.uid),
        ("immich.json", 0o400, hans.uid),
        (".env", 0o600, 0),
    ):
        path = hans.directory / name
        path.write_text(f"secret of {name}")
        path.chmod(mode)
        os.chown(path, owner, owner)
    return hans


@pytest.fixture
def tenant(given):
    """Gives a function: hans, in whose one container something differs."""

    def of(**changes):
        server = given.server()
        hans = Tenant(server, given.hans)
        # In place of what it would ask.
        server.__dict__["storage"] = Storage()
        hans.__dict__["containers"] = (Container(server, given.service, given.found(**changes), hans),)
        return hans

    return of


@pytest.fixture
def files(hans, tenant):
    """Gives a function: the finding on the files."""

    def of():
        (finding,) = secrets.secret_files(tenant())
        return finding

    return of


@pytest.fixture
def hidden(hans, tenant):
    """Gives a function: whether the secrets are hidden in a container of which something differs."""

    def of(**changes):
        (finding,) = secrets.secrets_hidden(tenant(**changes))
        return finding

    return of


@needs_root
def test_files_that_are_as_they_should_be(files):
    check = files()
    assert (check.ok, check.seen) == (True, "10 as they should be")


@needs_root
@pytest.mark.parametrize(
    ("name", "mode"), [("secrets/cache_password", 0o444), ("immich.json", 0o440), (".env", 0o644), ("secrets", 0o755)]
)
def test_a_file_that_others_can_read(hans, files, name, mode):
    (hans.directory / name).chmod(mode)
    check = files()
    assert not check.ok
    assert check.seen.startswith(f"{hans.directory / name} has mode {mode:04o} and belongs to")


@needs_root
def test_a_file_of_another_tenant(hans, files):
    os.chown(hans.directory / "secrets" / "valkey.conf", hans.uid + 1, hans.uid + 1)
    assert f"belongs to {hans.uid + 1}; they must be 0400 and {hans.uid}" in files().seen


@needs_root
def test_a_file_that_is_missing_or_a_link(hans, files):
    path = hans.directory / "secrets" / "valkey.conf"
    path.unlink()
    assert files().seen == f"{path}: No such file or directory"
    path.symlink_to("/etc/passwd")
    assert files().seen == f"{path} is a link"


@needs_root
def test_a_password_in_docker_inspect_is_told_without_it(given, hidden):
    check = hidden(details=given.details(Env=[f"DB_PASSWORD={PASSWORD}"]))
    assert (check.ok, check.seen) == (False, "database_password in docker inspect")
    assert PASSWORD not in str(check)


@needs_root
@pytest.mark.parametrize("user", [0, 200001, 200002])
def test_a_password_in_arguments_is_told_without_it_whoever_s_they_are(given, hidden, user):
    process = given.process(users=frozenset({user}), arguments=f"psql\0{PASSWORD}\0".encode())
    check = hidden(processes=(given.process(), process))
    assert (check.ok, check.seen) == (False, "database_password in the arguments of process 42 (node)")
    assert PASSWORD not in str(check)


ENVIRONMENT = f"A=1\0DB_PASSWORD={PASSWORD}\0".encode()


@needs_root
@pytest.mark.parametrize(("users", "label"), [({0}, "0"), ({200002}, "200002"), ({0, 200001}, "0 and 200001")])
def test_a_password_in_an_environment_of_another_user_is_told_without_it(given, hidden, users, label):
    """One that is the tenant's in part may act, and be read, as another."""
    process = given.process(users=frozenset(users), environment=ENVIRONMENT)
    check = hidden(processes=(given.process(), process))
    seen = f"database_password in the environment of process 42 (node), user {label}"
    assert (check.ok, check.seen) == (False, seen)
    assert PASSWORD not in str(check)


@needs_root
def test_the_tenants_own_processes_have_what_the_image_exports(given, hidden):
    assert hidden(processes=(given.process(environment=ENVIRONMENT),)).ok


@needs_root
def test_a_password_in_a_log_is_told_without_it(given, hidden):
    given.logs["7f3a"] = f"\1\0\0\0\0\0\0\x30connecting with {PASSWORD}\n".encode()
    check = hidden()
    assert (check.ok, check.seen) == (False, "database_password in the log")
    assert PASSWORD not in str(check)


@needs_root
def test_a_log_that_cannot_be_read_is_no_log_without_passwords(given, hidden, monkeypatch):
    def refuse(_identity):
        raise StackError("the Docker Engine answers /containers/7f3a/logs with 501")

    monkeypatch.setattr(given, "logs", type("Away", (), {"__getitem__": staticmethod(refuse)})())
    check = hidden()
    assert not check.ok
    assert check.seen == "the log cannot be read: the Docker Engine answers /containers/7f3a/logs with 501"


@needs_root
def test_nothing_is_found_where_nothing_is(files, hidden):
    assert files().ok
    assert hidden().ok


def test_without_the_files_nobody_can_say(tenant):
    (files,), (hidden,) = secrets.secret_files(tenant()), secrets.secrets_hidden(tenant())
    assert (files.ok, hidden.ok) == (False, False)
    assert (hidden.subject, hidden.fix) == ("hans", "run 'silo apply hans'")
    assert "cannot be looked for" in hidden.seen
