"""A check run before the first run tells everything and does nothing."""

import pytest

# Where a server writes by itself, and where Ansible's modules lie while they run.
OF_ITS_OWN = "/dev /proc /run /sys /tmp /var/log /var/lib/systemd /var/tmp /root/.ansible".split()
VOLUMES = "/srv /var/lib/docker /var/lib/silo".split()


def written_since(lab, marker):
    """What has come to be, or was changed, on the disks of the server."""
    own = " -o ".join(f"-path {path}" for path in OF_ITS_OWN)
    return lab.shell(rf"find / {' '.join(VOLUMES)} -xdev \( {own} \) -prune -o -cnewer {marker} -print").splitlines()


@pytest.fixture
def marker(lab):
    path = "/run/before-the-check"
    # Ansible's own directory, which any connection makes.
    lab.run("mkdir", "-p", "/root/.ansible")
    lab.run("touch", path)
    yield path
    lab.run("rm", path)


def test_a_check_of_a_fresh_server_tells_everything_and_does_nothing(lab, operator, marker):
    packages, units = lab.run("dpkg", "-l"), lab.run("systemctl", "list-unit-files")
    run = operator.run("site.yml", "--check", "--diff")
    assert written_since(lab, marker) == []
    assert lab.run("dpkg", "-l") == packages
    assert lab.run("systemctl", "list-unit-files") == units
    assert not list(operator.inventory.glob("host_vars/*/vault.yml"))

    assert run.changed["silo1"] > 0
    assert "docker.io" in run.output
    for name in ("hans", "maria", "peter"):
        assert f"+++ after: /srv/silo/tenants/{name}/.env" in run.output
    table = run.output[run.output.index("what differs") :]
    assert table.count("from the template of its images") == 3
    assert "new, with a limit of 500G" in table

    lab.run("touch", "/etc/silo-was-here")
    try:
        assert set(written_since(lab, marker)) == {"/etc", "/etc/silo-was-here"}
    finally:
        lab.run("rm", "/etc/silo-was-here")
