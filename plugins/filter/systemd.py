# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values as the lines of a systemd unit take them, whatever stands in them."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError


def systemd_word(text: object, field: str, variables: bool = True) -> str:
    """Return a text as one word of a command line or of Environment=, quoted; fails for what no line can have.

    `variables` is whether systemd replaces variables there, as it does in arguments, and not in the name of a program
    or in Environment=.
    """
    plain = _on_one_line(text, field).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain.replace("$", "$$") if variables else plain}"'


def systemd_path(text: object, field: str) -> str:
    """Return a path as a setting takes it that knows no quotes, such as WorkingDirectory=; fails for another text."""
    path = _on_one_line(text, field)
    # systemd strips spaces at the end, and a backslash there joins the next line.
    if not path.startswith("/") or path.endswith((" ", "\\")):
        raise AnsibleFilterError(f"{field} is {path!r}; it must be an absolute path, without a space or \\ at its end")
    return path.replace("%", "%%")


def _on_one_line(text: object, field: str) -> str:
    plain = str(text)
    if not plain.isprintable():
        raise AnsibleFilterError(f"{field} is {plain!r}; a unit of systemd takes it on one line, of printable letters")
    return plain


class FilterModule:
    """The filters, by the names that roles use."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return name to function."""
        return {"systemd_word": systemd_word, "systemd_path": systemd_path}
