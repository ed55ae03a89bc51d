"""The disk image and the kernel that all virtual machines start from: Debian 13, from Debian's own mirror."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

from ..command import Machine
from ..images import digest_of

ROOT = Path(__file__).parent / "root"
PACKAGES = (
    "btrfs-progs dbus e2fsprogs hostname initramfs-tools iproute2 kmod linux-image-cloud-amd64 nfs-common "
    "nfs-kernel-server openssh-server procps python3 python3-apt systemd-sysv udev xfsprogs zstd"
).split()
# What the roles would install, which takes minutes where a processor is emulated; what is OFF starts by a role alone.
INSTALLED = (
    "apparmor docker-cli docker-compose docker.io iptables nftables systemd-timesyncd unattended-upgrades".split()
)
OFF = ("containerd.service", "docker.service", "docker.socket", "systemd-timesyncd.service")
# Needs a network of its own, or time at boot, and is of no use to a machine that lives for minutes. AppArmor reads the
# profiles of programs that are not here for half a minute; Docker loads its own by itself.
UNUSED = (
    "apparmor.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer "
    "e2scrub_reap.service fstrim.timer ldconfig.service systemd-firstboot.service "
    "systemd-journal-catalog-update.service systemd-logind.service systemd-networkd-wait-online.service"
).split()
HOOKS = (
    ("essential", f"copy-in {ROOT}/etc /"),
    ("customize", 'chroot "$1" systemctl --quiet enable lab-seed.service systemd-networkd.service'),
    ("customize", f'chroot "$1" systemctl --quiet disable {" ".join(OFF)}'),
    ("customize", f'chroot "$1" systemctl --quiet mask {" ".join(UNUSED)}'),
    ("customize", 'rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/hostname "$1"/etc/resolv.conf'),
)
SIZE = "8G"  # sparse
PROBE_SECONDS = 10


@dataclass(frozen=True)
class Image:
    """What is in a directory of the cache, whole or not at all."""

    directory: Path

    @property
    def root(self) -> Path:
        """The root file system, ext4 on the bare disk."""
        return self.directory / "root.img"

    @property
    def kernel(self) -> Path:
        """Debian's kernel."""
        return self.directory / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The archive that finds the root file system."""
        return self.directory / "initrd.img"


def image_of(cache: Path) -> Image:
    """Return the image as its parts are now, built or not."""
    return Image(cache / "vm" / digest_of(ROOT, *PACKAGES, *INSTALLED, *OFF, *UNUSED, SIZE))


def ensure(machine: Machine, image: Image) -> str:
    """Build the image where it is missing; what was done."""
    if image.directory.is_dir():
        return "there"
    image.directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=image.directory.parent) as place:
        tree, made = Path(place, "tree"), Path(place, "made")
        made.mkdir()
        hooks = [f"--{moment}-hook={command}" for moment, command in HOOKS]
        lean = ('--aptopt=APT::Install-Recommends "false"', "--dpkgopt=path-exclude=/usr/share/{doc,man,locale}/*")
        include = f"--include={','.join((*PACKAGES, *INSTALLED))}"
        machine.run("mmdebstrap", "--quiet", "--variant=minbase", include, *lean, *hooks, "trixie", str(tree))
        for pattern, name in (("vmlinuz-*", "vmlinuz"), ("initrd.img-*", "initrd.img")):
            (found,) = (tree / "boot").glob(pattern)
            shutil.copy(found, made / name)
        machine.run("truncate", "--size", SIZE, str(made / "root.img"))
        machine.run("mke2fs", "-q", "-t", "ext4", "-d", str(tree), str(made / "root.img"))
        made.rename(image.directory)
    return "built"


def acceleration(image: Image) -> str:
    """Return C(kvm) where guests of it live, C(tcg) where it is missing or they die; found out once for an image."""
    record = image.directory / "acceleration"
    if not record.exists():
        record.write_text("kvm" if os.access("/dev/kvm", os.R_OK | os.W_OK) and _boots(image) else "tcg")
    return record.read_text()


def _boots(image: Image) -> bool:
    """Whether the kernel says its first words under KVM; a device that is there proves nothing."""
    argv = [*"qemu-system-x86_64 -accel kvm -cpu host -m 512 -nodefaults -display none -no-reboot".split()]
    argv += ["-serial", "stdio", "-kernel", str(image.kernel), "-append", "console=ttyS0 panic=-1"]
    with (
        tempfile.TemporaryFile() as words,
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=words, stderr=subprocess.DEVNULL) as process,
    ):
        deadline = monotonic() + PROBE_SECONDS
        spoke = False
        while not spoke and process.poll() is None and monotonic() < deadline:
            sleep(0.2)
            spoke = _says(words.fileno(), b"Linux version")
        process.kill()
        return spoke or _says(words.fileno(), b"Linux version")


def _says(descriptor: int, words: bytes) -> bool:
    return words in os.pread(descriptor, 2**20, 0)
