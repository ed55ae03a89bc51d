"""The programs of the server: what each role packs is all that its program needs, on a server's bare Python."""

import os
import re
import subprocess
import sys

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.swissphoto.silo.plugins.action.zipapp import gather, pack

from tests.unit.forks import ROOT

# Role to the program and the beginning of its help; that of access needs packages of Debian, and has a test of its own.
PROGRAMS = {
    "accounting": ("silo_accounting", "Counts what each tenant uses"),
    "catch_up": ("silo_catch_up", "Restarts jobs that the machine learning missed"),
    "machine_learning": ("silo_learning_gate", "Lets pass to the machine learning what Immich asks"),
    "traefik": ("silo_outage", "Shows customers a page while the NAS is away"),
    "recovery": ("silo_recovery", "Starts the tenants that should run"),
}


@pytest.mark.parametrize("role", PROGRAMS)
def test_the_role_brings_all_that_the_program_needs(role, tmp_path):
    main, says = PROGRAMS[role]
    loader, folder = DataLoader(), ROOT / "roles" / role
    values = loader.load_from_file(str(folder / "vars" / "main.yml"), trusted_as_template=True)
    files = Templar(loader, {**values, "role_path": str(folder)}).template(values[f"__{role}_files"])
    program = tmp_path / "program.pyz"
    program.write_bytes(pack(gather(files), main))
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-B", str(program), "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert says in " ".join(done.stdout.split())


@pytest.mark.parametrize(("role", "unit"), [("access", "silo-access"), ("catch_up", "silo-catch-up")])
def test_a_program_reaches_the_tenants_and_no_nas(render, role, unit):
    text = render(role, f"{unit}.service.j2", **{f"{role}_networks": ["10.83.0.0/16"]})
    reached = ["IPAddressDeny=any", "IPAddressAllow=127.0.0.0/8 10.83.0.0/16"]
    assert re.findall(r"^IPAddress.*$", text, re.MULTILINE) == reached
