"""What a customer and an operator see, as pictures for the documents: they are made of a running lab by a browser.

With SILO_PICTURES, a directory, the pictures are written there; docs/start/pictures has those of the last time.
"""

import base64
import html
import io
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from rich.console import Console
from rich.text import Text

from ..browser import Browser
from ..operator import ROOT

# Of a picture in the documents, in bytes.
LARGEST = 60_000
PHONE, TERMINAL = 420, 1100
COLUMNS = 144
TEXTS = yaml.safe_load((ROOT / "roles" / "access" / "vars" / "main.yml").read_text())["__access_texts"]["en"]


@pytest.fixture
def browser(lab, tmp_path):
    browser = Browser(lab, tmp_path / "home")
    yield browser
    browser.quit()


@pytest.fixture
def picture(browser, tmp_path):
    """A function: makes a picture of what the browser shows, and returns its file."""
    directory = Path(os.environ.get("SILO_PICTURES") or tmp_path)

    def take(name, width):
        driver = browser.driver
        driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        # Low, so that the height is that of the page.
        size = {"width": width, "height": 100, "deviceScaleFactor": 1.5, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        height = driver.execute_script("window.scrollTo(0, 0); return document.documentElement.scrollHeight")
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**size, "height": height})
        taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 80})
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{name}.webp"
        path.write_bytes(base64.b64decode(taken["data"]))
        return path

    return take


@pytest.fixture
def link(newcomer, operator, tmp_path):
    """The one-time link of a new customer who reads English."""
    name = newcomer("mia", email="mia@example.ch", language="en")
    operator.apply("--limit", name)
    operator.run("tenant-access.yml", "--limit", name, "-e", f"access_links_directory={tmp_path / 'links'}")
    return (tmp_path / "links" / name).read_text().strip()


def is_picture(path):
    """Whether a file is a WebP that shows something, and is small enough for a document."""
    data = path.read_bytes()
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP" and 4_000 < len(data) < LARGEST


def test_a_customer_sees_the_page_of_the_link(browser, picture, link):
    assert TEXTS["form"]["title"] in browser.open(link)
    assert is_picture(picture("customer", PHONE))


def test_an_operator_sees_all_tenants(browser, picture, operator, tmp_path):
    command = f"silo -i {operator.inventory} list"
    # On a terminal of its own, as wide as the picture.
    shown = subprocess.run(
        ["script", "--quiet", "--return", "--command", command, "/dev/null"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": str(COLUMNS), "TERM": "xterm-256color"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
    screen = Console(record=True, width=COLUMNS, file=io.StringIO())
    screen.print("$ silo list")
    screen.print(Text.from_ansi(shown.replace("\r", "").rstrip()))
    page = tmp_path / "list.html"
    drawing = screen.export_svg(title="the operator's terminal")
    style = "body{margin:0}svg{display:block;width:100%}"
    page.write_text(f"<!doctype html><title>{html.escape(command)}</title><style>{style}</style>{drawing}")
    seen = browser.open(page.as_uri())
    assert "hans" in seen.replace("\N{NO-BREAK SPACE}", " ")
    assert is_picture(picture("operator", TERMINAL))
