"""The models of the machine learning: whole, by their digests, root's, and as they were if anything is wrong."""

import hashlib
import io
import os
import subprocess
import tarfile

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.learning import models as library
from ansible_collections.swissphoto.silo.plugins.module_utils.learning.models import Model, ModelsError

ME = os.getuid()
FILES = {
    "clip/ViT/config.json": b"{}",
    "clip/ViT/visual/model.onnx": b"seen",
    "clip/ViT/textual/model.onnx": b"said",
    "ocr/PP/detection/model.onnx": b"read",
}
MODELS = [Model("ViT", "clip"), Model("PP", "ocr")]


def fill(folder, files=None):
    for name, content in (FILES if files is None else files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def archive(path, files, **links):
    with tarfile.open(path, "w") as opened:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
        for name, target in links.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            opened.addfile(member)
    return path


@pytest.fixture
def place(tmp_path):
    (tmp_path / "there").mkdir()
    return tmp_path / "there"


def there(place):
    top = place / "models"
    return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


@pytest.mark.parametrize("packed", [False, True])
def test_models_are_put_there_and_known(place, tmp_path, packed):
    assert library.missing(place, MODELS, ME) == ["ViT", "PP"]
    source = archive(tmp_path / "models.tar", FILES) if packed else fill(tmp_path / "source")
    record = library.put(place, MODELS, source)
    assert there(place) == FILES
    assert library.read(place) == record
    assert library.problems(place, ME) == []
    assert library.missing(place, MODELS, ME) == []
    assert sorted(path.name for path in place.iterdir()) == ["models", "models.json"]
    modes = {path.is_dir(): path.stat().st_mode & 0o777 for path in (place / "models").rglob("*")}
    assert modes == {True: 0o755, False: 0o644}


def test_the_digest_is_what_sha256sum_tells(place, tmp_path):
    """As the document says how to make it."""
    record = library.put(place, MODELS, fill(tmp_path / "source"))
    command = "find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum | sha256sum"
    done = subprocess.run(
        ["sh", "-c", command], cwd=place / "models/clip/ViT", capture_output=True, text=True, check=True
    )
    assert library.digest(record, "clip/ViT") == f"sha256:{done.stdout.split()[0]}"


def test_nothing_else_is_taken(place, tmp_path):
    source = fill(
        tmp_path / "source", FILES | {"clip/ViT/.cache/x": b"", "clip/other/model.onnx": b"", "pose/a/b": b""}
    )
    (source / "clip/ViT/link").symlink_to("/etc/passwd")
    os.mkfifo(source / "clip/ViT/pipe")
    library.put(place, MODELS, source)
    assert there(place) == FILES


def test_an_archive_reaches_no_other_place(place, tmp_path):
    evil = {"../evil": b"", "/evil": b"", "clip/ViT/../../../evil": b"", "clip/ViT": b"", "./clip/ViT/a": b"a"}
    library.put(place, MODELS, archive(tmp_path / "a.tar", FILES | evil, **{"clip/ViT/link": "/etc/passwd"}))
    assert there(place) == FILES | {"clip/ViT/a": b"a"}
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("packed", [False, True])
def test_what_is_wrong_changes_nothing(place, tmp_path, packed):
    record = library.put(place, MODELS, fill(tmp_path / "first"))
    right = [Model("ViT", "clip", library.digest(record, "clip/ViT")), Model("PP", "ocr")]
    assert library.missing(place, right, ME) == []
    other = FILES | {"clip/ViT/visual/model.onnx": b"evil"}
    source = archive(tmp_path / "a.tar", other) if packed else fill(tmp_path / "b", other)
    with pytest.raises(ModelsError, match="ViT of .* has the digest sha256:.*; machine_learning_models has sha256:"):
        library.put(place, right, source)
    with pytest.raises(ModelsError, match="has no file of facial-recognition/buffalo_l"):
        library.put(place, [*MODELS, Model("buffalo_l", "facial-recognition")], source)
    assert there(place) == FILES
    assert library.missing(place, right, ME) == []
    # A later run removes what is left of it.
    library.put(place, MODELS, source)
    assert there(place) == other
    assert library.missing(place, right, ME) == ["ViT"]


def test_an_archive_of_another_digest_is_not_opened(place, tmp_path):
    source = archive(tmp_path / "a.tar", FILES)
    with pytest.raises(ModelsError, match="machine_learning_models_archive_digest is sha256:00"):
        library.put(place, MODELS, source, "sha256:00")
    library.put(place, MODELS, source, f"sha256:{hashlib.sha256(source.read_bytes()).hexdigest()}")


def test_what_is_no_archive(place, tmp_path):
    (tmp_path / "a.tar").write_bytes(b"x" * 2000)
    with pytest.raises(ModelsError, match="is not a tar archive"):
        library.put(place, MODELS, tmp_path / "a.tar")


def test_files_have_an_end(place, tmp_path, monkeypatch):
    monkeypatch.setattr(library, "MOST_FILES", 3)
    with pytest.raises(ModelsError, match="more than 3 files"):
        library.put(place, MODELS, fill(tmp_path / "source"))


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (lambda top: (top / "clip/ViT/config.json").unlink(), "clip/ViT/config.json is missing"),
        (lambda top: (top / "clip/ViT/config.json").write_bytes(b"{ }"), "config.json has 3 bytes in place of 2"),
        (lambda top: (top / "clip/ViT/more").write_bytes(b""), "clip/ViT/more is not of the record"),
        (lambda top: (top / "clip/ViT/config.json").chmod(0o666), "config.json can be changed by others than root"),
        (lambda top: (top / "clip").chmod(0o777), "clip can be changed by others than root"),
        (lambda top: top.with_name("models.json").unlink(), "there is no record"),
        (lambda top: top.with_name("models.json").write_bytes(b"[]"), "there is no record"),
    ],
)
def test_what_is_not_as_recorded_is_seen(place, tmp_path, change, seen):
    library.put(place, MODELS, fill(tmp_path / "source"))
    change(place / "models")
    (problem,) = library.problems(place, ME)
    assert seen in problem
    assert library.missing(place, MODELS, ME) == ["ViT", "PP"]


def test_files_of_another_owner_are_not_root_s(place, tmp_path):
    library.put(place, MODELS, fill(tmp_path / "source"))
    assert "can be changed by others than root" in library.problems(place, ME + 1)[0]


def test_the_service_loads_them_before_it_answers():
    assert library.preload([*MODELS, Model("ViT-L", "clip")]) == {
        "MACHINE_LEARNING_PRELOAD__CLIP__TEXTUAL": "ViT,ViT-L",
        "MACHINE_LEARNING_PRELOAD__CLIP__VISUAL": "ViT,ViT-L",
        "MACHINE_LEARNING_PRELOAD__OCR__DETECTION": "PP",
        "MACHINE_LEARNING_PRELOAD__OCR__RECOGNITION": "PP",
    }
    assert set(library.preload([Model("a", task) for task in library.TYPES])) == {
        f"MACHINE_LEARNING_PRELOAD__{kind}"
        for kind in (
            "CLIP__TEXTUAL",
            "CLIP__VISUAL",
            "FACIAL_RECOGNITION__DETECTION",
            "FACIAL_RECOGNITION__RECOGNITION",
            "OCR__DETECTION",
            "OCR__RECOGNITION",
        )
    }
