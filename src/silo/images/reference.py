"""Parses the name of an image, and finds newer tags. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

HUB = "docker.io"
NAME = re.compile(
    r"(?P<registry>[A-Za-z0-9.-]+(?::[0-9]+)?)/(?P<repository>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
NUMBER = re.compile(r"[0-9]+")


class ImageError(Exception):
    """The name of an image is invalid, or it cannot be pinned; the text is a sentence."""


@dataclasses.dataclass(frozen=True)
class Reference:
    """An image by its full name. `tag` and `digest` (sha256:...) are empty if the name has none."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse a name; raises ImageError."""
        found = NAME.fullmatch(text)
        if not found:
            right = "it must be a full name such as docker.io/library/traefik:v3.7.15@sha256:..."
            raise ImageError(f"{text!r} is not the name of an image; {right}")
        return cls(found["registry"], found["repository"], found["tag"] or "", found["digest"] or "")

    def __str__(self) -> str:
        """Return the full name."""
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.registry}/{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")

    @property
    def familiar(self) -> str:
        """The name as Docker prints it, without tag and digest, and without Docker's default registry."""
        return f"{self.registry}/{self.repository}".removeprefix(f"{HUB}/library/").removeprefix(f"{HUB}/")

    @property
    def url(self) -> str:
        """The URL of its repository at the registry; like Docker, without TLS for a registry on this machine."""
        host = "registry-1.docker.io" if self.registry == HUB else self.registry
        local = host.partition(":")[0] in ("localhost", "127.0.0.1")
        return f"{'http' if local else 'https'}://{host}/v2/{self.repository}"


def newer(tag: str, tags: Iterable[str]) -> list[str]:
    """Return the `tags` with the form of `tag` and higher numbers, lowest first.

    So v3.2.10 is newer than v3.2.2, but v4.0.0-rc.1 and v3 are not; a tag without numbers, such as stable, has none.
    """

    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(number) for number in NUMBER.findall(text))

    shape = NUMBER.sub("#", tag)
    alike = {other for other in tags if NUMBER.sub("#", other) == shape and numbers(other) > numbers(tag)}
    return sorted(alike, key=numbers)
