"""A customer's browser: Debian's Chromium, which trusts the lab's authority and finds its host names."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import element_to_be_clickable
from selenium.webdriver.support.ui import WebDriverWait

from tests.failures.record import LOG

from .lab import Lab

SECONDS = 30
# Whose session the window has, by the address; nothing where it has none.
SESSION = """
const done = arguments[0];
fetch("/api/users/me").then((answer) => answer.json()).then((user) => done(user.email ?? ""), () => done(""));
"""


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
        # A page that comes takes away the body of the one before, also while that is read.
        wait = WebDriverWait(self.driver, SECONDS, ignored_exceptions=[StaleElementReferenceException])
        return wait.until(lambda driver: [driver.find_element(By.TAG_NAME, "body").text])[0]

    def fill(self, **fields: str) -> None:
        """Type into the fields of the page by their names, and press the button of their form."""
        with LOG.action("browser", f"fill in {', '.join(fields)}"):
            self._submit({(By.NAME, name): value for name, value in fields.items()})

    def type(self, name: str, value: str) -> None:
        """Type into a field of the page in place of what is in it, and press nothing."""
        with LOG.action("browser", f"type into {name}"):
            field = WebDriverWait(self.driver, SECONDS).until(element_to_be_clickable((By.NAME, name)))
            field.clear()
            field.send_keys(value)

    def press(self, selector: str) -> None:
        """Press what a selector of CSS finds first."""
        with LOG.action("browser", f"press {selector}"):
            WebDriverWait(self.driver, SECONDS).until(element_to_be_clickable((By.CSS_SELECTOR, selector))).click()

    def log_in(self, address: str, email: str, password: str) -> None:
        """Log in to the photo server by its form, and wait until the session of this window is that of `email`.

        The form is found by the types of its fields, and no text of a page is expected: both differ between photo
        servers.
        """
        self.open(f"{address}/auth/login")
        with LOG.action("browser", f"log in as {email}"):
            fields = {"input[type=email]": email, "input[type=password]": password}
            self._submit({(By.CSS_SELECTOR, selector): value for selector, value in fields.items()})
            # A page that is being left runs no script.
            wait = WebDriverWait(self.driver, SECONDS, ignored_exceptions=[WebDriverException])
            wait.until(lambda driver: driver.execute_async_script(SESSION) == email, f"no session of {email}")

    def _submit(self, fields: dict[tuple[str, str], str]) -> None:
        wait = WebDriverWait(self.driver, SECONDS)
        for place, value in fields.items():
            # A page that is there is not yet one that takes what is typed, where the machine has much else to do.
            field = wait.until(element_to_be_clickable(place))
            field.clear()
            field.send_keys(value)
        field.submit()

    def wait_for(self, text: str) -> None:
        with LOG.action("browser", f"wait for {text!r}"):
            WebDriverWait(self.driver, SECONDS).until(lambda _driver: text in self.text, f"{text!r} in {self.text!r}")

    def quit(self) -> None:
        self.driver.quit()
