"""The files of a tenant: what is in them, what is not, and what makes a container new."""

import json
import re

import pytest
import yaml

from silo.tenant.model import derive
from silo.tenant.render import render
from silo.tenant.schema import TenantError
from silo.tenant.services import VARIABLE, compose_file

SECRETS = {"database_password": "Dsecret", "cache_password": "Csecret", "admin_password": "Asecret"}

# As Immich 3.2.2 has them.
QUEUES = (
    "backgroundTask smartSearch metadataExtraction faceDetection search sidecar library migration thumbnailGeneration "
    "videoConversion notifications ocr workflow integrityCheck editor"
).split()


@pytest.fixture
def stack(tenant_values):
    def of(secrets=SECRETS, **changes):
        return render(derive("hans", {**tenant_values, **changes}), secrets)

    return of


def env(stack):
    return dict(line.split("=", 1) for line in stack.env.splitlines() if not line.startswith("#"))


def changed(one, other):
    return {service for service in one.digests if one.digests[service] != other.digests[service]}


def test_every_variable_of_the_compose_file_is_in_the_env_file(stack):
    assert set(VARIABLE.findall(compose_file())) <= set(env(stack()))


def test_what_is_said_of_the_bill_changes_no_file_of_a_server(stack):
    said = {
        "tenant_subscription": "sub_1",
        "tenant_extended_until": "2027-01-15",
        "tenant_extension_reason": "is in hospital",
    }
    assert stack(**said) == stack()


def test_a_slice_bounds_the_sum_of_its_containers(stack):
    rendered = stack(tenant_slice=True)
    values = env(rendered)
    limits = sum(int(values[f"{service}_MEMORY"]) for service in ("SERVER", "DATABASE", "CACHE"))
    # What is lent to the photo server has room in it, too.
    limits += int(values["SERVER_BURST"])
    assert values["TENANT_SLICE"] == "silo-hans.slice"
    assert f"\nMemoryMax={limits}\n" in rendered.slice


def test_what_may_be_lent_recreates_no_container(stack):
    more = stack(tenant_server_burst="1G")
    assert env(more)["SERVER_BURST"] == str(1024**3)
    assert more.digests == stack().digests
    assert [key for key in env(more) if key.endswith("_BURST")] == ["SERVER_BURST"]


def test_without_a_slice_there_is_no_unit(stack):
    rendered = stack(tenant_slice=False)
    assert (env(rendered)["TENANT_SLICE"], rendered.slice) == ("", "")


def test_no_secret_is_in_a_file_that_compose_or_docker_inspect_shows(stack):
    rendered = stack()
    for secret in SECRETS.values():
        assert secret not in rendered.env + rendered.route + rendered.configuration + compose_file()


def test_memory_and_swap_are_limited_alike():
    for service in yaml.safe_load(compose_file())["services"].values():
        assert service["mem_limit"] == service["memswap_limit"]


def test_the_photo_server_returns_freed_memory_at_once():
    assert yaml.safe_load(compose_file())["services"]["server"]["environment"]["MIMALLOC_PURGE_DELAY"] == "0"


def test_the_limits_of_the_mission(stack):
    values = env(stack())
    memory = [int(values[f"{service}_MEMORY"]) for service in ("SERVER", "DATABASE", "CACHE")]
    assert memory == [1024**3, 1024**3, 512 * 1024**2]


@pytest.mark.parametrize(
    ("changes", "services"),
    [
        ({"tenant_server_memory": "2G"}, {"server"}),
        ({"tenant_database_memory": "2G"}, {"database"}),
        ({"tenant_cache_memory": "1G"}, {"cache"}),
        ({"tenant_configuration": {"trash": {"days": 7}}}, {"server"}),
        ({"tenant_quota": "200G"}, set()),
        ({"tenant_language": "fr"}, set()),
        ({"tenant_state": "suspended"}, set()),
        ({"tenant_machine_learning_requests": 6}, set()),
    ],
)
def test_a_change_makes_those_containers_new_that_it_concerns(stack, changes, services):
    assert changed(stack(), stack(**changes)) == services


@pytest.mark.parametrize(
    ("secret", "services"),
    [
        ("database_password", {"server"}),
        ("cache_password", {"server", "cache"}),
        ("admin_password", set()),
    ],
)
def test_a_new_secret_makes_those_containers_new_that_mount_it(stack, secret, services):
    assert changed(stack(), stack({**SECRETS, secret: "other"})) == services


def test_the_operator_settings_are_merged_over_the_computed_ones(stack):
    rendered = stack(tenant_configuration={"machineLearning": {"clip": {"enabled": False}}, "trash": {"days": 7}})
    configuration = json.loads(rendered.configuration)
    assert configuration["machineLearning"] == {"urls": ["http://10.83.0.17:3003"], "clip": {"enabled": False}}
    assert configuration["trash"] == {"days": 7}


def test_each_queue_works_on_one_job_at_a_time(stack):
    """Those that the photo server lets one set; it warns of a name that it does not know."""
    jobs = json.loads(stack().configuration)["job"]
    assert jobs == {queue: {"concurrency": 1} for queue in QUEUES}


def test_a_film_takes_no_more_memory_on_a_server_with_many_cores(stack):
    assert json.loads(stack().configuration)["ffmpeg"] == {"threads": 2}


def test_job_concurrency_stays_below_the_limit_at_the_shared_service(stack):
    jobs = json.loads(stack().configuration)["job"]
    learning = sum(jobs[queue]["concurrency"] for queue in ("smartSearch", "faceDetection", "ocr"))
    limit = yaml.safe_load(stack().route)["http"]["middlewares"]["tenant-hans-ml"]["inFlightReq"]["amount"]
    assert learning < limit


def test_a_tenant_is_one_source_at_the_shared_service_whatever_it_says(stack):
    limit = yaml.safe_load(stack().route)["http"]["middlewares"]["tenant-hans-ml"]["inFlightReq"]
    assert limit["sourceCriterion"] == {"ipStrategy": {"depth": 0}}


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        ({"smartSearch": {"concurrency": 6}}, "has 8 jobs of machine learning at once"),
        ({"ocr": {"concurrency": "many"}}, "tenant_configuration cannot be read"),
        ({"ocr": 3}, "tenant_configuration cannot be read"),
        ("none", "tenant_configuration cannot be read"),
    ],
)
def test_more_jobs_than_the_shared_service_takes_are_refused(stack, jobs, said):
    with pytest.raises(TenantError, match=said):
        stack(tenant_configuration={"job": jobs})


def test_jobs_that_the_shared_service_takes_are_the_operators_choice(stack):
    rendered = stack(tenant_configuration={"job": {"smartSearch": {"concurrency": 5}}})
    assert json.loads(rendered.configuration)["job"]["smartSearch"]["concurrency"] == 5


MODELS = ["ViT-B-32__openai", "buffalo_l"]


@pytest.mark.parametrize(
    "configuration",
    [
        {"machineLearning": {"clip": {"modelName": "ViT-B-32__openai"}, "facialRecognition": {"minScore": 0.8}}},
        {"machineLearning": {"enabled": False}},
        {},
    ],
)
def test_models_of_the_platform_are_taken(stack, configuration):
    stack(tenant_configuration=configuration, tenant_machine_learning_models=MODELS)
    stack(tenant_configuration={"machineLearning": {"clip": {"modelName": "another"}}})


@pytest.mark.parametrize("task", ["clip", "facialRecognition", "ocr"])
def test_a_model_that_the_machine_learning_has_not_is_told_before_it_is_refused_for_each_picture(stack, task):
    configuration = {"machineLearning": {task: {"modelName": "ViT-H"}}}
    with pytest.raises(TenantError) as raised:
        stack(tenant_configuration=configuration, tenant_machine_learning_models=MODELS)
    assert str(raised.value) == (
        f"hans: tenant_configuration names the model 'ViT-H' in machineLearning.{task}; "
        "machine_learning_models has ViT-B-32__openai, buffalo_l"
    )


def test_an_open_route_leads_to_the_photo_server_and_to_the_shared_machine_learning(stack):
    http = yaml.safe_load(stack().route)["http"]
    assert http["routers"]["tenant-hans"]["rule"] == "Host(`hans.swissphoto.ch`)"
    assert http["services"]["tenant-hans"]["loadBalancer"]["servers"] == [{"url": "http://10.83.0.18:2283"}]
    assert http["routers"]["tenant-hans-api"]["rule"] == "PathPrefix(`/api`)"
    assert http["routers"]["tenant-hans-ml"]["rule"] == "ClientIP(`10.83.0.16/28`)"
    # The gate learns from the path who asks, whatever the photo server says.
    assert http["routers"]["tenant-hans-ml"]["middlewares"][-1] == "tenant-hans-ml-gate"
    assert http["middlewares"]["tenant-hans-ml-gate"] == {"addPrefix": {"prefix": "/hans"}}


def test_a_one_time_link_leads_to_the_page_that_knows_whose_it_is(stack):
    http = yaml.safe_load(stack(tenant_language="it").route)["http"]
    router = http["routers"]["tenant-hans-access"]
    assert (router["rule"], router["service"]) == ("PathPrefix(`/silo/welcome/`)", "access@file")
    assert router["parentRefs"] == ["tenant-hans"]
    assert router["middlewares"][-1] == "tenant-hans-access"
    assert http["middlewares"]["tenant-hans-access"] == {"addPrefix": {"prefix": "/hans/it"}}


GUESSES = [
    "/api/auth/login",
    "/api/AUTH/Login/",
    "/api/auth/change-password",
    "/api/auth/pin-code",
    "/api/auth/session/unlock",
    "/api/oauth/callback",
    "/api/oauth/link",
    "/api/shared-links/login",
    "/api/admin/maintenance/login",
]
WORK = [
    "/api/assets",
    "/api/assets/bulk-upload-check",
    "/api/auth/logout",
    "/api/auth/status",
    "/api/auth/validateToken",
    "/api/oauth/mobile-redirect",
    "/api/server/ping",
    "/api/shared-links/me",
    "/api/socket.io/",
    "/api/sync/stream",
    "/auth/login",
    "/photos/api/auth/login",
]


def test_what_guesses_is_limited_and_what_a_phone_does_is_not(stack):
    routers = yaml.safe_load(stack().route)["http"]["routers"]
    limited = [name for name, router in routers.items() if "login-rate@file" in router["middlewares"]]
    assert limited == ["tenant-hans-login"]
    path = routers["tenant-hans-login"]["rule"]
    # Go and Python read this expression alike.
    pattern = re.compile(path.removeprefix("PathRegexp(`").removesuffix("`)"))
    assert [guess for guess in GUESSES if not pattern.search(guess)] == []
    assert [path for path in WORK if pattern.search(path)] == []


def test_the_limits_are_asked_first(stack):
    # Traefik tries the longest rule first.
    routers = yaml.safe_load(stack().route)["http"]["routers"]
    behind = [router["rule"] for router in routers.values() if "parentRefs" in router]
    assert max(behind, key=len) == routers["tenant-hans-login"]["rule"]
    assert "link-rate@file" in routers["tenant-hans-access"]["middlewares"]


def test_the_route_of_a_start_asks_for_the_certificate_and_gives_way_to_the_tenants_own(stack):
    rendered = stack(tenant_language="fr", tenant_certificate_resolver="acme")
    (router,) = yaml.safe_load(rendered.starting)["http"]["routers"].values()
    own = yaml.safe_load(rendered.route)["http"]["routers"]
    assert (router["rule"], router["tls"]) == (own["tenant-hans"]["rule"], {"certResolver": "acme"})
    assert (router["service"], router["entryPoints"]) == ("pages@file", ["websecure"])
    # Traefik counts the length of a rule as its priority where none is named.
    assert 1 < router["priority"] < len(own["tenant-hans"]["rule"])
    http = yaml.safe_load(rendered.starting)["http"]
    assert http["middlewares"][router["middlewares"][-1]] == {"addPrefix": {"prefix": "/starting/fr"}}
    assert set(http["routers"]).isdisjoint(own)


def test_every_router_names_its_entry_points_or_is_behind_one_that_does(stack):
    for state in ("running", "stopped", "suspended"):
        routers = yaml.safe_load(stack(tenant_state=state).route)["http"]["routers"]
        behind = [router for router in routers.values() if "parentRefs" in router]
        assert all(router["parentRefs"] == ["tenant-hans"] and "tls" not in router for router in behind)
        assert all(router["entryPoints"] for router in routers.values() if router not in behind)


def test_the_entry_point_of_the_world_has_one_rule_for_each_tenant(stack):
    routers = yaml.safe_load(stack().route)["http"]["routers"]
    assert [name for name, router in routers.items() if router.get("entryPoints") == ["websecure"]] == ["tenant-hans"]
    assert "service" not in routers["tenant-hans"]


@pytest.mark.parametrize("state", ["running", "stopped", "suspended"])
def test_requests_are_bounded_in_every_state(stack, state):
    made = stack(tenant_state=state)
    for text in (made.route, made.starting):
        routers = yaml.safe_load(text)["http"]["routers"].values()
        of_world = [router for router in routers if router.get("entryPoints") == ["websecure"]]
        assert [router["middlewares"][:2] for router in of_world] == [["hsts@file", "requests@file"]]


@pytest.mark.parametrize("state", ["stopped", "suspended"])
def test_a_closed_route_leads_to_the_page_in_the_language_of_the_customer(stack, state):
    http = yaml.safe_load(stack(tenant_state=state, tenant_language="it").route)["http"]
    assert list(http["routers"]) == ["tenant-hans"]
    assert http["routers"]["tenant-hans"]["service"] == "pages@file"
    assert http["middlewares"]["tenant-hans"]["addPrefix"]["prefix"] == f"/{state}/it"


def test_no_text_of_a_customer_reaches_a_file_that_traefik_takes_for_a_template(stack):
    assert "evil" not in stack(tenant_email="evil@example.ch").route


TAKEN = [
    "/api/auth/admin-sign-up",
    "/api/Auth/ADMIN-sign-up/",
    "/api/admin/database-backups/start-restore",
    "/api/admin/database-backups/upload",
    "/api/admin/maintenance",
    "/api/admin/maintenance/",
]
KEPT = [*GUESSES, *WORK, "/api/admin/database-backups", "/api/admin/maintenance/status", "/api/admin/users"]


def test_what_could_make_an_instance_somebody_elses_is_refused_for_good(stack):
    http = yaml.safe_load(stack().route)["http"]
    router = http["routers"]["tenant-hans-refused"]
    assert router["middlewares"] == ["tenant-hans-refused"]
    assert http["middlewares"]["tenant-hans-refused"] == {"ipAllowList": {"sourceRange": ["255.255.255.255/32"]}}
    pattern = re.compile(router["rule"].removeprefix("PathRegexp(`").removesuffix("`)"))
    assert [path for path in TAKEN if not pattern.search(path)] == []
    assert [path for path in KEPT if pattern.search(path)] == []
    # Traefik takes the longest rule, and it has to be longer than those of the whole.
    assert len(router["rule"]) > len(http["routers"]["tenant-hans-api"]["rule"])
