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
from rich.console import Console
from rich.text import Text

from ..browser import Browser
from ..operator import ROOT

# Of a picture in the documents, in bytes.
LARGEST = 60_000
PHONE, COLUMNS = (420, 700), 126
ADDRESS = "mia@example.ch"


@pytest.fixture
def browser(lab, tmp_path):
    browser = Browser(lab, tmp_path / "home")
    yield browser
    browser.quit()


@pytest.fixture
def picture(browser, tmp_path):
    """A function: makes a picture of what the browser shows, and returns its file."""
    directory = Path(os.environ.get("SILO_PICTURES") or tmp_path)

    def take(name, width, height):
        browser.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1.5, "mobile": False},
        )
        taken = browser.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 80})
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{name}.webp"
        path.write_bytes(base64.b64decode(taken["data"]))
        return path

    return take


@pytest.fixture
def link(newcomer, operator, tmp_path):
    """The one-time link of a new customer who reads English."""
    name = newcomer("mia", email=ADDRESS, language="en")
    operator.apply("--limit", name)
    operator.run("tenant-access.yml", "--limit", name, "-e", f"access_links_directory={tmp_path / 'links'}")
    return (tmp_path / "links" / name).read_text().strip()


def is_picture(path):
    """Whether a file is a WebP that shows something, and is small enough for a document."""
    data = path.read_bytes()
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP" and 4_000 < len(data) < LARGEST


def test_a_customer_sees_the_page_of_the_link(browser, picture, link):
    assert ADDRESS in browser.open(link)
    assert is_picture(picture("customer", *PHONE))


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
    page.write_text(f"<title>{html.escape(command)}</title><style>body{{margin:0}}svg{{width:100%}}</style>{drawing}")
    seen = browser.open(page.as_uri())
    assert "hans" in seen.replace("\N{NO-BREAK SPACE}", " ")
    height = browser.driver.execute_script("return document.querySelector('svg').getBoundingClientRect().height")
    width = browser.driver.execute_script("return window.innerWidth")
    assert is_picture(picture("operator", 1100, round(1100 * height / width) + 1))
