"""Each filter is documented for ansible-doc."""

import importlib
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[4] / "plugins" / "filter"


def filters():
    """Return the name and the function of each filter."""
    modules = (f"ansible_collections.swissphoto.silo.plugins.filter.{path.stem}" for path in FOLDER.glob("*.py"))
    return sorted(one for name in modules for one in importlib.import_module(name).FilterModule().filters().items())


@pytest.mark.parametrize(("name", "function"), filters(), ids=[name for name, _function in filters()])
def test_the_document_has_the_arguments_of_the_filter(name, function):
    documentation = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))["DOCUMENTATION"]
    code = function.__code__
    assert documentation["name"] == name
    # The first argument is what stands before the bar.
    assert [*documentation["options"]][1:] == [*code.co_varnames[1 : code.co_argcount]]
