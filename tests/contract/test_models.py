"""How the role machine_learning puts models into place, by Ansible, on this machine and in a directory of the test."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from .world import ROOT

MODELS = [{"name": "ViT", "task": "clip"}, {"name": "PP", "task": "ocr"}]
FILES = ("clip/ViT/visual/model.onnx", "clip/ViT/textual/model.onnx", "ocr/PP/detection/model.onnx")
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="models belong to root")


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "models-of-the-operator.tar"
    with tarfile.open(path, "w") as opened:
        for name in FILES:
            file = tmp_path / "source" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)
            opened.add(file, name)
    return path


@pytest.fixture
def run(tmp_path, archive):
    """Gives a function: the tasks of the role that are about models; what they changed, and what they said."""
    password = tmp_path / "vault-password"
    password.write_text("none\n")
    there = tmp_path / "there"

    def of(*arguments, **changes):
        values = {
            "machine_learning_directory": str(there),
            "machine_learning_image": "ml:1",
            "machine_learning_models": MODELS,
            "machine_learning_models_archive": str(archive),
            **changes,
        }
        role = {"name": "swissphoto.silo.machine_learning", "tasks_from": "models", "rolespec_validate": False}
        tasks = [{"ansible.builtin.import_role": role}]
        play = tmp_path / "play.yml"
        play.write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "vars": values, "tasks": tasks}]))
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            "localhost,",
            "-c",
            "local",
            str(play),
        ]
        environment = os.environ | {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_STDOUT_CALLBACK": "json",
            "ANSIBLE_VAULT_PASSWORD_FILE": str(password),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        }
        done = subprocess.run(
            [*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        found = json.loads(done.stdout)
        results = [task["hosts"]["localhost"] for play in found["plays"] for task in play["tasks"]]
        return found["stats"]["localhost"], " ".join(str(result.get("msg", "")) for result in results)

    of.there = there
    return of


@pytest.mark.long("five runs of a playbook")
def test_an_archive_of_the_controller_becomes_the_models_of_a_server(run):
    stats, _said = run("--check")
    assert (stats["failures"], stats["changed"] > 0, run.there.exists()) == (0, True, False)
    stats, said = run()
    assert (stats["failures"], stats["changed"] > 0) == (0, True)
    assert "machine_learning_models can have these digests: {'ViT': 'sha256:" in said
    top = run.there / "models"
    assert sorted(str(path.relative_to(top)) for path in top.rglob("*.onnx")) == sorted(FILES)
    # Nothing is left of the way, and nothing is done again.
    assert sorted(path.name for path in run.there.iterdir()) == ["models", "models.json"]
    assert [run(*arguments)[0]["changed"] for arguments in ((), ("--check",))] == [0, 0]
    (top / FILES[0]).write_text("evil")
    stats, _said = run()
    assert (stats["failures"], (top / FILES[0]).read_text()) == (0, FILES[0])


def test_models_of_another_digest_are_refused(run):
    stats, said = run(machine_learning_models=[{**MODELS[0], "digest": "sha256:00"}, MODELS[1]])
    assert stats["failures"] == 1
    assert "machine_learning_models has sha256:00" in said
    assert not (run.there / "models").exists()


@pytest.mark.parametrize("digest", ["", "sha256:00", "0" * 64])
def test_a_url_needs_the_digest_of_the_archive(run, digest):
    stats, said = run(
        machine_learning_models_archive="https://example.org/models.tar", machine_learning_models_archive_digest=digest
    )
    assert stats["failures"] == 1
    assert f'machine_learning_models_archive_digest is "{digest}"; it must be the digest of the archive' in said
    assert not run.there.exists()
