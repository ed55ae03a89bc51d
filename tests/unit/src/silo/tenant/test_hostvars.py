"""A template is filled in once for all tenants for whom it says the same, and by Ansible itself."""

import pytest
from ansible.template import trust_as_template
from ansible.vars.hostvars import HostVarsVars

from silo.tenant.hostvars import Merged


class Hosts:
    """Hosts with variables as files have them, filled in by Ansible; `filled` names what was asked of it."""

    def __init__(self, **hosts):
        self.hosts, self.filled = hosts, []

    def raw_get(self, name):
        return {"inventory_hostname": name, **{key: self._trusted(value) for key, value in self.hosts[name].items()}}

    def _trusted(self, value):
        if isinstance(value, dict):
            return {key: self._trusted(item) for key, item in value.items()}
        return trust_as_template(value) if isinstance(value, str) else value

    def __getitem__(self, name):
        hosts, values = self, HostVarsVars(self.raw_get(name), None, name)

        class Counted:
            def __getitem__(self, key):
                hosts.filled.append((name, key))
                return values[key]

        return Counted()


def settings(hosts):
    merged = Merged(hosts)
    found = {}
    for name in hosts.hosts:
        host = merged[name]
        found[name] = {key: host[key] for key in host if key.startswith("tenant_")}
    return found


def test_what_is_the_same_for_all_is_filled_in_once():
    policy = {"domain": "swissphoto.ch", "tenant_domain": "{{ domain }}", "tenant_images": {"server": "r/{{ domain }}"}}
    hosts = Hosts(hans=policy, maria=policy, peter=policy)
    expected = {"tenant_domain": "swissphoto.ch", "tenant_images": {"server": "r/swissphoto.ch"}}
    assert settings(hosts) == {"hans": expected, "maria": expected, "peter": expected}
    assert hosts.filled == [("hans", "tenant_domain"), ("hans", "tenant_images")]


@pytest.mark.parametrize(
    ("hans", "maria"),
    [
        ({"tenant_domain": "{{ domain }}", "domain": "a.ch"}, {"tenant_domain": "{{ domain }}", "domain": "b.ch"}),
        ({"tenant_domain": "{{ x }}.a.ch", "x": "x"}, {"tenant_domain": "{{ x }}.b.ch", "x": "x"}),
        # What a template names may be a template, and what that names.
        (
            {"tenant_a": "{{ b }}", "b": "{{ c['d'] }}", "c": {"d": "{{ e }}"}, "e": "1"},
            {"tenant_a": "{{ b }}", "b": "{{ c['d'] }}", "c": {"d": "{{ e }}"}, "e": "2"},
        ),
        (
            {"tenant_a": "{{ 'x' if b is defined else 'y' }}"},
            {"tenant_a": "{{ 'x' if b is defined else 'y' }}", "b": 1},
        ),
        ({"tenant_a": ["{{ inventory_hostname }}"]}, {"tenant_a": ["{{ inventory_hostname }}"]}),
        ({"tenant_a": "{% if b %}1{% endif %}", "b": 1}, {"tenant_a": "{% if b %}1{% endif %}", "b": 0}),
        ({"tenant_a": "{{ lookup('vars', 'b') }}", "b": "1"}, {"tenant_a": "{{ lookup('vars', 'b') }}", "b": "2"}),
    ],
)
def test_each_tenant_has_what_ansible_says(hans, maria):
    hosts = Hosts(hans=hans, maria=maria, peter=hans)
    found = settings(hosts)
    for name in hosts.hosts:
        host = HostVarsVars(hosts.raw_get(name), None, name)
        assert found[name] == {key: host[key] for key in host if key.startswith("tenant_")}


def test_what_comes_by_chance_comes_for_each_tenant_anew():
    dice = {"tenant_a": "{{ [1, 2, 3] | random }}"}
    hosts = Hosts(hans=dice, maria=dice)
    settings(hosts)
    assert hosts.filled == [("hans", "tenant_a"), ("maria", "tenant_a")]


def test_a_template_that_nobody_trusts_stays_a_text():
    class Untrusted(Hosts):
        def _trusted(self, value):
            return value

    policy = {"domain": "a.ch", "tenant_domain": "{{ domain }}"}
    assert settings(Untrusted(hans=policy))["hans"] == {"tenant_domain": "{{ domain }}"}


def test_a_template_that_cannot_be_read_is_ansibles_affair():
    hosts = Hosts(hans={"tenant_a": "{{ a"})
    with pytest.raises(Exception, match="Syntax error in template"):
        settings(hosts)


def test_names_that_name_each_other_end():
    policy = {"tenant_a": "{{ b.x if false else 1 }}", "b": {"x": "{{ c }}"}, "c": "{{ b }}"}
    assert settings(Hosts(hans=policy))["hans"] == {"tenant_a": 1}


def test_plain_values_need_no_ansible():
    host = Merged({"hans": {"tenant_a": "{{ b }}", "b": 1}})["hans"]
    assert dict(host) == {"tenant_a": "{{ b }}", "b": 1}
    assert len(host) == 2
