"""What `silo images` prints, and how it ends."""

import json

import pytest
from click.testing import CliRunner

from silo import cli, images
from silo.cli import images as command

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
POLICY = {"traefik": f"docker.io/library/traefik:v1.0@{DIGEST}", "pages": "docker.io/library/nginx:1"}
RUNNING = (images.Running("silo1", "silo-traefik-traefik-1", POLICY["traefik"], (DIGEST,), "running"),)


class Asked:
    def digest(self, image):
        if image.tag == "gone":
            raise images.RegistryError("docker.io cannot be reached: no such host")
        return OTHER if image.repository.endswith("nginx") else DIGEST

    def tags(self, image):
        return ["v1.0", "v1.1", "1", "2", "3", "4", "5"]


@pytest.fixture
def run(monkeypatch, tmp_path):
    file = tmp_path / "group_vars" / "all" / "images.yml"
    file.parent.mkdir(parents=True)
    file.write_text("silo_images:\n" + "".join(f"  {name}: {text}\n" for name, text in POLICY.items()))

    def of(*arguments, policy=POLICY, problems=()):
        monkeypatch.setattr(command.images, "read", lambda _inventory: (policy, RUNNING, problems))
        monkeypatch.setattr(command.images, "Registry", Asked)
        return CliRunner().invoke(cli.main, ["-i", str(tmp_path), "images", *arguments], env={"COLUMNS": "200"})

    of.file = file
    return of


def test_what_is_pinned_beside_what_is_newer_and_what_runs(run):
    result = run()
    assert result.exit_code == 0, result.output
    traefik, pages = (next(line for line in result.output.splitlines() if name in line) for name in POLICY)
    assert traefik.split() == ["traefik", "v1.0", DIGEST[:19], "as", "pinned", "v1.1", "silo1:", "as", "pinned"]
    assert pages.split() == ["pages", "1", "no", OTHER[:19], "...,", "3,", "4,", "5"]


def test_what_runs_alone_asks_no_registry(run):
    result = run("--list", policy={"traefik": "docker.io/library/traefik:gone"})
    assert result.exit_code == 0, result.output


def test_for_machines(run):
    found = json.loads(run("--json").stdout)
    assert found["problems"] == []
    assert found["images"][0]["runs"] == {"silo1": [DIGEST]}


def test_who_does_not_answer_is_a_sentence_each(run):
    result = run(policy={"traefik": "docker.io/library/traefik:gone"}, problems=("silo2 does not say what it runs",))
    assert result.exit_code == 1
    assert "traefik: docker.io cannot be reached: no such host\n" in result.output
    assert "silo2 does not say what it runs\n" in result.output
    assert "2 did not answer." in result.output


def test_all_tags_are_pinned(run):
    result = run("--pin")
    assert result.exit_code == 0, result.output
    assert f"pages: docker.io/library/nginx:1@{OTHER}" in result.output
    assert "1 of 2 differ" in result.output
    assert f"pages: docker.io/library/nginx:1@{OTHER}\n" in run.file.read_text()
    assert "0 of 2 differ" in run("--pin").output


def test_another_tag_is_pinned_by_its_name(run):
    run("--pin", "pages=2")
    assert f"pages: docker.io/library/nginx:2@{OTHER}\n" in run.file.read_text()
    assert POLICY["traefik"] in run.file.read_text()


def test_where_one_cannot_be_asked_nothing_is_written(run):
    before = run.file.read_text()
    result = run("--pin", "pages", "traefik=gone")
    assert result.exit_code == 1
    assert "cannot be reached: no such host. Nothing was written." in result.output
    assert run.file.read_text() == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pin", "nginx"], "unknown image 'nginx'; the images are: traefik, pages"),
        (["--pin", "pages=a b"], "is not the name of an image"),
        (["pages"], "use names of images only with --pin"),
        (["--pin", "--sbom"], "--list, --pin and --sbom exclude each other"),
    ],
)
def test_what_is_typed_wrong_is_a_sentence(run, arguments, said):
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_the_list_of_all_is_one_document(run):
    assert json.loads(run("--sbom").stdout)["bomFormat"] == "CycloneDX"
