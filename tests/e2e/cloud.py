"""A customer's browser or phone: HTTP over TLS to a host name, at the lab's address."""

from __future__ import annotations

import dataclasses
import datetime
import http.client
import io
import json
import os
import socket
import ssl
import typing as t
import uuid

from PIL import Image

from tests.failures.record import LOG

from .lab import Lab

NOW = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC).isoformat()


def picture(size: int = 64) -> bytes:
    """A JPEG that nobody has seen before; about `size` * `size` * 0.9 bytes."""
    file = io.BytesIO()
    Image.frombytes("RGB", (size, size), os.urandom(size * size * 3)).save(file, "JPEG")
    return file.getvalue()


@dataclasses.dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> t.Any:
        return json.loads(self.body)


class Cloud:
    """The photo cloud at one host name."""

    def __init__(self, lab: Lab, name: str, *, verify: bool = True) -> None:
        self.lab, self.host = lab, f"{name}.{lab.domain}"
        self.context = ssl.create_default_context(cafile=lab.ca_file)
        if not verify:
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE
        self.token = ""

    def connect(self) -> ssl.SSLSocket:
        raw = socket.create_connection((self.lab.address, 443), timeout=60)
        return self.context.wrap_socket(raw, server_hostname=self.host)

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        # Queries, bodies and successful answers may contain secrets.
        shown = path.partition("?")[0]
        with LOG.action(self.host.partition(".")[0], f"{method} {shown}") as action:
            answer = self._request(method, path, body, headers)
            refusal = answer.body.decode(errors="replace") if answer.status >= http.client.BAD_REQUEST else ""
            action.end(answer.status, refusal)
        return answer

    def _request(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection(self.host)
        connection.sock = self.connect()
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, None, **headers)

    def send(self, method: str, path: str, value: t.Any) -> Answer:
        return self.request(method, path, json.dumps(value).encode(), Content_Type="application/json")

    def post(self, path: str, value: t.Any) -> Answer:
        return self.send("POST", path, value)

    def works(self) -> bool:
        """Whether the photo server answers, with a certificate that a browser takes."""
        try:
            return self.get("/api/server/ping").status == http.client.OK
        except OSError:
            return False

    def login(self, email: str, password: str) -> Answer:
        answer = self.post("/api/auth/login", {"email": email, "password": password})
        if answer.status == http.client.CREATED:
            self.token = answer.json["accessToken"]
        return answer

    def upload(self, data: bytes, name: str = "photo.jpg") -> Answer:
        boundary = uuid.uuid4().hex
        fields = {"fileCreatedAt": NOW, "fileModifiedAt": NOW, "filename": name}
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{fields[key]}\r\n' for key in fields
        ]
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="assetData"; filename="{name}"\r\n'
        head += "Content-Type: image/jpeg\r\n\r\n"
        body = "".join(parts).encode() + head.encode() + data + f"\r\n--{boundary}--\r\n".encode()
        return self.request("POST", "/api/assets", body, Content_Type=f"multipart/form-data; boundary={boundary}")

    def delete(self, *assets: str) -> Answer:
        """Delete for good, past the trash."""
        return self.send("DELETE", "/api/assets", {"ids": list(assets), "force": True})
