import pytest
from photo_server.pictures import make_small_pictures
from PIL import Image


def picture(path, size, orientation=1):
    image = Image.new("RGB", size, "teal")
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    return path


def test_small_pictures_keep_the_shape(tmp_path):
    size = make_small_pictures(picture(tmp_path / "a.jpg", (3000, 1500)), tmp_path / "t/p.jpeg", tmp_path / "t/t.webp")
    assert (size.width, size.height) == (3000, 1500)
    with Image.open(tmp_path / "t/p.jpeg") as preview, Image.open(tmp_path / "t/t.webp") as thumbnail:
        assert (preview.format, preview.size) == ("JPEG", (1440, 720))
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (250, 125))


def test_a_picture_on_its_side_is_turned(tmp_path):
    size = make_small_pictures(picture(tmp_path / "a.jpg", (400, 200), 6), tmp_path / "p.jpeg", tmp_path / "t.webp")
    assert (size.width, size.height) == (200, 400)
    with Image.open(tmp_path / "p.jpeg") as preview:
        assert preview.size == (200, 400)


def test_what_is_no_picture_leaves_nothing(tmp_path):
    (tmp_path / "a.jpg").write_text("no picture")
    with pytest.raises(OSError, match="cannot identify"):
        make_small_pictures(tmp_path / "a.jpg", tmp_path / "t/p.jpeg", tmp_path / "t/t.webp")
    assert not (tmp_path / "t").exists()
