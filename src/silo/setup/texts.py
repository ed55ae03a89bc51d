"""The files of a new inventory, as texts. Pure: the same answers give the same files."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

import yaml

from silo.setup.answers import DIRECTORIES, LIVE, STAGING, Answers, Machine, Place
from silo.setup.machine import Listener
from silo.setup.target import PORT

# Ansible reads no file of this ending as a part of the inventory.
KNOWN_HOSTS = "known_hosts.txt"
UPLOADS_IMAGE, DATABASES_IMAGE = "/var/lib/silo/nas.img", "/var/lib/silo/disk.img"

TENANTS = """---
# Every folder of host_vars with a tenant.yml is a tenant.
plugin: swissphoto.silo.tenants
"""
IGNORE = """# What silo keeps for itself on this controller, and an edit that is under way.
/.silo/
/.silo-edit/
# Passwords lie outside of this repository.
*vault-password*
*relay-password*
"""
ATTRIBUTES = """# An encrypted file has no lines that could be merged: in a conflict, one side is taken as a whole.
vault.yml -diff -merge
"""
README = """# The inventory of {domain}

This repository says what the photo clouds below that domain should be. SwissPhoto Silo reads it, and commits each edit
here. `vault.yml` of a tenant is encrypted. Its password is not in this repository.

```console
export ANSIBLE_INVENTORY=<the path of this repository> SILO_VAULT_PASSWORD_FILE=~/.silo-vault-password
cd <a clone of SwissPhoto Silo>; . .venv/bin/activate
silo list
```

| file | contains |
|---|---|
| `hosts.yml` | servers and NAS |
| `group_vars/all/policy.yml` | your settings; every name of the product's `group_vars/` can stand here |
| `host_vars/<server>/machine.yml` | memory, disks and open ports of a machine |
| `host_vars/<tenant>/` | a tenant: `tenant.yml` by silo, `overrides.yml` by people, `vault.yml` with its secrets |
| `known_hosts.txt` | the SSH keys of the machines, as somebody compared them |

The product's `docs/operate/inventory.md` explains how colleagues share it.
"""
CONNECTION = """---
# How Ansible reaches the machines: with the keys in {known_hosts}, which this repository shares, or those that you
# accepted yourself. An unknown key is refused.
ansible_ssh_common_args: >-
  -o 'UserKnownHostsFile="{{{{ inventory_dir }}}}/{known_hosts}" ~/.ssh/known_hosts' -o StrictHostKeyChecking=yes
"""
POLICY = """---
# Your settings. Every name of the product's group_vars/ can stand here; docs/reference/settings.md lists them.
silo_domain: {domain}
silo_operator_email: {contact}

# Where certificates come from. To try things out, use Let's Encrypt's staging directory, whose certificates no browser
# trusts, and whose limits are far higher: {other}
traefik_acme_directory_url: {directory}
"""
PAYMENT = """
# Where customers pay: it stands in the letter about a suspension.
silo_payment_url: {url}
"""
BILLING = """---
# Billing with Stripe: the product's docs/operate/billing.md leads from an empty account to the first order.
billing_enabled: true
billing_checkout_enabled: true

# The plan of each price at Stripe, such as price_1QxAbcDef: small.
billing_plans: {}
"""


def files(answers: Answers) -> Mapping[str, str]:
    """Return the text of each file by its path in the inventory."""
    machines = [answers.server, *([answers.nas] if answers.nas else [])]
    made = {
        "hosts.yml": _hosts(answers),
        "tenants.yml": TENANTS,
        "README.md": README.format(domain=answers.domain),
        ".gitignore": IGNORE,
        ".gitattributes": ATTRIBUTES,
        KNOWN_HOSTS: "".join(f"{one.key.line(one.target)}\n" for one in machines),
        "group_vars/all/connection.yml": _connection(answers),
        "group_vars/all/policy.yml": _policy(answers),
    }
    if answers.relay:
        made["group_vars/all/letters.yml"] = _letters(answers)
    if answers.billing:
        made["group_vars/all/billing.yml"] = BILLING
    for machine in machines:
        made[f"host_vars/{machine.name}/machine.yml"] = _machine(answers, machine)
    return made


def _hosts(answers: Answers) -> str:
    nas = answers.nas or answers.server
    lines = ["---", "servers:", "  hosts:", *_host(answers.server), "nas:", "  hosts:"]
    lines += _host(nas) if answers.nas else [f"    {nas.name}:"]
    return "\n".join(lines) + "\n"


def _host(machine: Machine) -> list[str]:
    target = machine.target
    lines = [
        f"    {machine.name}:",
        f"      ansible_host: {_scalar(target.host)}",
        f"      ansible_user: {_scalar(target.user)}",
    ]
    if target.port != PORT:
        lines.append(f"      ansible_port: {target.port}")
    if target.user != "root":
        lines.append("      ansible_become: true")
    return lines


def _connection(answers: Answers) -> str:
    text = CONNECTION.format(known_hosts=KNOWN_HOSTS)
    if answers.ssh_key:
        text += "\n# A colleague with another key names it in ~/.ssh/config, and takes this line away.\n"
        text += f"ansible_ssh_private_key_file: {_scalar(answers.ssh_key)}\n"
    return text


def _policy(answers: Answers) -> str:
    directory = DIRECTORIES[answers.acme]
    other = STAGING if directory == LIVE else f"{STAGING} (here now); for customers: {LIVE}"
    contact = _scalar(answers.contact)
    text = POLICY.format(domain=_scalar(answers.domain), contact=contact, other=other, directory=directory)
    return text + (PAYMENT.format(url=_scalar(answers.payment_url)) if answers.payment_url else "")


def _letters(answers: Answers) -> str:
    relay = answers.relay
    assert relay  # noqa: S101  # it is asked for only where there is one
    lines = [
        "---",
        "# The mail relay, by which customers get letters. Its password is the first line of a file of mode 0600.",
        f"letters_relay_host: {_scalar(relay.host)}",
        f"letters_relay_port: {relay.port}",
        f"letters_relay_security: {_scalar(relay.security)}",
    ]
    if relay.user:
        lines.append(f"letters_relay_user: {_scalar(relay.user)}")
        lines.append(f"letters_relay_password_file: {_scalar(relay.password_file)}")
    lines.append(f"letters_sender: {_scalar(relay.sender)}")
    return "\n".join(lines) + "\n"


def _machine(answers: Answers, machine: Machine) -> str:
    lines = ["---"]
    if machine.memory:
        lines.append("# The memory of this server, and what is set aside; the rest is for tenants.")
        lines += [f"{name}: {value}" for name, value in machine.memory]
    if machine.uploads:
        lines += ["", "# The disk of /instances, the uploads of all tenants; it must be empty before the first run."]
        lines += _place(machine.uploads, "nas", UPLOADS_IMAGE)
    if machine.databases:
        lines += ["", "# The disk of /databases, for the databases of the tenants; empty as well."]
        lines += _place(machine.databases, "silo_disk", DATABASES_IMAGE)
    if answers.nas and machine is answers.nas:
        lines += ["", "# The servers that mount it.", f"nas_nfs_clients: [{_scalar(answers.server.target.host)}]"]
    if answers.nas and machine is answers.server:
        source = f"{_bracketed(answers.nas.target.host)}:/instances"
        lines += ["", "# The NAS that it mounts.", f"host_storage_source: {_scalar(source)}"]
    if machine.ports:
        lines += ["", "# Ports beside SSH, 80 and 443 that stay open to everybody.", "host_open_ports:"]
        lines += [_port(one) for one in machine.ports]
    return "\n".join([lines[0], *lines[2:]] if lines[1:2] == [""] else lines) + "\n"


def _place(place: Place, prefix: str, image: str) -> list[str]:
    if place.device:
        return [f"{prefix}_device: {_scalar(place.device)}"]
    return [f"{prefix}_image_path: {image}", f"{prefix}_image_size: {place.size}"]


def _port(port: Listener) -> str:
    protocol = "" if port.protocol == "tcp" else f", protocol: {port.protocol}"
    return f"  - {{port: {port.port}{protocol}}}" if protocol else f"  - port: {port.port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _scalar(value: t.Any) -> str:
    """Return a value as YAML has it on one line."""
    return str(yaml.safe_dump(value, width=10_000, allow_unicode=True)).removesuffix("...\n").strip()
