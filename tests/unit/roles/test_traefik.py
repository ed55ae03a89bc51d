"""What Traefik reads: both ways to a certificate, and the names that tenants' routes use."""

import re

import pytest
import yaml
from ansible_collections.swissphoto.silo.plugins.module_utils.common import metrics
from ansible_collections.swissphoto.silo.plugins.modules import tenant_usage_info

from silo.billing.service import MOST_AT_ONCE
from silo.billing.stripe.events import PATH
from silo.tenant.render import CLOSED_PRIORITY
from tests import templates

MODES = ["acme", "wildcard"]
VARIABLES = {
    "traefik_routes_directory": "/srv/silo/traefik/routes",
    "traefik_domain": "swissphoto.ch",
    "traefik_acme_email": "ops@swissphoto.ch",
    "traefik_pages_url": "http://10.82.0.18:8080",
    "traefik_access_url": "http://127.0.0.1:8083",
    "traefik_machine_learning_url": "http://10.82.0.2:3003",
    "__traefik_digest": "digest",
}


@pytest.fixture
def rendered(render):
    return lambda template, **changes: yaml.safe_load(render("traefik", template, **{**VARIABLES, **changes}))


@pytest.fixture
def static(rendered):
    return lambda **changes: rendered("traefik.yml.j2", **changes)


def test_nobody_is_told_anything(static):
    assert static()["global"] == {"checkNewVersion": False, "sendAnonymousUsage": False}
    assert "api" not in static()
    assert "accessLog" not in static()


def test_what_is_for_the_operator_listens_to_the_server_alone(static):
    entry_points = static()["entryPoints"]
    assert {name for name, point in entry_points.items() if point["address"].startswith("127.0.0.1:")} == {"local"}
    assert static()["ping"]["entryPoint"] == static()["metrics"]["prometheus"]["entryPoint"] == "local"


def test_the_numbers_are_where_who_reads_them_looks(static):
    options = yaml.safe_load(tenant_usage_info.DOCUMENTATION)["options"]
    assert static()["entryPoints"]["local"]["address"] == f"127.0.0.1:{options['metrics_port']['default']}"


def test_bytes_are_counted_by_router_and_by_little_else(static):
    prometheus = static()["metrics"]["prometheus"]
    assert {key for key, value in prometheus.items() if value is True} == {"addRoutersLabels"}
    assert len(prometheus["buckets"]) == 1
    # Who leaves them out gets them.
    assert prometheus["addServicesLabels"] is prometheus["addEntryPointsLabels"] is False


def test_no_entry_point_is_taken_by_default(static):
    assert not any(point.get("asDefault") for point in static()["entryPoints"].values())


def test_neither_a_long_upload_nor_a_long_download_is_cut(static):
    times = static()["entryPoints"]["websecure"]["transport"]["respondingTimeouts"]
    assert times == {"readTimeout": "12h", "writeTimeout": "0s", "idleTimeout": "600s"}


def test_a_certificate_for_each_host_name_comes_by_http(static):
    acme = static()["certificatesResolvers"]["acme"]["acme"]
    assert acme["httpChallenge"] == {"entryPoint": "web"}
    assert "dnsChallenge" not in acme
    assert "caCertificates" not in acme


def test_one_certificate_for_all_comes_by_dns(rendered, static):
    changes = {"traefik_tls_mode": "wildcard", "traefik_dns_provider": "exoscale"}
    acme = static(**changes)["certificatesResolvers"]["acme"]["acme"]
    assert acme["dnsChallenge"] == {"provider": "exoscale"}
    assert "httpChallenge" not in acme
    tls = rendered("_base.yml.j2", **changes)["http"]["routers"]["unknown"]["tls"]
    assert tls["domains"] == [{"main": "swissphoto.ch", "sans": ["*.swissphoto.ch"]}]


def test_the_authorities_are_those_that_are_mounted(static):
    acme = static(traefik_acme_ca_files=["/home/me/lab.pem"])["certificatesResolvers"]["acme"]["acme"]
    assert acme["caCertificates"] == ["/etc/traefik/authorities/lab.pem"]


@pytest.mark.parametrize("mode", MODES)
def test_what_nobody_has_comes_after_all_that_somebody_has(rendered, mode):
    router = rendered("_base.yml.j2", traefik_tls_mode=mode)["http"]["routers"]["unknown"]
    assert (router["priority"], router["entryPoints"], router["service"]) == (1, ["websecure"], "pages")


def test_a_photo_server_that_starts_has_a_page_and_an_answer_in_every_language(rendered):
    middlewares = rendered("_base.yml.j2")["http"]["middlewares"]
    for language in ("de", "fr", "it", "en"):
        for suffix, path in (("", "/"), ("-api", "/api")):
            errors = middlewares[f"pages-starting-{language}{suffix}"]["errors"]
            assert errors["query"] == f"/starting/{language}{path}"
            assert {status: errors["statusRewrites"][status] for status in ("502", "504")} == {"502": 503, "504": 503}


@pytest.mark.parametrize(("name", "burst"), [("login", 10), ("link", 100)])
def test_a_source_is_who_is_connected_and_of_ipv6_a_whole_line(rendered, name, burst):
    limit = rendered("_base.yml.j2")["http"]["middlewares"][f"{name}-rate"]["rateLimit"]
    assert limit["sourceCriterion"] == {"ipStrategy": {"ipv6Subnet": 64}}
    assert (limit["average"], limit["period"], limit["burst"]) == (1, "60s", burst)


def ranges(statuses):
    return {code for one in statuses for code in range(int(one.split("-")[0]), int(one.split("-")[-1]) + 1)}


# What photo servers answer with, and Traefik itself.
KEPT = {200, 201, 202, 204, 206, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 406, 408, 409, 410, 411, 412}
KEPT |= {413, 415, 416, 422, 426, 429, 431, 499, 500, 501, 502, 503, 504, 507}


def test_a_status_that_no_client_understands_is_no_number_of_its_own(rendered):
    middlewares = rendered("_base.yml.j2")["http"]["middlewares"]
    for name in ("statuses", *(f"pages-starting-{language}{api}" for language in ("de", "en") for api in ("", "-api"))):
        errors = middlewares[name]["errors"]
        assert set(range(200, 1000)) - ranges(errors["status"]) == KEPT - ({502, 504} if name != "statuses" else set())
        assert set(errors["statusRewrites"]) == set(errors["status"])
        assert set(errors["statusRewrites"].values()) <= {502, 503}
    # As many numbers as the accounting keeps of each tenant.
    assert len(KEPT) < metrics.CODES


def test_requests_under_way_are_bounded_by_source_and_in_all(rendered):
    http = rendered("_base.yml.j2")["http"]
    limits = http["middlewares"]
    assert limits["requests"]["chain"]["middlewares"] == ["requests-of-source", "requests-uncounted", "requests-of-all"]
    source, everybody = (limits[f"requests-of-{whom}"]["inFlightReq"] for whom in ("source", "all"))
    assert source == {"amount": 400, "sourceCriterion": {"ipStrategy": {"ipv6Subnet": 64}}}
    # A client cannot choose for whom it counts: what it says is removed first.
    header = everybody["sourceCriterion"]["requestHeaderName"]
    assert limits["requests-uncounted"]["headers"]["customRequestHeaders"] == {header: ""}
    assert source["amount"] < everybody["amount"] == 1000
    assert "requests" in http["routers"]["unknown"]["middlewares"]


@pytest.mark.parametrize("entry_point", ["web", "websecure", "machinelearning", "local"])
def test_a_header_has_an_end(static, entry_point):
    assert static()["entryPoints"][entry_point]["http"]["maxHeaderBytes"] == 16384


def test_one_connection_is_not_many(static):
    assert static()["entryPoints"]["websecure"]["http2"] == {"maxConcurrentStreams": 100}


def test_connections_and_memory_have_a_margin(rendered):
    defaults = yaml.safe_load((templates.ROLES / "host" / "defaults" / "main.yml").read_text())
    service = rendered("compose.yaml.j2")["services"]["traefik"]
    assert service["ulimits"]["nofile"] >= 4 * defaults["host_firewall_connections"]
    assert int(service["environment"]["GOMEMLIMIT"]) == 384 * 1024**2
    # A connection whose header is not complete costs 80 KiB.
    assert defaults["host_firewall_connections"] * 80 * 1024 < int(service["environment"]["GOMEMLIMIT"])


@pytest.mark.parametrize("entry_point", ["web", "websecure", "machinelearning"])
def test_nobody_is_believed_who_says_for_whom_they_come(static, entry_point):
    assert "forwardedHeaders" not in static()["entryPoints"][entry_point]
    assert "proxyProtocol" not in static()["entryPoints"][entry_point]


def test_the_page_behind_a_link_is_on_the_server_alone(rendered):
    services = rendered("_base.yml.j2")["http"]["services"]
    assert services["access"]["loadBalancer"]["servers"] == [{"url": "http://127.0.0.1:8083"}]


def test_nothing_that_tls_1_2_has_left_behind_is_offered(rendered):
    options = rendered("_base.yml.j2")["tls"]["options"]["default"]
    assert options["minVersion"] == "VersionTLS12"
    assert [suite for suite in options["cipherSuites"] if "_CBC_" in suite or "ECDHE" not in suite] == []


@pytest.mark.parametrize("template", ["compose.yaml.j2", "traefik.yml.j2"])
def test_a_key_of_the_dns_provider_is_only_in_its_own_file(rendered, template):
    changes = {"traefik_tls_mode": "wildcard", "traefik_dns_environment": {"EXOSCALE_API_SECRET": "Ksecret"}}
    assert "Ksecret" not in str(rendered(template, **changes))


def test_the_container_has_no_more_than_it_needs(rendered):
    service = rendered("compose.yaml.j2")["services"]["traefik"]
    assert service["mem_limit"] == service["memswap_limit"] == str(512 * 1024**2)
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"]
    assert service["user"] == "65532:65532"
    assert not any("docker.sock" in volume for volume in service["volumes"])


BILLING = {"traefik_billing_url": "http://127.0.0.1:8085", "traefik_billing_host": "billing.swissphoto.ch"}


@pytest.mark.parametrize(("mode", "tls"), [("acme", {"certResolver": "acme"}), ("wildcard", {})])
def test_of_billing_only_the_webhook_is_on_the_internet(rendered, mode, tls):
    http = rendered("_billing.yml.j2", traefik_tls_mode=mode, **BILLING)["http"]
    assert list(http["routers"]) == ["billing"]
    router = http["routers"]["billing"]
    assert router["rule"] == "Host(`billing.swissphoto.ch`) && Path(`/stripe/webhook`) && Method(`POST`)"
    assert (router["entryPoints"], router["tls"]) == (["websecure"], tls)
    assert http["services"]["billing"]["loadBalancer"]["servers"] == [{"url": "http://127.0.0.1:8085"}]


CHECKOUT = BILLING | {"traefik_checkout_url": "http://127.0.0.1:8088"}


@pytest.mark.parametrize(("mode", "tls"), [("acme", {"certResolver": "acme"}), ("wildcard", {})])
def test_of_the_checkout_only_its_pages_are_on_the_internet(rendered, mode, tls):
    http = rendered("_billing.yml.j2", traefik_tls_mode=mode, **CHECKOUT)["http"]
    assert list(http["routers"]) == ["billing", "checkout-shown", "checkout-sent"]
    shown, sent = (http["routers"][f"checkout-{kind}"] for kind in ("shown", "sent"))
    paths = " || ".join(f"Path(`{path}`)" for path in ("/", "/plans", "/plans.js", "/name", "/welcome", "/pay"))
    host = "Host(`billing.swissphoto.ch`)"
    assert shown["rule"] == f"{host} && (Method(`GET`) || Method(`HEAD`)) && ({paths})"
    assert sent["rule"] == f"{host} && (Method(`POST`)) && (Path(`/checkout`) || Path(`/pay`))"
    for router in (shown, sent):
        assert (router["entryPoints"], router["tls"], router["service"]) == (["websecure"], tls, "checkout")
        assert set(router["middlewares"]) == {"checkout-rate", "checkout-requests", "checkout-hsts"}
    assert http["services"]["checkout"]["loadBalancer"]["servers"] == [{"url": "http://127.0.0.1:8088"}]


def test_one_source_of_the_checkout_is_bounded_above_its_own_limits(rendered):
    limits = rendered("_billing.yml.j2", **CHECKOUT)["http"]["middlewares"]
    rate = limits["checkout-rate"]["rateLimit"]
    pages = yaml.safe_load((templates.ROLES / "billing" / "defaults" / "main.yml").read_text())
    assert rate["average"] == rate["burst"] >= 2 * pages["billing_checkout_requests_per_minute"]
    for kind in ("rateLimit", "inFlightReq"):
        (found,) = (one[kind] for name, one in limits.items() if name.startswith("checkout-") and kind in one)
        assert found["sourceCriterion"] == {"ipStrategy": {"ipv6Subnet": 64}}
    assert limits["checkout-requests"]["inFlightReq"]["amount"] * 4 <= MOST_AT_ONCE


def test_an_event_is_in_no_buffer_and_one_source_holds_few(rendered):
    """The intake bounds the body itself, which its own tests show."""
    http = rendered("_billing.yml.j2", **BILLING)["http"]
    assert {kind for one in http["middlewares"].values() for kind in one} == {"rateLimit", "inFlightReq"}
    limit = http["middlewares"]["billing-requests"]["inFlightReq"]
    assert limit["sourceCriterion"] == {"ipStrategy": {"ipv6Subnet": 64}}
    # Several sources have room in what the intake takes at once.
    assert limit["amount"] * 4 <= MOST_AT_ONCE
    assert set(http["routers"]["billing"]["middlewares"]) == set(http["middlewares"])


def test_the_path_is_where_the_intake_listens(rendered):
    assert f"Path(`{PATH}`)" in rendered("_billing.yml.j2", **BILLING)["http"]["routers"]["billing"]["rule"]


NOTICES = [
    {"id": "here", "tenant": "", "language": "auto"},
    {"id": "tenant-hans", "tenant": "hans", "language": "fr"},
]
BILLING = {"traefik_billing_url": "http://127.0.0.1:8085", "traefik_billing_host": "billing.swissphoto.ch"}


@pytest.fixture
def over_all(render):
    """The routers of maintenance and of an outage, by name."""

    def of(**changes):
        values = {"traefik_domain": "swissphoto.ch", "traefik_maintenance": NOTICES, **changes}
        texts = [render("traefik", name, **values) for name in ("_maintenance.yml.j2", "outage.yml.j2")]
        return {name: one for text in texts for name, one in yaml.safe_load(text)["http"]["routers"].items()}

    return of


def test_what_shows_a_page_to_all_is_above_open_tenants_and_below_closed_ones(over_all):
    found = over_all()
    longest = f"Host(`{'a' * 31}.{'x' * 253}`)"
    order = [found[name]["priority"] for name in ("outage", "maintenance-here", "maintenance-tenant-hans")]
    assert [len(longest), *order, CLOSED_PRIORITY] == sorted({len(longest), *order, CLOSED_PRIORITY})


def test_what_shows_a_page_to_all_leads_to_the_pages_alone_and_is_bounded(over_all):
    for name, router in over_all().items():
        assert (router["service"], router["entryPoints"], router["tls"]) == ("pages@file", ["websecure"], {})
        assert router["middlewares"] == ["hsts@file", "requests@file", name]


def test_what_shows_a_page_to_all_is_for_names_of_tenants_and_not_for_billing(over_all):
    for name in ("outage", "maintenance-here"):
        rule = over_all(**BILLING)[name]["rule"]
        pattern = re.fullmatch(r"HostRegexp\(`(.+)`\) && !Host\(`billing\.swissphoto\.ch`\)", rule)[1]
        assert re.search(pattern, "hans.swissphoto.ch")
        for other in ("swissphoto.ch", "a.hans.swissphoto.ch", "hans.swissphotoxch", "9.swissphoto.ch", "x.example"):
            assert not re.search(pattern, other)
        assert "!Host" not in over_all()[name]["rule"]
    assert over_all()["maintenance-tenant-hans"]["rule"] == "Host(`hans.swissphoto.ch`)"
