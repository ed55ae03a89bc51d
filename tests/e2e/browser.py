"""A customer's browser: Debian's Chromium, which trusts the lab's authority and finds its host names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import element_to_be_clickable
from selenium.webdriver.support.ui import WebDriverWait

from tests.failures.record import LOG

from .lab import Lab

SECONDS = 30


class Browser:
    """One window with a profile of its own below `home`."""

    def __init__(self, lab: Lab, home: Path) -> None:
        store = home / ".pki" / "nssdb"
        store.mkdir(parents=True)
        for arguments in (["-N", "--empty-password"], ["-A", "-n", "lab", "-t", "C,,", "-i", lab.ca_file]):
            subprocess.run(["certutil", *arguments, "-d", f"sql:{store}"], check=True, timeout=30)
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in (
            "--headless=new",
            "--no-sandbox",  # the tests run as root
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={home}/profile",
            f"--host-resolver-rules=MAP *.{lab.domain} {lab.address}",
        ):
            options.add_argument(argument)
        service = Service("/usr/bin/chromedriver", env={**os.environ, "HOME": str(home)})
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(SECONDS)

    def open(self, url: str) -> str:
        """Go to `url`; what stands on the page."""
        with LOG.action("browser", f"open {url}"):
            self.driver.get(url)
        return self.text

    @property
    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    def fill(self, **fields: str) -> None:
        """Type into the fields of the page by their names, and press the button of their form."""
        wait = WebDriverWait(self.driver, SECONDS)
        with LOG.action("browser", f"fill in {', '.join(fields)}"):
            for name, value in fields.items():
                # A page that is there is not yet one that takes what is typed, where the machine has much else to do.
                field = wait.until(element_to_be_clickable((By.NAME, name)))
                field.clear()
                field.send_keys(value)
            field.submit()

    def wait_for(self, text: str) -> None:
        with LOG.action("browser", f"wait for {text!r}"):
            WebDriverWait(self.driver, SECONDS).until(lambda _driver: text in self.text, f"{text!r} in {self.text!r}")

    def quit(self) -> None:
        self.driver.quit()
