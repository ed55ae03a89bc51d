"""The official command-line client logs in and uploads a folder, through Traefik and TLS."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ..cloud import picture

HERE = Path(__file__).parents[1]
TOOLS = HERE.parents[1] / ".cache" / "immich-cli"


@pytest.fixture(scope="module")
def client(lab, tmp_path_factory):
    """The client, which finds the tenants' names at the lab's address."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / "client" / name, TOOLS / name)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=TOOLS, check=True, capture_output=True, timeout=300)
    settings = tmp_path_factory.mktemp("immich")
    environment = {
        "PATH": f"{TOOLS / 'node_modules' / '.bin'}:{os.environ['PATH']}",
        "HOME": str(settings),
        "IMMICH_CONFIG_DIR": str(settings),
        "NODE_EXTRA_CA_CERTS": lab.ca_file,
        "NODE_OPTIONS": f"--require {HERE / 'client' / 'resolve.cjs'}",
        "LAB_DOMAIN": lab.domain,
        "LAB_ADDRESS": lab.address,
    }

    def run(*arguments):
        return subprocess.run(
            ["immich", *arguments], env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    return run


def test_it_logs_in_and_uploads_a_folder(client, customer, lab, tmp_path):
    cloud = customer("hans")
    key = cloud.post("/api/api-keys", {"name": "client", "permissions": ["all"]}).json["secret"]
    photos = {f"holiday-{number}.jpg": picture() for number in range(5)}
    for name, data in photos.items():
        (tmp_path / name).write_bytes(data)
    login = client("login", f"https://hans.{lab.domain}/api", key)
    assert login.returncode == 0, login.stdout + login.stderr
    upload = client("upload", "--recursive", str(tmp_path))
    assert upload.returncode == 0, upload.stdout + upload.stderr
    assert "Successfully uploaded 5 new assets" in upload.stdout
    names = lab.psql(
        "hans", """SELECT "originalFileName" FROM asset WHERE "originalFileName" LIKE 'holiday-%' ORDER BY 1"""
    )
    assert names.split() == sorted(photos)
    again = client("upload", "--recursive", str(tmp_path))
    assert "All assets were already uploaded" in again.stdout, again.stdout


def test_a_key_that_is_none_is_refused(client, lab):
    result = client("login", f"https://hans.{lab.domain}/api", "not a key")
    assert result.returncode != 0
