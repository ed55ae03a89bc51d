"""The units of billing: who has which key, and what the one on the internet reaches."""

import configparser

import pytest

VARIABLES = {
    "billing_directory": "/opt/silo",
    "billing_inventory": "/opt/silo/inventory/production",
    "billing_vault_password_file": "/root/.vault",
    "billing_stripe_key_file": "/root/.key",
    "billing_webhook_secrets_file": "/root/.secrets",
    "billing_user": "root",
    "__billing_inbox": "/var/lib/silo-billing/inbox.db",
    "__billing_load": "LoadCredential",
    "__billing_digest": "digest",
    "__billing_publish": "",
}
CHECKOUT = {
    "billing_checkout_enabled": True,
    "billing_checkout_key_file": "/root/.checkout-key",
    "billing_checkout_secrets_file": "/root/.checkout-secrets",
    "__billing_catalogue": "/var/lib/silo-checkout/catalogue.json",
    "__billing_publish": " --catalogue /var/lib/silo-checkout/catalogue.json",
}
SERVICES = {
    "intake": {"stripe-webhook-secrets:/root/.secrets"},
    "worker": {"stripe-key:/root/.key", "vault-password:/root/.vault"},
    "reconcile": {"stripe-key:/root/.key", "vault-password:/root/.vault"},
}


class Many(dict):
    """Keeps all values of a key that is given several times."""

    def __setitem__(self, key, value):
        if isinstance(value, list) and key in self:
            value = [*self[key], *value]
        super().__setitem__(key, value)


@pytest.fixture
def unit(render):
    def of(name, **changes):
        parser = configparser.RawConfigParser(
            dict_type=Many, strict=False, delimiters="=", comment_prefixes="#", interpolation=None
        )
        parser.optionxform = str
        parser.read_string(render("billing", f"silo-billing-{name}.j2", **(VARIABLES | changes)).replace("\\\n", ""))
        return parser

    return of


@pytest.mark.parametrize(("name", "credentials"), SERVICES.items())
def test_each_has_its_own_keys_and_only_as_credentials(unit, name, credentials):
    service = unit(f"{name}.service")["Service"]
    assert set(service["LoadCredential"].splitlines()) == credentials
    for file in ("/root/.key", "/root/.secrets", "/root/.vault"):
        assert file not in service["ExecStart"] + service["Environment"]


CHECKOUT_SERVICES = {
    "checkout": {"stripe-checkout-key:/root/.checkout-key", "checkout-secrets:/root/.checkout-secrets"},
    "intake": SERVICES["intake"],
    "worker": SERVICES["worker"] | {"checkout-secrets:/root/.checkout-secrets"},
    "reconcile": SERVICES["reconcile"] | {"checkout-secrets:/root/.checkout-secrets"},
}


@pytest.mark.parametrize(("name", "credentials"), CHECKOUT_SERVICES.items())
def test_only_the_checkout_has_the_key_that_writes_and_it_has_no_other(unit, name, credentials):
    service = unit(f"{name}.service", **CHECKOUT)["Service"]
    assert set(service["LoadCredential"].splitlines()) == credentials


def test_the_checkout_writes_who_asks_for_a_link_alone_and_sees_neither_inventory_nor_events(unit):
    service = unit("checkout.service", **CHECKOUT)["Service"]
    assert service["User"] == "silo-checkout"
    assert service["ProtectSystem"] == "strict"
    assert service["ReadWritePaths"] == "/var/lib/silo-checkout/requests"
    assert "/opt/silo/inventory/production:ro" in service["TemporaryFileSystem"].split()
    assert {"-/opt/silo/.git", "-/var/lib/silo-billing"} <= set(service["InaccessiblePaths"].split())
    assert service["CapabilityBoundingSet"] == ""
    assert "169.254.0.0/16" in service["IPAddressDeny"].split()


def test_the_worker_writes_where_the_checkout_reads(unit):
    for name in ("worker", "checkout"):
        started = unit(f"{name}.service", **CHECKOUT)["Service"]["ExecStart"]
        assert "--catalogue /var/lib/silo-checkout/catalogue.json" in started
    assert "--catalogue" not in unit("worker.service")["Service"]["ExecStart"]


def test_both_that_face_the_internet_are_closed_in_the_same_way(unit):
    """What one has and the other has not is named here."""
    one, other = (dict(unit(f"{name}.service", **CHECKOUT)["Service"]) for name in ("intake", "checkout"))
    differ = {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
    own = {"ExecStart", "LoadCredential", "SyslogIdentifier", "User", "Group", "UMask"}
    assert differ == own | {"ReadWritePaths", "InaccessiblePaths", "IPAddressDeny", "IPAddressAllow"}


def test_keys_that_are_encrypted_for_the_machine_stay_so(unit):
    service = unit("worker.service", __billing_load="LoadCredentialEncrypted")["Service"]
    assert service["LoadCredentialEncrypted"] == "stripe-key:/root/.key"
    assert service["LoadCredential"] == "vault-password:/root/.vault"


def test_who_is_on_the_internet_has_no_inventory_and_writes_the_inbox_alone(unit):
    service = unit("intake.service")["Service"]
    assert service["User"] == "silo-billing"
    homes = [f"{home}:ro,mode=0755" for home in ("/home", "/root", "/run/user")]
    assert service["TemporaryFileSystem"].split() == [*homes, "/opt/silo/inventory/production:ro"]
    assert "/opt/silo/.git" in service["InaccessiblePaths"]
    assert (service["ProtectSystem"], service["ReadWritePaths"]) == ("strict", "/var/lib/silo-billing")
    assert service["CapabilityBoundingSet"] == ""
    assert service["IPAddressDeny"] == "any"


def test_a_run_of_ansible_is_not_cut_off_by_a_restart(unit):
    service = unit("worker.service")["Service"]
    assert (service["KillMode"], service["TimeoutStopSec"]) == ("mixed", "15min")


@pytest.mark.parametrize("name", ["intake", "worker", "checkout"])
def test_another_program_or_another_key_is_another_unit(unit, name):
    found = unit(f"{name}.service", **CHECKOUT)
    assert found["Unit"]["X-Silo-Digest"] == "digest"
    assert found["Service"]["Type"] == "notify"


def test_it_is_compared_after_each_start_and_every_night(unit):
    timer = unit("reconcile.timer")["Timer"]
    assert (timer["OnActiveSec"], timer["OnCalendar"]) == ("2min", "*-*-* 02:30")
