"""Queries registries by the OCI distribution API; anonymously, because all images are public."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing as t
import urllib.parse
from collections.abc import Mapping

import requests

from silo.images.reference import DIGEST, Reference

SECONDS = 20
# The most pages of a list of tags; a repository with a build for each change has many thousand tags.
MOST_PAGES, MOST_BYTES = 200, 16 * 1024**2
# The index of all architectures first, because its digest is pinned.
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
FIELD = re.compile(r'(\w+)="([^"]*)"')


class RegistryError(Exception):
    """A registry does not answer, or its answer is invalid; the text is a sentence."""


@dataclasses.dataclass(frozen=True)
class _Answer:
    """A complete answer. `following` is the address of the next page; empty on the last."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    following: str


class Registry:
    """Queries all registries over one session; reuses the token of a repository."""

    def __init__(self) -> None:
        """Open the session."""
        self._session = requests.Session()
        # Send no password of a .netrc to a registry.
        self._session.auth = lambda request: request
        self._tokens: dict[str, str] = {}

    def digest(self, image: Reference) -> str:
        """Return the current digest of the tag of `image`; raises RegistryError."""
        answer = self._ask(image, f"{image.url}/manifests/{image.tag}", {"Accept": MANIFESTS})
        found = answer.headers.get("Docker-Content-Digest") or f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if not DIGEST.fullmatch(found):
            raise RegistryError(f"{image.registry} returned {found[:80]!r} as the digest of {image.repository}")
        return found

    def tags(self, image: Reference) -> list[str]:
        """Return all tags of the repository of `image`; raises RegistryError."""
        tags: list[str] = []
        url = f"{image.url}/tags/list?n=1000"
        for _page in range(MOST_PAGES):
            answer = self._ask(image, url, {})
            try:
                tags += [str(tag) for tag in json.loads(answer.body)["tags"] or []]
            except (ValueError, KeyError, TypeError):
                raise RegistryError(f"{image.registry} returned no list of tags of {image.repository}") from None
            if not answer.following:
                return tags
            url = urllib.parse.urljoin(url, answer.following)
        raise RegistryError(f"{image.registry} has more than {MOST_PAGES} pages of tags of {image.repository}")

    def _ask(self, image: Reference, url: str, headers: dict[str, str]) -> _Answer:
        answer = self._get(image, url, {**headers, **self._known(image)})
        if answer.status == requests.codes.unauthorized:
            self._tokens[image.url] = self._token(image, answer.headers.get("WWW-Authenticate", ""))
            answer = self._get(image, url, {**headers, **self._known(image)})
        if answer.status != requests.codes.ok:
            hint = {404: ", so it has no such image", 429: ", because of too many requests; try again later"}
            said = f"{answer.status}{hint.get(answer.status, '')}"
            raise RegistryError(f"{image.registry} answered the request for {image.repository} with {said}")
        return answer

    def _known(self, image: Reference) -> dict[str, str]:
        token = self._tokens.get(image.url)
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _token(self, image: Reference, challenge: str) -> str:
        """Return an anonymous token, from the address that the registry names."""
        fields = dict(FIELD.findall(challenge))
        realm = fields.pop("realm", "")
        secure = urllib.parse.urlsplit(image.url).scheme == "http" or realm.startswith("https://")
        if not challenge.lower().startswith("bearer ") or not realm or not secure:
            raise RegistryError(f"{image.registry} does not allow anonymous access to {image.repository}")
        wanted = {key: fields[key] for key in ("service", "scope") if key in fields}
        answer = self._get(image, f"{realm}?{urllib.parse.urlencode(wanted)}", {})
        try:
            given = json.loads(answer.body)
            return str(given.get("token") or given["access_token"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RegistryError(f"{image.registry} returned no anonymous token for {image.repository}") from None

    def _get(self, image: Reference, url: str, headers: dict[str, str]) -> _Answer:
        try:
            with self._session.get(url, headers=headers, timeout=SECONDS, stream=True) as answer:
                body = bytearray()
                for part in answer.iter_content(65536):
                    body += part
                    if len(body) > MOST_BYTES:
                        raise RegistryError(f"{image.registry} answered with more than {MOST_BYTES} bytes")
                return _Answer(
                    answer.status_code, answer.headers, bytes(body), answer.links.get("next", {}).get("url", "")
                )
        except requests.RequestException as error:
            raise RegistryError(f"{image.registry} cannot be reached: {_why(error)}") from None


def _why(error: BaseException) -> str:
    """Return the innermost error; the outer ones repeat it with addresses of objects."""
    inner: t.Any = error
    while getattr(inner, "args", None) and isinstance(inner.args[0], BaseException):
        inner = inner.args[0]
    reason = getattr(inner, "reason", None) or inner
    return re.sub(r"^<[^>]*>: |^\w+\([^)]*\): ", "", " ".join(str(reason).split()))[:200]
