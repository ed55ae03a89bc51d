"""The entry points of the stand-ins for Valkey, Traefik and nginx: they do what the official ones do."""

import os
import subprocess
from pathlib import Path

import pytest

IMAGES = Path(__file__).parents[3] / "lab" / "images"


@pytest.fixture
def run(tmp_path):
    """Gives a function that runs an entry point with programs that a test writes; returns how it ended."""
    programs = tmp_path / "bin"
    programs.mkdir()

    def start(script, *command, programs_=None, **environment):
        for name, body in (programs_ or {}).items():
            (programs / name).write_text(f"#!/bin/sh\n{body}\n")
            (programs / name).chmod(0o755)
        given = {"PATH": f"{programs}:{os.environ['PATH']}", **environment}
        where = {"cwd": tmp_path, "env": given, "capture_output": True, "text": True, "timeout": 60}
        return subprocess.run((IMAGES / script, *command), **where)

    return start


class TestValkey:
    PROGRAMS = {"valkey-server": 'echo "valkey-server $* $(umask)"', "id": "echo 200001"}

    def start(self, run, *command, **environment):
        return run("valkey/docker-entrypoint.sh", *command, programs_=self.PROGRAMS, **environment).stdout

    def test_options_and_configurations_are_the_servers(self, run):
        assert self.start(run, "/run/x.conf") == "valkey-server /run/x.conf 0077\n"
        assert self.start(run, "--save", "60 1") == "valkey-server --save 60 1 0077\n"
        assert self.start(run, "valkey-server", "/run/x.conf") == "valkey-server /run/x.conf 0077\n"

    def test_without_a_configuration_it_answers_other_hosts(self, run):
        assert self.start(run, "valkey-server") == "valkey-server --protected-mode no 0077\n"

    def test_extra_flags_come_last(self, run):
        assert self.start(run, "x.conf", VALKEY_EXTRA_FLAGS="--a b") == "valkey-server x.conf --a b 0077\n"

    @pytest.mark.skipif(os.geteuid() != 0, reason="root alone mounts")
    def test_a_folder_that_cannot_be_written_to_is_refused(self, run, tmp_path):
        (tmp_path / "data").mkdir()
        script = 'mount -t tmpfs -o ro tmpfs data && cd data && exec "$@"'
        (tmp_path / "wrapped").write_text(f"#!/bin/sh\nexec unshare --mount sh -c '{script}' sh \"$@\"\n")
        (tmp_path / "wrapped").chmod(0o755)
        entry = IMAGES / "valkey" / "docker-entrypoint.sh"
        refused = run(tmp_path / "wrapped", entry, "x.conf", programs_=self.PROGRAMS)
        said = "error: directory is not writable by current user (200001)\n"
        assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", said)

    def test_root_gives_the_folder_away_and_is_somebody_else_then(self, run):
        programs = {**self.PROGRAMS, "id": "echo 0", "find": "echo find $*", "setpriv": "echo setpriv $*"}
        said = run("valkey/docker-entrypoint.sh", "x.conf", programs_=programs).stdout.splitlines()
        assert said[0] == "find . ! -user valkey -exec chown valkey {} +"
        assert said[1].startswith("setpriv --reuid=valkey --regid=valkey --clear-groups -- ")
        assert said[1].endswith("docker-entrypoint.sh valkey-server x.conf")


class TestTraefik:
    # A sub-command is what it has a help for.
    PROGRAMS = {"traefik": '[ "$2" = --help ] && { [ "$1" = version ]; exit; }\necho "traefik $*"'}

    @pytest.mark.parametrize(
        ("command", "becomes"),
        [
            (("traefik", "--configFile=/x"), "traefik --configFile=/x\n"),
            (("--configFile=/x",), "traefik --configFile=/x\n"),
            (("version", "-v"), "traefik version -v\n"),
            (("echo", "hello"), "hello\n"),
        ],
    )
    def test_what_it_becomes(self, run, command, becomes):
        assert run("traefik/entrypoint.sh", *command, programs_=self.PROGRAMS).stdout == becomes

    def test_it_says_what_is_no_command_of_traefik(self, run):
        said = run("traefik/entrypoint.sh", "echo", programs_=self.PROGRAMS).stderr
        assert said == "= 'echo' is not a Traefik command: assuming shell execution.\n"


class TestNginx:
    def start(self, run, tmp_path, scripts, *command, **environment):
        """Starts with these scripts in place of the image's."""
        folder = tmp_path / "docker-entrypoint.d"
        folder.mkdir()
        for name, (mode, text) in scripts.items():
            (folder / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / name).chmod(mode)
        source = (IMAGES / "pages" / "docker-entrypoint.sh").read_text()
        (tmp_path / "entry").write_text(source.replace("/docker-entrypoint.d", str(folder)))
        (tmp_path / "entry").chmod(0o755)
        return run(tmp_path / "entry", *command, programs_={"nginx": "echo nginx $* $GIVEN"}, **environment)

    def test_scripts_run_before_nginx_in_the_order_of_their_names(self, run, tmp_path):
        scripts = {
            "20-b.sh": (0o755, "echo b"),
            "9-a.envsh": (0o755, "export GIVEN=given"),
            "30-c.sh": (0o644, "echo not this"),
        }
        ended = self.start(run, tmp_path, scripts, "nginx", "-g", "x", NGINX_ENTRYPOINT_QUIET_LOGS="1")
        assert ended.stdout.splitlines()[-2:] == ["b", "nginx -g x given"]
        assert "not this" not in ended.stdout

    def test_a_script_that_fails_ends_the_start(self, run, tmp_path):
        ended = self.start(run, tmp_path, {"10-a.sh": (0o755, "exit 3")}, "nginx")
        assert ended.returncode == 3
        assert "nginx " not in ended.stdout.replace("nginx:", "")

    def test_for_another_command_no_script_runs(self, run, tmp_path):
        assert self.start(run, tmp_path, {"10-a.sh": (0o755, "echo a")}, "echo", "hello").stdout == "hello\n"

    def test_templates_are_filled_in_from_the_environment(self, run, tmp_path):
        source, target = tmp_path / "templates", tmp_path / "conf.d"
        source.mkdir()
        target.mkdir()
        (source / "site.conf.template").write_text("listen ${PORT}; # $uri")
        places = {"NGINX_ENVSUBST_TEMPLATE_DIR": str(source), "NGINX_ENVSUBST_OUTPUT_DIR": str(target)}
        # The real one is not on every machine.
        programs = {"envsubst": r"""case "$1" in *'${PORT} '*) sed 's/\${PORT}/'"$PORT/" ;; esac"""}
        filled = run("pages/docker-entrypoint.d/20-templates.sh", programs_=programs, PORT="8080", **places)
        assert filled.returncode == 0, filled.stderr
        assert (target / "site.conf").read_text() == "listen 8080; # $uri"
