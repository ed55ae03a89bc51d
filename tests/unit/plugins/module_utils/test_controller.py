"""A plugin can be loaded without the package silo, and fails with Ansible's usual message when it runs."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.controller import SiloImports


class Failure(Exception):
    pass


def test_with_the_package_nothing_fails():
    imports = SiloImports()
    with imports:
        import silo  # noqa: F401
    imports.require(Failure)


def test_without_the_package_a_run_fails_and_says_how_to_install_it():
    imports = SiloImports()
    with imports:
        import silo.no_such_module  # noqa: F401
    with pytest.raises(Failure, match=r"required Python library \(silo\).*make setup installs it") as raised:
        imports.require(Failure)
    assert isinstance(raised.value.__cause__, ImportError)


def test_another_error_of_the_package_is_not_hidden():
    with pytest.raises(ValueError, match="broken"), SiloImports():
        raise ValueError("broken")
