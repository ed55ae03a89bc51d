"""What tests do on a lab is recorded: each way to it, with the result, and with no secret."""

import http.server
import os
import socket
import stat
import threading
import types
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from tests.e2e import browser, cloud, lab, operator, vaults
from tests.failures import record
from tests.integration.storage_quota import machine
from tests.lab.command import LabError
from tests.unit.patience import PATIENCE
from tests.vm import storage

SECRET = "Kx7mQ2vR9tYw4ZpL8sNd3HfJ6bCg5TaE"  # pragma: allowlist secret
FAILED = r"""printf 'TASK [Bring it] ***\nfatal: [hans]: FAILED! => \n    msg: it is in use\n'; exit 2"""


@pytest.fixture
def log(monkeypatch):
    """A log of the test's own, for all that write into one."""
    log = record.ActionLog()
    for module in (browser, cloud, lab, operator, machine, storage):
        monkeypatch.setattr(module, "LOG", log)
    return log


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Gives a function: puts a program into the place of one that a lab has."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def of(name, script):
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return of


@pytest.fixture
def inventory(tmp_path):
    """An inventory with the vault of hans."""
    folder = tmp_path / "inventory"
    (folder / "host_vars" / "hans").mkdir(parents=True)
    (tmp_path / "vault-password").write_text("the password of all vaults\n")
    text = f"tenant_secrets: {{admin_password: {SECRET}}}\n"
    sealed = VaultLib([("default", VaultSecret(b"the password of all vaults"))]).encrypt(text)
    (folder / "host_vars" / "hans" / "vault.yml").write_bytes(sealed)
    return folder


def did(log):
    return [(action.actor, action.what, action.result, action.note) for action in log.actions()[1]]


def test_commands_on_the_server(log, programs):
    programs("docker", 'shift 3; [ "$1" != fail ] || { echo told >&2; exit 3; }; echo "out: $*"; cat')
    server = lab.Lab("silo-lab", "10.0.0.2", "photos.test", "/ca", "10.0.0.3")
    assert server.shell("echo a\n  echo b") == "out: sh -euc echo a\n  echo b\n"
    assert server.psql("hans", "SELECT 1").startswith("out: docker exec silo-hans-database-1 psql")
    assert server.try_run("cat", text=SECRET).stdout.endswith(SECRET)
    with pytest.raises(pytest.fail.Exception, match="fail 'api_token=.*': code 3: told"):
        server.run("fail", f"api_token={SECRET}")
    assert did(log) == [
        ("server", "sh -euc 'echo a\n  echo b'", "0", ""),
        ("server", "docker exec silo-hans-database-1 psql -XAtU immich -d immich -c 'SELECT 1'", "0", ""),
        ("server", "cat", "0", ""),
        ("server", "fail 'api_token=***'", "3", ""),
    ]
    assert [action.output for action in log.actions()[1]][-1] == "told\n"


def test_runs_of_the_operator(log, programs, inventory):
    programs("ansible-playbook", FAILED)
    programs("silo", '[ "$3" != list ] || { echo "{}"; exit; }; echo "no such tenant"; exit 4')
    ansible = operator.Operator(inventory, inventory.parent / "vault-password")
    silo = operator.Silo(inventory)
    assert ansible.try_run("apply.yml", "--limit", "hans").code == 2
    with pytest.raises(pytest.fail.Exception, match=r"(?s)plan.yml -e 'a_password=\*\*\*' ended with 2:\n.*fatal: "):
        ansible.run("plan.yml", "-e", "a_password=two words")
    ansible.start("site.yml").communicate()
    with pytest.raises(pytest.fail.Exception, match="silo stop eve ended with 4:\nno such tenant"):
        silo.run("stop", "eve")
    assert silo.json("list") == {}
    silo.start("apply").communicate()
    note = "fatal: [hans, Bring it]: it is in use"
    assert did(log) == [
        ("ansible-playbook", "apply.yml --limit hans", "2", note),
        ("ansible-playbook", "plan.yml -e 'a_password=***'", "2", note),
        ("ansible-playbook", "site.yml", "started", ""),
        ("silo", "stop eve", "4", ""),
        ("silo", "list --json", "0", ""),
        ("silo", "apply", "started", ""),
    ]


def test_what_is_in_a_vault_is_masked_after_the_vault_is_gone(log, programs, inventory):
    programs("ansible-playbook", f"echo {SECRET}; rm -r {inventory}/host_vars/hans")
    ansible = operator.Operator(inventory, inventory.parent / "vault-password")
    assert ansible.secrets("hans") == {"admin_password": SECRET}
    log.learn()
    ansible.try_run("apply.yml")
    (action,) = log.actions()[1]
    assert action.output == "<admin_password of hans>\n"
    assert log.without_secrets("the password of all vaults") == "<the vault password>"


def test_a_run_that_makes_a_vault_makes_its_secrets_known(log, programs, inventory, tmp_path):
    (inventory / "host_vars" / "hans").rename(tmp_path / "later")
    programs("silo", f"mv {tmp_path}/later {inventory}/host_vars/hans")
    operator.Operator(inventory, inventory.parent / "vault-password")
    operator.Silo(inventory).run("create", "hans")
    assert log.without_secrets(f"it is {SECRET}") == "it is <admin_password of hans>"


@pytest.mark.parametrize(
    "content", ["", "tenant_secrets: {admin_password: seen}", "$ANSIBLE_VAULT;1.1;AES256\n6162", "\0"]
)
def test_a_vault_that_is_broken_hides_no_other(inventory, content):
    (inventory / "host_vars" / "eve").mkdir()
    (inventory / "host_vars" / "eve" / "vault.yml").write_text(content)
    found = vaults.Vaults(inventory, inventory.parent / "vault-password").secrets()
    assert found == {"the vault password": "the password of all vaults", "admin_password of hans": SECRET}


class Site(http.server.BaseHTTPRequestHandler):
    """Takes each GET, and refuses each POST in words."""

    def do_GET(self):  # noqa: N802
        self._answer(200, f'{{"accessToken": "{SECRET}"}}')

    def do_POST(self):  # noqa: N802
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(401, "it is another")

    def _answer(self, status, text):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_arguments):
        """Say nothing."""


class Plain(cloud.Cloud):
    """Without TLS, at a port of this machine."""

    port = 0

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)


@pytest.fixture
def hans():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    hans = Plain(types.SimpleNamespace(domain="photos.test", ca_file=None), "hans")
    hans.port = server.server_port
    yield hans
    server.shutdown()
    server.server_close()


def test_requests_without_their_bodies_queries_and_tokens(log, hans):
    hans.token = SECRET
    assert hans.get(f"/api/assets?key={SECRET}&size=10").status == 200
    assert hans.login("hans@example.ch", SECRET).status == 401
    assert hans.get(f"/silo/welcome/{SECRET}").status == 200
    hans.port = 1
    assert not hans.works()
    assert did(log) == [
        ("hans", "GET /api/assets", "200", ""),
        ("hans", "POST /api/auth/login", "401", ""),
        ("hans", "GET /silo/welcome/***", "200", ""),
        ("hans", "GET /api/server/ping", "ConnectionRefusedError", ""),
    ]
    assert [action.output for action in log.actions()[1]] == ["", "it is another", "", ""]
    assert SECRET not in str([vars(action) for action in log._actions])


def test_the_window_of_a_browser(log, monkeypatch):
    monkeypatch.setattr(browser.Browser, "__init__", lambda self: setattr(self, "driver", types.SimpleNamespace()))
    monkeypatch.setattr(browser.Browser, "text", "Welcome")
    field = types.SimpleNamespace(clear=lambda: None, send_keys=lambda _keys: None, submit=lambda: None)
    until = types.SimpleNamespace(until=lambda *_arguments: field)
    monkeypatch.setattr(browser, "WebDriverWait", lambda *_arguments, **_options: until)
    window = browser.Browser()
    window.driver.get = lambda _url: None
    window.open(f"https://hans.photos.test/silo/welcome/{SECRET}")
    window.fill(password=SECRET, repeated=SECRET)
    window.wait_for("Welcome")
    window.log_in("https://hans.photos.test", "hans@example.ch", SECRET)
    assert did(log) == [
        ("browser", "open https://hans.photos.test/silo/welcome/***", "ok", ""),
        ("browser", "fill in password, repeated", "ok", ""),
        ("browser", "wait for 'Welcome'", "ok", ""),
        ("browser", "open https://hans.photos.test/auth/login", "ok", ""),
        ("browser", "log in as hans@example.ch", "ok", ""),
    ]


def test_commands_in_a_virtual_machine_and_beside_it(log, programs):
    programs("ssh", 'shift $(($# - 1)); [ "$1" != false ] || { echo "no" >&2; exit 1; }; echo "out: $1"')
    here = storage.RecordedMachine()
    options = ("-F", "none", "-o", "BatchMode=yes", "-i", "/labs/silo-lab/vm/nas/id_ed25519", "root@10.0.0.4")
    assert here.run("ssh", *options, "du -s /instances").stdout == "out: du -s /instances\n"
    assert here.run("ssh", *options, "false", check=False).code == 1
    with pytest.raises(LabError, match="ended with code 1:\n  no"):
        here.run("ssh", *options, "false")
    here.run("true", "link")
    assert did(log) == [
        ("nas", "'du -s /instances'", "0", ""),
        ("nas", "false", "1", ""),
        ("this machine", "true link", "0", ""),
    ]
    assert [action.times for action in log.actions()[1]] == [1, 2, 1]


def test_ansible_on_virtual_machines(log, programs, monkeypatch):
    tool = programs("ansible-playbook", FAILED)
    monkeypatch.setattr(storage.sys, "executable", str(tool.with_name("python")))
    machines = types.SimpleNamespace(guest=lambda _name: types.SimpleNamespace(directory=Path("/labs/vm/nas")))
    with pytest.raises(pytest.fail.Exception, match="storage.yml --check ended with 2:"):
        storage.Storage(machines).playbook("--check")
    ((actor, what, result, note),) = did(log)
    assert (actor, what.rpartition("/")[2], result) == ("ansible-playbook", "storage.yml --check", "2")
    assert note == "fatal: [hans, Bring it]: it is in use"


def test_modules_and_scripts_on_a_machine_with_quotas(log):
    nas = machine.Machine(machine.KINDS["xfs"], ("sh", "-c"), remote=False)
    assert nas.must("echo here; cat", text=SECRET) == f"here\n{SECRET}"
    answer = nas.info(name="hans")
    assert answer["failed"]
    assert did(log)[0] == ("xfs", "'echo here; cat'", "0", "")
    assert did(log)[1][:2] == ("xfs", 'storage_quota_info {"root": "/srv/silo-quota-test/instances", "name": "hans"}')
