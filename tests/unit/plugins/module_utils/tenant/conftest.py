"""A stack in a temporary directory, and tools that write down what is done."""

import os
import shutil

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import psql
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import major, materialise
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.compose import Compose
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.execution import StackTools
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.lending import Lending, LendingTools
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.materialise import Steps
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.payload import stack
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.probe import look
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import Container, StackError
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stock import Stock
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.template import Store, Template

needs_tar = pytest.mark.skipif(not shutil.which("zstd"), reason="zstd is not here")

KEY = "0123456789abcdef"
DIGESTS = {"server": "s1", "database": "d1", "cache": "c1"}


# What the action plugin says of the services.
SERVICES = {
    "mounts": {
        "database_password": ["server", "database"],
        "cache_password": ["server", "cache"],
        "valkey.conf": ["cache"],
        "immich.json": ["server"],
    },
    "folders": ["backups", "database", "queue"],
    "after": {"server": ["database", "cache"]},
}


class Server:
    """A server that is a temporary directory; `done` is what happened to it, in order."""

    def __init__(self, root):
        self.root = root
        self.done, self.services = [], []
        self.unwell = {}
        self.fail = {}
        self.looks = []
        self.mounts = root / "mountinfo"
        self.mounts.write_text(f"36 1 0:40 / {root / 'nas'} rw shared:1 - btrfs /dev/loop0 rw\n")
        (root / "routes").mkdir()
        (root / "nas").mkdir()
        (root / "nas" / ".silo-nas").touch()
        (root / "nas" / ".templates").mkdir()
        self.admins, self.anew, self.unlimited = "1", [], []
        # Why the next questions to a database that starts are not answered, the last one first.
        self.not_ready, self.quotas = [], {}
        # Nobody has said how much memory this server has, so it lends none.
        self.lending = Lending(root / "tenants", LendingTools(set_limit=self.set_limit))

    def stack(self, name="hans", state="running", **changes):
        (self.root / "nas" / name / "uploads").mkdir(parents=True, exist_ok=True)
        (self.root / "disk" / name).mkdir(parents=True, exist_ok=True)
        item = {
            "name": name,
            "host_name": f"{name}.swissphoto.ch",
            "state": state,
            "uid": os.getuid(),
            "photo_server": "http://10.83.0.18:2283",
            "storage": str(self.root / "nas" / name),
            "disk": str(self.root / "disk" / name),
            "app_quota": 85 * 1024**3,
            "template": KEY,
            "email": f"{name}@example.ch",
            "admin_password": "Asecret",
            "compose": "",
            "env": "A=1\n",
            "slice": "",
            "configuration": "{}\n",
            "route": f"route: {name} {state}\n",
            "starting": f"route: {name} starting\n",
            "digests": DIGESTS,
            "secrets": {"database_password": "Dsecret", "cache_password": "Csecret", "valkey.conf": "Csecret\n"},
            **changes,
        }
        places = {"directory": self.root / "tenants", "routes_directory": self.root / "routes"}
        told = {"compose": "services: {}\n", "anew": self.anew, "unlimited": self.unlimited}
        return stack(item, {**places, **SERVICES, **told})

    def run(self, command, environment):
        if command[1] == "compose":
            name, verb = command[3].rsplit("/", 1)[1], "create" if "--no-start" in command else command[4]
            self.done.append(f"{verb} {name}")
            options = [word for word in command[5:] if word.startswith("--")]
            self.services.append((self.done[-1], [word for word in command[5:] if word not in options]))
            if verb == "up" and "--no-start" not in command:
                assert "--no-deps" in options, "Compose itself would wait for what it depends on"
        else:
            self.done.append(" ".join(command[1:]))
        code = self.fail.get(self.done[-1], 0)
        return Completed(code, "", "no such image\n")

    def begin(self, container):
        self.done.append(f"start {container}")
        if self.fail.get(self.done[-1]):
            raise StackError("no such image")

    def well(self, tenant, _seconds, services):
        """Why some services do not work; `unwell` is service to the reason."""
        self.services.append((f"wait {tenant}", list(services)))
        return next((reason for service, reason in self.unwell.items() if service in services), "")

    def set_limit(self, container, limit):
        self.done.append(f"limit {container} {limit}")

    def look(self, directories):
        self.looks.append(directories)
        return look(self.root / "nas" / ".silo-nas", directories, mounts=self.mounts)

    def make(self, template, store):
        """Keep a template whose database is one file."""
        self.done.append(f"template {template.key}")
        if self.fail.get("template"):
            raise StackError("the template of these images cannot be made")
        database = self.root / "made"
        database.mkdir(exist_ok=True)
        (database / "PG_VERSION").write_text("17\n")
        return store.keep(template, database, "placeholder's")

    def ask(self, name, statement, values):
        assert "count(*)" in statement
        assert not values.keys() - {"placeholder"}
        self.done.append(f"admins {name}")
        return self.admins

    def ask_when_ready(self, name, statement, values):
        assert statement.startswith("ALTER ROLE immich PASSWORD 'SCRAM-SHA-256$")
        self.done.append(f"password {name}")
        if self.not_ready:
            raise psql.PsqlError(self.not_ready.pop())
        self.quotas[name] = values["quota"]
        return self.admins if "\"quotaSizeInBytes\" = :'quota'" in statement else ""

    def hand_over(self, placeholder, admin):
        self.done.append(f"admin {admin.email}")
        assert (placeholder.url, placeholder.password) == (admin.url, "placeholder's")
        if self.fail.get("admin"):
            raise StackError("the placeholder of the template cannot log in")

    @property
    def stock(self):
        place = self.root / "template"
        template = Template(KEY, {"server": "immich:1"}, place, os.getuid(), (), (), "http://10.83.0.2:2283")
        return Stock(Store(self.root / "nas" / ".templates"), {KEY: template}, self.make, [KEY])

    def set_app_quota(self, stack):
        self.done.append(f"quota {stack.name} {stack.app_quota}")
        if self.fail.get("quota"):
            raise StackError("the app quota cannot be set")

    def set_login(self, stack):
        self.done.append(f"login {stack.name} {stack.admin.email}")
        if self.fail.get("login"):
            raise StackError("the login cannot be changed")

    def wait_for_addresses(self, host_names):
        for host_name in host_names:
            assert self.routes()[f"tenant-{host_name.split('.')[0]}.yml"]
            self.done.append(f"address {host_name}")
        failing = [name for name in host_names if self.fail.get(f"address {name}")]
        return {name: f"{name} has no certificate" for name in failing}

    @property
    def tools(self):
        def compose(path):
            return Compose(path, 10, self.run, self.well, begin=self.begin)

        def systemctl(*arguments):
            self.done.append(" ".join(arguments))

        return StackTools(
            compose,
            self.look,
            self.stock,
            self.lending,
            Steps(flush=lambda _directory: None, ask=self.ask, ask_when_ready=self.ask_when_ready),
            set_app_quota=self.set_app_quota,
            set_login=self.set_login,
            wait_for_addresses=self.wait_for_addresses,
            systemctl=systemctl,
            major=major.of_image,
        )

    def routes(self):
        return {path.name: path.read_text() for path in (self.root / "routes").iterdir()}


@pytest.fixture
def server(tmp_path, monkeypatch):
    found = Server(tmp_path)
    monkeypatch.setattr(materialise.immich, "hand_over", found.hand_over)
    return found


def database(code=0, out="1\n", err=""):
    """Gives what feeds psql a text, and answers it like this; and the list of what it was fed."""
    fed = []

    def feed(command, text):
        fed.append((command, text))
        return Completed(code, out, err)

    return feed, fed


def containers(name="hans", **changes):
    """Three healthy containers of a tenant; `changes` are by service, None leaves it out."""
    found = []
    for service, digest in DIGESTS.items():
        settings = {"digest": digest, "state": "running", "health": "healthy"}
        if service in changes and changes[service] is None:
            continue
        found.append(
            Container(
                identity=service,
                name=f"silo-{name}-{service}-1",
                tenant=name,
                service=service,
                **(settings | changes.get(service, {})),
            )
        )
    return found


@pytest.fixture(name="containers")
def fixture_containers():
    return containers
