"""Queries registries by the OCI distribution API; anonymously, because all images are public."""

from __future__ import annotations

import hashlib
import http
import os
import re
import ssl
import urllib.parse

from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json, http_client
from ansible_collections.swissphoto.silo.plugins.module_utils.common.http_client import Answer, HttpError, Route

from silo.images.reference import DIGEST, Reference

SECONDS = 20
REDIRECTS = 3
# The most pages of a list of tags; a repository with a build for each change has many thousand tags.
MOST_PAGES, MOST_BYTES = 200, 16 * 1024**2
# The index of all architectures first, because its digest is pinned.
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
# The address of the next page, in the header Link.
NEXT = re.compile(r'<([^<>]{1,2048})>\s*;\s*rel="?next"?')
FIELD = re.compile(r'(\w+)="([^"]*)"')


class RegistryError(Exception):
    """A registry does not answer, or its answer is invalid; the text is a sentence."""


class Registry:
    """Queries all registries; reuses the token of a repository."""

    def __init__(self) -> None:
        """Trust the system's authorities, or those of the file that REQUESTS_CA_BUNDLE names; raises RegistryError."""
        named = os.environ.get("REQUESTS_CA_BUNDLE") or None
        try:
            tls = ssl.create_default_context(cafile=named)
        except OSError as error:
            raise RegistryError(f"REQUESTS_CA_BUNDLE names {named}, which holds no certificates: {error}") from None
        self._route = Route(tls=tls, proxies=True)
        self._tokens: dict[str, str] = {}

    def digest(self, image: Reference) -> str:
        """Return the current digest of the tag of `image`; raises RegistryError."""
        answer = self._ask(image, f"{image.url}/manifests/{image.tag}", {"Accept": MANIFESTS})
        found = answer.headers.get("docker-content-digest") or f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
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
                tags += [str(tag) for tag in bounded_json.parse(answer.body)["tags"] or []]
            except (ValueError, KeyError, TypeError):
                raise RegistryError(f"{image.registry} returned no list of tags of {image.repository}") from None
            following = NEXT.search(answer.headers.get("link", ""))
            if not following:
                return tags
            page = urllib.parse.urljoin(url, following[1])
            if urllib.parse.urlsplit(page)[:2] != urllib.parse.urlsplit(url)[:2]:
                raise RegistryError(f"{image.registry} names a page of tags that is at another host")
            url = page
        raise RegistryError(f"{image.registry} has more than {MOST_PAGES} pages of tags of {image.repository}")

    def _ask(self, image: Reference, url: str, headers: dict[str, str]) -> Answer:
        answer = self._get(image, url, {**headers, **self._known(image)})
        if answer.status == http.HTTPStatus.UNAUTHORIZED:
            self._tokens[image.url] = self._token(image, answer.headers.get("www-authenticate", ""))
            answer = self._get(image, url, {**headers, **self._known(image)})
        if answer.status != http.HTTPStatus.OK:
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
            given = bounded_json.parse(answer.body)
            return str(given.get("token") or given["access_token"])
        except (ValueError, KeyError, TypeError, AttributeError):
            raise RegistryError(f"{image.registry} returned no anonymous token for {image.repository}") from None

    def _get(self, image: Reference, url: str, headers: dict[str, str]) -> Answer:
        try:
            answer = http_client.ask(
                url, headers=headers, seconds=SECONDS, largest=MOST_BYTES, redirects=REDIRECTS, route=self._route
            )
        except HttpError as error:
            raise RegistryError(f"{image.registry} cannot be reached: {error}") from None
        if not answer.whole:
            raise RegistryError(f"{image.registry} answered with more than {MOST_BYTES} bytes")
        return answer
