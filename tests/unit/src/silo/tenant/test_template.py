"""The throw-away stack of a template: a tenant's own, but for its memory, its network, its labels and open set-up."""

import json

import pytest
import yaml

from silo.tenant import template
from silo.tenant.load import read_policy
from silo.tenant.model import derive
from silo.tenant.schema import TenantError
from silo.tenant.services import compose_file

GIB = 1024**3


@pytest.fixture
def tenant(tenant_values):
    def of(name="hans", **changes):
        return derive(name, {**tenant_values, **changes})

    return of


@pytest.fixture
def stack(tenant):
    (one,) = template.stacks([tenant()])
    return one


def env(stack):
    return dict(line.split("=", 1) for line in stack["env"].splitlines() if not line.startswith("#"))


def test_a_tenant_makes_no_database_and_has_no_open_set_up():
    services = yaml.safe_load(compose_file())["services"]
    assert services["server"]["environment"]["IMMICH_ALLOW_SETUP"] == "false"
    assert [key for key in services["database"].get("environment", {}) if key.startswith("POSTGRES")] == []
    assert "secrets" not in services["database"]


def test_its_memory_is_its_own_and_whole(stack):
    values = env(stack)
    memory = {name: int(values[f"{name}_MEMORY"]) for name in ("SERVER", "DATABASE", "CACHE")}
    assert sum(memory.values()) == 3 * GIB
    assert memory["SERVER"] > 2 * GIB
    assert (values["COMPOSE_PROJECT_NAME"], values["TENANT_SLICE"]) == ("silo-new-template", "")


def test_its_network_is_no_tenants_and_nothing_of_the_nas_is_in_it(stack):
    values = env(stack)
    assert (values["TENANT_SUBNET"], values["TENANT_BRIDGE"]) == ("10.83.0.0/28", "im-0")
    assert stack["photo_server"] == "http://10.83.0.2:2283"
    assert values["TENANT_STORAGE"] == "/srv/silo/template/uploads"
    assert "/instances" not in json.dumps(stack)


def test_no_tenant_is_told_by_its_containers(stack):
    project = json.loads(stack["compose"])
    labels = [
        *(service["labels"] for service in project["services"].values()),
        project["networks"]["default"]["labels"],
    ]
    assert [label for label in labels if "ch.swissphoto.silo.tenant" in label] == []
    assert {label["ch.swissphoto.silo.template"] for label in labels} == {"new-template"}


def test_it_alone_has_an_open_set_up_and_makes_a_database(stack):
    services = json.loads(stack["compose"])["services"]
    assert services["server"]["environment"]["IMMICH_ALLOW_SETUP"] == "true"
    assert services["database"]["environment"]["POSTGRES_PASSWORD_FILE"] == "/run/secrets/database_password"
    assert services["database"]["secrets"] == ["database_password"]
    assert "-cwal_recycle=off" in services["database"]["command"]
    assert {service["restart"] for service in services.values()} == {"no"}
    hardened = ("read_only", "cap_drop", "security_opt", "user", "pids_limit", "ulimits", "init")
    tenants = yaml.safe_load(compose_file())["services"]
    assert {name: [one[key] for key in hardened] for name, one in services.items()} == {
        name: [one[key] for key in hardened] for name, one in tenants.items()
    }


def test_nothing_that_a_customer_has_set_is_in_it(tenant):
    secret = {"notifications": {"smtp": {"transport": {"password": "Msecret"}}}}
    (one,) = template.stacks(
        [tenant(tenant_configuration=secret, tenant_environment={"IMMICH_LOG_FORMAT": "json"}, tenant_slice=True)]
    )
    assert "Msecret" not in json.dumps(one)
    assert "IMMICH_LOG_FORMAT" not in one["compose"]
    assert one["secrets"]["database_password"] not in json.dumps({**one, "secrets": {}})


def test_images_and_vectors_make_a_template_one_of_its_own_and_nothing_else(tenant):
    images = {"server": "server:2", "database": "database:1", "cache": "cache:1"}
    keys = {
        template.key(tenant()),
        template.key(tenant(tenant_images=images)),
        template.key(tenant(tenant_images={**images, "database": "database:2"})),
        template.key(tenant(tenant_vector_extension="pgvector")),
    }
    assert len(keys) == 4
    same = [tenant(tenant_images={**images, "server": "server:1", "cache": "cache:2"}), tenant(tenant_quota="1T")]
    assert {template.key(one) for one in same} == {template.key(tenant())}
    assert len(template.stacks([tenant(), tenant("maria", tenant_index=2)])) == 1


@pytest.mark.parametrize("memory", ["1G", "plenty"])
def test_too_little_memory_is_refused(tenant, memory):
    with pytest.raises(TenantError, match=r"tenant_template_memory is '.*'; a size from 2G up is right"):
        template.stacks([tenant(tenant_template_memory=memory)])


def test_the_next_tenant_is_as_the_policy_of_its_server_has_it(tenant_values, tenant):
    policy = {key: value for key, value in tenant_values.items() if key not in ("tenant_email", "tenant_index")}
    policy |= {"silo_domain": "swissphoto.ch", "tenant_speaker": "not a setting"}
    assert template.key(read_policy("silo1", {"silo1": policy})) == template.key(tenant())
