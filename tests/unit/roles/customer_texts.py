"""The texts that roles show to customers."""

from pathlib import Path

import yaml

ROLES = Path(__file__).parents[3] / "roles"


def texts(role):
    """Language to the texts of a role."""
    return yaml.safe_load((ROLES / role / "vars" / "main.yml").read_text())[f"__{role}_texts"]


def leaves(tree, path=()):
    """Path of keys to text."""
    if isinstance(tree, dict):
        return {leaf: text for key, value in tree.items() for leaf, text in leaves(value, (*path, key)).items()}
    return {path: tree}
