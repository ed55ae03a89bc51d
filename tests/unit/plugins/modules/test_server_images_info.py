"""Of which images the containers are, each image asked for once."""

from ansible_collections.swissphoto.silo.plugins.modules.server_images_info import containers


def container(name, project, image):
    return {
        "Names": [f"/{name}"],
        "Labels": {"com.docker.compose.project": project} if project else {},
        "Image": image,
    } | {
        "ImageID": f"id of {image}",
        "State": "running",
    }


def test_ours_are_told_with_their_digests():
    asked = []

    def get(path, query):
        asked.append(path)
        if path == "/containers/json":
            assert query == {"all": "true"}
            return [
                container("silo-maria-cache-1", "silo-maria", "valkey"),
                container("silo-hans-cache-1", "silo-hans", "valkey"),
                container("silo-pages-pages-1", "silo-pages", "nginx"),
                container("another", "", "nginx"),
                container("other-1", "other", "mysql"),
            ]
        return {"RepoDigests": ["valkey@sha256:1"] if "valkey" in path else None}

    assert containers(get) == [
        {"name": "silo-hans-cache-1", "image": "valkey", "digests": ["valkey@sha256:1"], "state": "running"},
        {"name": "silo-maria-cache-1", "image": "valkey", "digests": ["valkey@sha256:1"], "state": "running"},
        {"name": "silo-pages-pages-1", "image": "nginx", "digests": [], "state": "running"},
    ]
    assert len(asked) == 3
