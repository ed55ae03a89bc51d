"""A customer with a one-time link: through the internet, Traefik and TLS, to a password of their own."""

import concurrent.futures
import contextlib
import html
import http.client
import re
import urllib.parse
from pathlib import Path

import pytest
import yaml

from silo.tenant import access_link

from ..cloud import Cloud
from ..conftest import CLEAN
from ..operator import ROOT
from ..waiting import wait_for

TEXTS = yaml.safe_load((ROOT / "roles" / "access" / "vars" / "main.yml").read_text())["__access_texts"]["fr"]
EMAIL = "anna@example.ch"
TICKETS = "/srv/silo/access/tickets"


class Customer(Cloud):
    """Anna with her browser and the link that she got."""

    url = ""

    @property
    def path(self):
        return urllib.parse.urlsplit(self.url).path

    @property
    def link(self):
        return access_link.Link(self.path.rpartition("/")[2])

    def open(self):
        return self.get(self.path)

    def choose(self, password, repeated=None):
        fields = {"password": password, "repeated": password if repeated is None else repeated}
        body = urllib.parse.urlencode(fields).encode()
        return self.request("POST", self.path, body, Content_Type="application/x-www-form-urlencoded")

    def logs_in(self, password):
        return Cloud(self.lab, "anna").login(EMAIL, password).status == http.client.CREATED


def tickets(lab):
    """Anna's, with their times."""
    return lab.run("find", TICKETS, "-name", "*anna-*", "-printf", "%f %T@\n")


def shows(answer, text):
    return text in html.unescape(answer.body.decode())


@pytest.fixture(scope="module")
def tenant(lab, operator, indexes):
    """A tenant that others do not log in to: its password changes."""
    operator.write("anna", email=EMAIL, plan="small", language="fr", index=next(indexes))
    operator.apply("--limit", "anna")
    yield "anna"
    operator.forget("anna")
    lab.shell(CLEAN.format(name="anna"))


@pytest.fixture(scope="module")
def runs():
    """What every run of Ansible said."""
    return []


@pytest.fixture
def issue(lab, operator, tenant, runs, tmp_path):
    """Gives a function: a run that issues a link, to the customer who got it."""

    def of(directory=tmp_path / "links", *arguments):
        run = operator.run(
            "tenant-access.yml", "--limit", tenant, "-vvv", "-e", f"access_links_directory={directory}", *arguments
        )
        runs.append(run.output)
        customer = Customer(lab, tenant)
        customer.url = (directory / tenant).read_text().strip()
        return customer

    return of


@contextlib.contextmanager
def processes(lab):
    """The command lines of all processes on the server meanwhile, as others see them; complete afterwards."""
    lab.run("touch", "/run/watched")
    script = "while [ -e /run/watched ]; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '; echo; done"
    seen = []
    with concurrent.futures.ThreadPoolExecutor(1) as watcher:
        watching = watcher.submit(lab.shell, script)
        try:
            yield seen
        finally:
            lab.run("rm", "/run/watched")
        seen.append(watching.result(60))


def test_from_the_letter_to_the_photos(lab, operator, tenant, issue):
    customer = issue()
    assert re.fullmatch(rf"https://anna\.{re.escape(lab.domain)}/silo/welcome/[\w-]{{43}}", customer.url)
    first = operator.secrets(tenant)["admin_password"]
    phone = Cloud(lab, tenant)
    assert phone.login(EMAIL, first).status == http.client.CREATED

    for _look in range(2):
        page = customer.open()
        assert page.status == http.client.OK
        assert shows(page, TEXTS["form"]["title"])
        assert shows(page, EMAIL)
        assert page.headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]

    mistaken = customer.choose("trop court", "trop long")
    assert mistaken.status == http.client.UNPROCESSABLE_ENTITY
    assert shows(mistaken, TEXTS["mistakes"]["different"])
    done = customer.choose("le mot de passe d'Anna")
    assert done.status == http.client.OK
    assert shows(done, TEXTS["done"]["title"])
    assert 'href="/auth/login"' in done.body.decode()

    assert customer.logs_in("le mot de passe d'Anna")
    assert not customer.logs_in(first)
    assert phone.get("/api/users/me").status == http.client.UNAUTHORIZED
    for again in (customer.choose("un autre mot de passe"), customer.open()):
        assert again.status == http.client.NOT_FOUND
        assert shows(again, TEXTS["ended"]["text"])
    assert customer.logs_in("le mot de passe d'Anna")
    assert tickets(lab) == ""


@pytest.mark.slow("three links; test_life replaces a forgotten password by one")
def test_a_password_that_was_forgotten_is_replaced(lab, issue, tmp_path):
    before = issue()
    before.choose("le mot de passe oublié")
    older = issue(tmp_path / "older")
    assert not older.logs_in("le mot de passe oublié")
    customer = issue(tmp_path / "newer")
    assert older.open().status == http.client.NOT_FOUND
    assert customer.choose("le mot de passe nouveau").status == http.client.OK
    assert customer.logs_in("le mot de passe nouveau")
    assert not customer.logs_in(customer.link.password)


def test_a_second_run_keeps_a_link_that_is_open_and_no_other(lab, operator, tenant, issue):
    customer = issue()
    before = tickets(lab)
    assert issue().url == customer.url
    assert tickets(lab) == before
    customer.choose("le mot de passe d'Anna")
    assert issue().url != customer.url


def test_a_check_says_what_a_run_would_do(lab, operator, tenant, tmp_path):
    before = tickets(lab)
    arguments = ["--limit", tenant, "-e", f"access_links_directory={tmp_path}/links", "--check"]
    run = operator.run("tenant-access.yml", *arguments)
    assert f"anna: a run would write a new link to {tmp_path}/links/anna." in " ".join(run.output.split())
    assert run.changed[tenant] == 1
    assert tickets(lab) == before
    assert not (tmp_path / "links").exists()


def test_it_is_never_done_to_everybody_by_mistake(operator, tenant, tmp_path):
    run = operator.try_run("tenant-access.yml", "-e", f"access_links_directory={tmp_path}/links")
    assert run.code
    assert "Name the tenants with --limit" in run.output
    assert not (tmp_path / "links").exists()


def test_a_link_without_a_life_is_refused(operator, tenant, tmp_path):
    arguments = ["-e", f"access_links_directory={tmp_path}/links", "-e", "access_link_hours=0"]
    run = operator.try_run("tenant-access.yml", "--limit", tenant, *arguments)
    assert run.code
    assert "anna: access_link_hours is 0; it must be 1 or more" in run.output
    assert not (tmp_path / "links").exists()


def test_of_twenty_at_once_one_wins(lab, issue):
    customer = issue()
    lab.run("systemctl", "restart", "silo-access")
    passwords = [f"le mot de passe {number}" for number in range(20)]
    with concurrent.futures.ThreadPoolExecutor(20) as crowd:
        statuses = [answer.status for answer in crowd.map(customer.choose, passwords)]
    assert sorted(statuses) == [200] + [404] * 19
    # Logins are limited, so two of those who lost speak for all.
    won = statuses.index(200)
    assert [customer.logs_in(passwords[(won + number) % 20]) for number in range(3)] == [True, False, False]


def test_a_link_ends_with_its_time(lab, issue):
    customer = issue()
    lab.shell(f'sed -i \'s/"expires_at": [0-9]*/"expires_at": 1/\' {TICKETS}/anna-*.json')
    assert customer.open().status == http.client.NOT_FOUND
    assert customer.choose("le mot de passe d'Anna").status == http.client.NOT_FOUND
    lab.run("systemctl", "restart", "silo-access")
    wait_for(lambda: tickets(lab) == "")


@pytest.mark.slow("restarts of a service and a photo server, which unit tests of tickets have without waiting")
def test_a_link_outlives_the_service_and_the_photo_server(lab, issue):
    customer = issue()
    lab.shell("kill -9 $(systemctl show --value --property MainPID silo-access)")
    wait_for(lambda: customer.open().status == http.client.OK)
    with lab.without_recovery():
        lab.run("docker", "stop", "silo-anna-server-1")
        try:
            refused = customer.choose("le mot de passe d'Anna")
        finally:
            lab.run("docker", "start", "silo-anna-server-1")
    assert refused.status == http.client.SERVICE_UNAVAILABLE
    assert shows(refused, TEXTS["mistakes"]["unavailable"])
    wait_for(customer.works, 60)
    assert customer.choose("le mot de passe d'Anna").status == http.client.OK


def test_a_tenant_that_is_stopped_says_so(lab, operator, tenant, issue, tmp_path):
    customer = issue()
    operator.edit(tenant, state="stopped")
    operator.apply("--limit", tenant)
    try:
        wait_for(lambda: customer.open().status == http.client.SERVICE_UNAVAILABLE)
        arguments = ["--limit", tenant, "-e", f"access_links_directory={tmp_path}/none"]
        run = operator.try_run("tenant-access.yml", *arguments)
        assert run.code
        assert "anna: it is stopped, and only a running tenant can get a link; start it first" in run.output
    finally:
        operator.edit(tenant, state="running")
        operator.apply("--limit", tenant)
    assert customer.open().status == http.client.OK


def test_a_tenants_link_opens_no_other_tenant(lab, issue):
    customer = issue()
    for name in ("hans", "nobody"):
        stranger = Customer(lab, name, verify=False)
        stranger.url = customer.url
        assert stranger.open().status == http.client.NOT_FOUND
        assert stranger.choose("le mot de passe volé").status == http.client.NOT_FOUND
    assert customer.open().status == http.client.OK


def test_the_service_may_do_next_to_nothing(lab):
    known = lab.run("systemctl", "show", "silo-access", "--property", "User,MainPID,NoNewPrivileges,MemoryMax")
    facts = dict(line.split("=", 1) for line in known.splitlines())
    assert (facts["User"], facts["NoNewPrivileges"]) == ("silo-access", "yes")
    assert int(facts["MemoryMax"]) == 128 * 1024**2
    status = lab.run("cat", f"/proc/{facts['MainPID']}/status")
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert re.search(rf"^{kind}:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\s+2$", status, re.MULTILINE)
    assert lab.run("ss", "-Hltn", "sport", "=", "8083").split()[3] == "127.0.0.1:8083"
    assert lab.run("stat", "--format", "%U %a", TICKETS).split() == ["silo-access", "700"]


@pytest.mark.needs_property("python")
def test_a_tenants_containers_do_not_reach_it(lab):
    script = "import socket,sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"
    for port in ("8083", "443"):
        command = ["docker", "exec", "silo-hans-server-1", "python3", "-c", script, lab.gateway("hans"), port]
        assert lab.try_run(*command).returncode != 0


@pytest.mark.fault(23)
def test_no_secret_is_told_to_anybody(lab, operator, tenant, issue, runs, tmp_path):
    with processes(lab) as seen:
        customer = issue(tmp_path / "first")
        customer.open()
        customer.choose("secret-premier")
        reset = issue(tmp_path / "second")
        lab.shell(f"cat {TICKETS}/anna-*.json > /run/ticket")
        reset.get(f"{reset.path}/x")
        reset.choose("secret-deuxieme")
    assert "immich-admin reset-admin-password" in seen[0]
    places = {
        "journal": lab.run("journalctl", "--no-pager", "--output", "json"),
        "traefik": lab.shell("docker logs silo-traefik-traefik-1 2>&1"),
        "photo server": lab.shell("docker logs silo-anna-server-1 2>&1"),
        "ticket": lab.shell("cat /run/ticket; rm /run/ticket"),
        "processes": seen[0],
        "ansible": "".join(runs),
    }
    assert "anna: the customer has set a password" in places["journal"]
    secrets = [customer.link.token, reset.link.token, customer.link.password, reset.link.password]
    secrets += ["secret-premier", "secret-deuxieme", operator.secrets(tenant)["admin_password"]]
    for place, text in places.items():
        assert [secret for secret in secrets if secret in text] == [], place
    assert Path(tmp_path / "first" / tenant).stat().st_mode & 0o777 == 0o600
