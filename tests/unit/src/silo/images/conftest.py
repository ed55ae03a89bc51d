"""A registry of the world: HTTP, tokens for nobody, pages of tags."""

import http.server
import json
import threading
import urllib.parse

import pytest

DIGEST = "sha256:" + "a" * 64


class World:
    """What the registry has, and what it was asked. `refuse`: path to a status that it answers with instead."""

    def __init__(self):
        self.tags, self.manifests, self.asked, self.refuse = {}, {}, [], {}
        self.open, self.says_digest, self.token = False, True, {"token": "T"}
        self.address = ""


@pytest.fixture
def world():
    found = World()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = urllib.parse.urlsplit(self.path).path
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
            found.asked.append(self.path)
            if path == "/token":
                return self.answer(200, found.token)
            if path in found.refuse:
                return self.answer(found.refuse[path], {})
            if not found.open and self.headers.get("Authorization") != "Bearer T":
                where = f'Bearer realm="http://{found.address}/token",service="world",scope="repository:a:pull"'
                return self.answer(401, {}, {"WWW-Authenticate": where})
            repository, kind, name = path.removeprefix("/v2/").rsplit("/", 2)
            if kind == "tags":
                return self.page(repository, int(query.get("at", 0)))
            body = found.manifests.get((repository, name))
            headers = {"Docker-Content-Digest": DIGEST} if found.says_digest else {}
            return self.answer(200 if body is not None else 404, body or {}, headers)

        def page(self, repository, at):
            tags = found.tags.get(repository)
            if tags is None:
                return self.answer(404, {})
            more = {"Link": f'</v2/{repository}/tags/list?at={at + 2}>; rel="next"'} if at + 2 < len(tags) else {}
            return self.answer(200, {"name": repository, "tags": tags[at : at + 2]}, more)

        def answer(self, status, value, headers=()):
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            for name, text in {**dict(headers), "Content-Length": str(len(body))}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.address = f"127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield found
        server.shutdown()
