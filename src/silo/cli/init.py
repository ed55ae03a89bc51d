"""silo init: an inventory for a first server, in a git repository of its own."""

from __future__ import annotations

import dataclasses
import functools
import shlex
import typing as t
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import parse_size, rough

from silo.cli import output
from silo.cli.context import Context
from silo.inventory import InventoryError
from silo.inventory.errors import shown
from silo.inventory.history import Author
from silo.repository import root
from silo.setup import answers, host_keys, machine, proposals, repository, texts
from silo.setup.answers import Answers, Machine, Place, Relay
from silo.setup.host_keys import HostKey
from silo.setup.machine import Listener, Report
from silo.setup.target import Target

T = t.TypeVar("T")
SERVER_NAME, NAS_NAME = "silo1", "nas1"
RELAY_PASSWORD = "~/.silo-relay-password"  # noqa: S105  # where it is
NONE = "none"


@dataclasses.dataclass(frozen=True)
class Options:
    """What was given on the command line; None for what was not."""

    domain: str | None
    contact: str | None
    server: str | None
    fingerprint: str | None
    name: str
    ssh_key: str | None
    nas: str | None
    nas_fingerprint: str | None
    memory: str | None
    uploads: str | None
    databases: str | None
    open_ports: tuple[str, ...]
    relay: str | None
    relay_user: str | None
    relay_password_file: str
    sender: str | None
    acme: answers.Acme | None
    billing: bool | None
    payment_url: str | None


@click.command(cls=output.Command)
@click.argument("folder")
@click.option("--domain", metavar="DOMAIN", help="Tenants are at https://<tenant>.DOMAIN.")
@click.option("--contact", metavar="EMAIL", help="Your address: for certificates, pages and letters.")
@click.option("--server", metavar="[USER@]HOST[:PORT]", help="How SSH reaches the server; user root, port 22.")
@click.option(
    "--fingerprint",
    metavar="SHA256:...",
    help="The fingerprint of the server's SSH key; without it, silo asks you to compare.",
)
@click.option("--name", default=SERVER_NAME, metavar="NAME", help="The server's name in the inventory.")
@click.option("--ssh-key", metavar="FILE", help="Your private key, if ssh does not find it by itself.")
@click.option("--nas", metavar="[USER@]HOST[:PORT]", help="The NAS, if it is another machine than the server.")
@click.option("--nas-fingerprint", metavar="SHA256:...", help="The fingerprint of its SSH key.")
@click.option("--memory", metavar="SIZE", help="The memory of the server that silo may divide, such as 125G.")
@click.option("--uploads", metavar="DEVICE|SIZE", help="An empty disk for the photos, or the size of an image file.")
@click.option(
    "--databases", metavar="DEVICE|SIZE", help="An empty disk for the databases, or the size of an image file."
)
@click.option("--open-port", "open_ports", multiple=True, metavar="PORT[/udp]", help="A further port that stays open.")
@click.option("--relay", metavar="HOST[:PORT]", help="Your mail relay; 'none' for none.")
@click.option("--relay-user", metavar="USER", help="The login at the relay.")
@click.option(
    "--relay-password-file", default=RELAY_PASSWORD, metavar="FILE", help="The file with its password, of mode 0600."
)
@click.option("--sender", metavar="EMAIL", help="The sender of letters; by default your own address.")
@click.option("--acme", type=click.Choice(["live", "staging"]), help="Certificates for customers, or for trying out.")
@click.option("--billing/--no-billing", default=None, help="Whether Stripe creates, suspends and deletes tenants.")
@click.option("--payment-url", metavar="URL", help="Where customers pay, if billing is off.")
@click.option("--vault-password-file", metavar="FILE", help="The vault password; created if it is missing.")
@click.option("-y", "--yes", is_flag=True, help="Take each proposal without a question.")
@click.pass_obj
def init(context: Context, /, folder: str, vault_password_file: str | None, yes: bool, **given: t.Any) -> None:
    """Create the inventory of a first server, in a git repository of its own at FOLDER.

    It asks for each value that no option gives, looks at the server over SSH, and proposes values with a
    reason. Nothing on the server changes. Without a terminal, or with --yes, it takes each proposal. A second run
    changes nothing.

    \b
    Examples:
      silo init ~/silo-inventory
      silo init ~/silo-inventory --domain swissphoto.ch --contact ops@swissphoto.ch --server root@192.0.2.10 \\
        --fingerprint SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU --yes
    """
    path = answers.file("folder", folder)
    repository.check_place(path)
    password = repository.password_file(vault_password_file)
    has_password = repository.check_password(password, path, "the vault password")
    if repository.is_inventory(path):
        repository.check_complete(path)
        output.line(f"{path} is an inventory already, with a history of its own; nothing was changed.")
        if not has_password:
            raise output.Failure(
                f"{password}: the vault password is missing here. Restore it from your second copy, or name its file "
                f"in {repository.VARIABLE}."
            )
        _next(path, password, None)
        return
    author = Author.parse(context.author) if context.author else None
    interview = Interview(path, asks=output.is_terminal() and not yes)
    found = interview.answers(Options(**given))
    # Both first: an inventory that is there is complete.
    interview.write_relay_password()
    if not has_password:
        repository.make_password(password)
    repository.make(path, texts.files(found), author)
    output.line(f"{path}: the inventory of {found.domain}, in a git repository of its own.")
    kept = "as it was" if has_password else "new; keep a second copy away from this machine"
    output.line(f"{password}: the vault password, {kept}.")
    _next(path, password, found)


@dataclasses.dataclass(frozen=True)
class Seen:
    """A machine, and what it says of itself."""

    machine: Machine
    report: Report


class Interview:
    """The questions, in an order in which each can propose something; without `asks` the proposals are the answers."""

    def __init__(self, folder: Path, *, asks: bool) -> None:
        """`folder` is where the inventory will be."""
        self._folder, self._asks = folder, asks
        self._relay_password: tuple[Path, str] | None = None

    def answers(self, options: Options) -> Answers:
        """Return the answers; raises output.Failure where a machine cannot be what it should be."""
        self._check_given(options)
        domain = self._ask("Domain, below which tenants have their names", options.domain, answers.domain)
        proposed = f"ops@{domain}" if self._asks else None
        contact = self._ask("Your e-mail address", options.contact, answers.contact, proposed)
        ssh_key = str(_private_key(options.ssh_key)) if options.ssh_key else ""
        server = self._server(options, ssh_key)
        nas = self._nas(options, ssh_key, server.machine)
        self._refuse(server, nas)
        machines = self._equip(options, server, nas)
        relay = self._relay(options, contact)
        acme = self._ask(
            "Certificates: live, or staging to try things out (no browser trusts those)", options.acme, _acme, "live"
        )
        billing = self._agree("Billing with Stripe", options.billing)
        payment = "" if billing else self._payment(options, contact)
        return Answers(domain, contact, *machines, relay, acme, billing, payment, ssh_key)

    def write_relay_password(self) -> None:
        """Write the password of the relay that was typed, if one was."""
        if self._relay_password:
            repository.make_password(*self._relay_password)

    def _check_given(self, options: Options) -> None:
        """Refuse at once what nobody can be asked for."""
        needed = {"--domain": options.domain, "--contact": options.contact, "--server": options.server}
        if missing := [flag for flag, value in needed.items() if value is None and not self._asks]:
            raise InventoryError(f"nobody can be asked here (no terminal, or --yes), so name {', '.join(missing)}")
        if options.nas_fingerprint and options.nas is None:
            raise InventoryError("--nas-fingerprint is for another machine as NAS; name that with --nas")

    # Machines

    def _server(self, options: Options, ssh_key: str) -> Seen:
        name = answers.name("--name", options.name)
        target = self._ask("Server, as SSH reaches it: [USER@]HOST[:PORT]", options.server, Target.parse)
        return self._look(name, target, options.fingerprint, "--fingerprint", ssh_key)

    def _nas(self, options: Options, ssh_key: str, server: Machine) -> Seen | None:
        question = "NAS, if it is another machine: [USER@]HOST[:PORT]"
        target = self._ask(question, options.nas, functools.partial(_nas_target, server=server), NONE)
        return self._look(NAS_NAME, target, options.nas_fingerprint, "--nas-fingerprint", ssh_key) if target else None

    def _look(self, name: str, target: Target, fingerprint: str | None, flag: str, ssh_key: str) -> Seen:
        key = self._host_key(target, fingerprint, flag)
        report = machine.look(target, key, Path(ssh_key) if ssh_key else None)
        output.line(f"{name}, {target}: {_described(report)}.")
        return Seen(Machine(name, target, key), report)

    def _host_key(self, target: Target, fingerprint: str | None, flag: str) -> HostKey:
        """Return the key that the operator has compared, or that ssh knows from an earlier login."""
        expected = host_keys.parse_fingerprint(fingerprint) if fingerprint else ""
        keys = host_keys.scan(target)
        if expected:
            return host_keys.named(target, keys, expected)
        known = host_keys.known(target)
        if mine := next((key for key in keys if key in known), None):
            output.line(f"{target}: its key {mine.fingerprint} is the one in your known_hosts.")
            return mine
        key = keys[0]
        compare = f"'ssh-keygen -lf {key.file}' in the provider's console shows the right one"
        if known:
            compare = f"another one is in your known_hosts, so the machine was installed anew, or is another; {compare}"
        output.line(f"{target} shows the key {key.fingerprint} ({key.kind}); {compare}.")
        if not self._asks:
            raise output.Failure(f"Nobody has compared this key. Compare it, then add: {flag} {key.fingerprint}")
        output.confirm("Is it the same?")
        return key

    def _refuse(self, server: Seen, nas: Seen | None) -> None:
        """Print what the machines need; raises output.Failure where something has to be done before."""
        found = proposals.findings(server.machine.name, server.report, is_server=True)
        if nas:
            found += proposals.findings(nas.machine.name, nas.report, is_server=False)
        output.findings(found)
        if any(one.state == "wrong" for one in found):
            raise output.Failure("Nothing was written. Correct this, then repeat the command.")

    def _equip(self, options: Options, server: Seen, nas: Seen | None) -> tuple[Machine, Machine | None]:
        """Return the server and the NAS with memory, disks and ports."""
        memory, tenants = self._memory(options, server.report)
        uploads, databases = proposals.places(server.report, nas.report if nas else None, tenants)
        where = self._place("--uploads", "Disk for the photos: a device, or a size", options.uploads, uploads)
        disk = self._place("--databases", "Disk for the databases: a device, or a size", options.databases, databases)
        real = server.report.real
        if where.device and real(where.device) == real(disk.device) and not nas:
            said = f"are both {where}" if where == disk else f"are {where} and {disk}, two names of one disk"
            raise InventoryError(f"--uploads and --databases {said}; each needs a disk of its own")
        ports = self._ports(options.open_ports, proposals.open_ports(server.report, server.machine.target))
        equipped = dataclasses.replace(server.machine, memory=memory, ports=ports, databases=disk)
        if nas is None:
            return dataclasses.replace(equipped, uploads=where), None
        return equipped, dataclasses.replace(nas.machine, uploads=where)

    def _memory(self, options: Options, report: Report) -> tuple[tuple[tuple[str, str], ...], int]:
        """Return the settings of a server's memory, and how many tenants have room."""
        proposed = proposals.memory(report.memory)
        (_name, value), *_others = proposed.settings
        output.line(f"It has {rough(report.memory)} of memory: {proposed.reason}.")
        check = functools.partial(_memory_size, most=report.memory)
        chosen = self._ask("Memory that silo may divide", options.memory, check, value)
        divided = proposals.memory(parse_size(chosen))
        return divided.settings, divided.tenants

    def _place(self, flag: str, question: str, given: str | None, proposal: proposals.Proposal | None) -> Place:
        if proposal and given is None:
            output.line(f"{question.partition(':')[0]}: {proposal.value}, {proposal.reason}.")
        if proposal is None and given is None and not self._asks:
            raise InventoryError(f"{flag}: there is neither an empty disk nor room for a file; add a disk, or name one")
        return self._ask(question, given, functools.partial(Place.parse, flag), proposal.value if proposal else None)

    def _ports(self, given: Sequence[str], listening: Sequence[Listener]) -> tuple[Listener, ...]:
        """Return the ports that stay open; nobody is asked where nothing listens."""
        if given:
            return tuple(map(answers.port, given))
        if not listening:
            return ()
        shown = ", ".join(f"{_port(one)}{f' ({one.name})' if one.name else ''}" for one in listening)
        output.line(f"These ports listen, and the first run closes them to others: {shown}.")
        return self._ask("Ports that stay open, such as 9100 51820/udp", None, _ports, NONE)

    # Everything else

    def _relay(self, options: Options, contact: str) -> Relay | None:
        given = self._ask("Mail relay, HOST[:PORT]; without one, you hand over links", options.relay, _relay, NONE)
        if given is None:
            return None
        host, port = given
        plain = functools.partial(answers.plain, "relay user")
        user = self._ask("Login at the relay", options.relay_user, plain, NONE)
        sender = self._ask("Sender of letters", options.sender, answers.contact, contact)
        if user == NONE:
            return Relay(host, port, sender)
        file = answers.file("--relay-password-file", options.relay_password_file)
        if not repository.check_password(file, self._folder, "the relay's password"):
            if not self._asks:
                raise InventoryError(f"{file}: the relay's password is missing; write it there, with mode 0600")
            # Whatever it is: it stands in no file of settings, and no message shows it.
            self._relay_password = file, output.prompt(f"Password at the relay, for {file}", hidden=True)
        # From ~ on it is right for colleagues too; a relative one would be only here.
        given_file = options.relay_password_file
        return Relay(host, port, sender, user, given_file if given_file.startswith("~/") else str(file))

    def _payment(self, options: Options, contact: str) -> str:
        question = "Page where customers pay an unpaid invoice"
        return self._ask(question, options.payment_url, answers.payment_url, f"mailto:{contact}")

    def _ask(self, question: str, given: str | None, check: Callable[[str], T], proposal: str | None = None) -> T:
        """Return a checked answer: the given one, or the proposal, or what somebody types until it is right."""
        if given is not None:
            return check(given)
        if not self._asks:
            return check(proposal or "")
        while True:
            try:
                return check(output.prompt(question, proposal))
            except InventoryError as error:
                output.lines(str(error), err=True)

    def _agree(self, question: str, given: bool | None) -> bool:
        if given is None and self._asks:
            return self._ask(f"{question}, yes or no", None, _yes, "no")
        return bool(given)


def _acme(text: str) -> answers.Acme:
    for known in answers.DIRECTORIES:
        if text == known:
            return known
    raise InventoryError(f"certificates is {text!r}; it must be live or staging")


def _yes(text: str) -> bool:
    if text.lower() not in ("y", "yes", "n", "no"):
        raise InventoryError(f"the answer is {text!r}; it must be yes or no")
    return text.lower().startswith("y")


def _nas_target(text: str, server: Machine) -> Target | None:
    if text == NONE:
        return None
    target = Target.parse(text)
    if (target.host, target.port) == (server.target.host, server.target.port):
        raise InventoryError(f"NAS is {shown(text)}, the server itself; answer {NONE}: it is its own NAS then")
    if server.name == NAS_NAME:
        raise InventoryError(f"--name is {shown(server.name)}; that is the NAS's name, so choose another one")
    return target


def _relay(text: str) -> tuple[str, int] | None:
    return None if text == NONE else answers.relay_host(text)


def _ports(text: str) -> tuple[Listener, ...]:
    return () if text == NONE else tuple(map(answers.port, text.replace(",", " ").split()))


def _memory_size(text: str, most: int) -> str:
    chosen = answers.size("--memory", text)
    if parse_size(chosen) > most:
        raise InventoryError(f"--memory is {text!r}; the server has {rough(most)}, and no more can be divided")
    if not proposals.memory(parse_size(chosen)).tenants:
        raise InventoryError(f"--memory is {text!r}; that has no room for a tenant, which takes 2.5 GiB")
    return chosen


def _private_key(text: str) -> Path:
    path = answers.file("--ssh-key", text)
    if not path.is_file():
        raise InventoryError(f"--ssh-key is {text!r}; there is no such file")
    return path


def _port(one: Listener) -> str:
    return f"{one.port}" if one.protocol == "tcp" else f"{one.port}/{one.protocol}"


def _described(report: Report) -> str:
    disks = ", ".join(f"{disk.path} ({rough(disk.size)})" for disk in report.disks) or "none"
    return (
        f"{report.system.title()} {report.release}, {rough(report.memory)} of memory, {rough(report.free)} free on its "
        f"system disk, empty disks: {disks}"
    )


def _next(folder: Path, password: Path, found: Answers | None) -> None:
    """Print what to do next."""
    places = f"ANSIBLE_INVENTORY={shlex.quote(str(folder))} {repository.VARIABLE}={shlex.quote(str(password))}"
    output.line("")
    output.line("Next:")
    if found:
        host = found.server.target.host
        kind = "AAAA" if ":" in host else "A" if answers.is_address(host) else "CNAME"
        output.line(f"  at your DNS provider: *.{found.domain} {kind} {host}")
    output.line(f"  export {places}")
    has_environment = (root() / ".venv" / "bin" / "activate").is_file()
    output.line(f"  cd {shlex.quote(str(root()))}{' && . .venv/bin/activate' if has_environment else ''}")
    output.line("  silo images --pin                           # the digests of the images; commit them")
    output.line("  ansible-playbook playbooks/site.yml         # sets up the server; --check --diff shows it before")
    output.line("  silo check                                  # what is wrong, and how to fix it")
    output.line("  silo create hans 100 hans@example.ch        # the first customer")
    if found and found.billing:
        output.line("  docs/operate/billing.md                     # Stripe: the plans, the keys, and the services")
