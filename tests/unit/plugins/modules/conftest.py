"""A module of Ansible, run in the process of its test."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

Run = Callable[..., dict[str, Any]]


class Exit(Exception):
    """How a module ends."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Gives a function: a module and its parameters, which nothing checks, to its result; one that fails says so."""

    def of(module: types.ModuleType, *, check: bool = False, **parameters: Any) -> dict[str, Any]:
        class Called(AnsibleModule):  # type: ignore[misc]  # Ansible is not typed
            def __init__(self, *_arguments: Any, **_options: Any) -> None:
                self.params, self.check_mode = parameters, check

            def exit_json(self, **result: Any) -> None:
                raise Exit(result)

            def fail_json(self, **result: Any) -> None:
                raise Exit({"failed": True, **result})

        monkeypatch.setattr(module, "AnsibleModule", Called)
        with pytest.raises(Exit) as ended:
            module.main()
        result: dict[str, Any] = ended.value.args[0]
        return result

    return of
