"""The units of the timers: a path is what it is, whatever stands in it."""

import shlex

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.swissphoto.silo.plugins.filter.systemd import systemd_path, systemd_word

from tests import templates

ODD = '/srv/it\'s "100%" of $HOME \\ all'
TIMER = {"name": "silo-purge", "description": "Purge", "command": "purge --yes", "user": "ops", "asks_stripe": True}
PLAIN = {
    "controller_directory": "/opt/silo",
    "controller_inventory": "/opt/inventory",
    "controller_vault_password_file": "/root/.vault",
    "controller_stripe_key_file": "/root/.key",
    "controller_user": "ops",
}


@pytest.fixture
def unit(render):
    def of(timer=TIMER, **changes):
        text = render("controller", "silo.service.j2", __controller_timer=timer, **(PLAIN | changes))
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))

    return of


def words(line, *, variables=True):
    """Read a line as systemd.service(5) says under Command lines; its quotes and escapes are those of a shell."""
    found = [word.replace("%%", "%") for word in shlex.split(line)]
    return [word.replace("$$", "$") if variables else word for word in found]


def test_each_path_is_one_word_whatever_is_in_it(unit):
    paths = {name: f"{ODD}/{name}" for name in PLAIN if name != "controller_user"}
    found = unit(**paths)
    (assigned,) = words(found["Environment"], variables=False)
    program, flag, inventory, *command = words(found["ExecStart"])
    # Of the program, systemd replaces no variables, so their sign stands once.
    program = words(found["ExecStart"], variables=False)[0]
    assert assigned == f"SILO_VAULT_PASSWORD_FILE={paths['controller_vault_password_file']}"
    assert (program, flag, inventory) == (
        f"{paths['controller_directory']}/.venv/bin/silo",
        "-i",
        paths["controller_inventory"],
    )
    assert command == ["purge", "--yes"]
    # Neither of these knows quotes.
    assert found["WorkingDirectory"] == paths["controller_directory"].replace("%", "%%")
    assert found["LoadCredential"] == f"stripe-key:{paths['controller_stripe_key_file'].replace('%', '%%')}"


def test_the_folder_and_the_files_of_the_backup_are_words_too():
    said = yaml.safe_load((templates.ROLES / "controller" / "vars" / "main.yml").read_text())
    (backup,) = (one for one in said["__controller_timers"] if one["name"] == "silo-backup")
    given = {"controller_backup_folder": f"{ODD}/b", "controller_backup_keep": 3}
    for files in ([], [f"{ODD}/1", "/root/2"]):
        line = templates.text(backup["command"], **given, controller_backup_files=files)
        also = [word for file in files for word in ("--also", file)]
        assert words(line) == ["--no-commit", "controller", "backup", f"{ODD}/b", "--keep", "3", *also]


@pytest.mark.parametrize("text", ["/a\nUser=root", "/a\x1b", "/a\t"])
def test_what_no_line_can_have_is_refused(text):
    for quote in (systemd_word, systemd_path):
        with pytest.raises(AnsibleFilterError, match="^controller_inventory is '/a.*on one line"):
            quote(text, "controller_inventory")


@pytest.mark.parametrize("text", ["a", "", "-/a", "/a ", "/a\\"])
def test_a_path_that_systemd_reads_as_another_one_is_refused(text):
    with pytest.raises(AnsibleFilterError, match="^controller_directory is .*must be an absolute path"):
        systemd_path(text, "controller_directory")
