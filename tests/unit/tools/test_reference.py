"""The generated references are what the tool would write now, and the tool sees every change of its sources."""

import shutil

import click
import pytest

from tools import reference


def test_the_references_are_up_to_date():
    outdated = ", ".join(map(str, reference.outdated()))
    assert not outdated, f"{outdated}: outdated; run `{reference.COMMAND}` and commit what it wrote"


def test_every_command_is_in_the_reference():
    text = reference.cli()
    for path in ("silo create", "silo images", "silo serve worker", "silo billing retry"):
        assert f"\n## `{path}`\n" in text
    assert "-i, --inventory PATH" in text and "-h, --help" in text


def test_hidden_commands_are_left_out():
    group = click.Group("silo", commands=[click.Command("seen"), click.Command("unseen", hidden=True)])
    assert [context.command_path for context in reference.contexts(group, "silo")] == ["silo", "silo seen"]


@pytest.fixture
def repository(tmp_path):
    for name in ("group_vars", "roles/tenant/meta", "roles/tenant/defaults", "docs/reference"):
        shutil.copytree(reference.ROOT / name, tmp_path / name)
    return tmp_path


def test_a_changed_setting_makes_the_reference_outdated_until_it_is_written(repository, capsys):
    reference.main([], repository)
    assert reference.main(["--check"], repository) == 0
    specs = repository / "roles" / "tenant" / "meta" / "argument_specs.yml"
    specs.write_text(specs.read_text().replace("      tenant_slice:", "      tenant_slices:"))
    assert reference.main(["--check"], repository) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"{path} is outdated; run `python tools/reference.py`"
        for path in ("docs/reference/settings.md", "roles/tenant/meta/argument_specs.yml")
    ]
    assert reference.main([], repository) == 0
    assert "`tenant_slices`" in (repository / "docs" / "reference" / "settings.md").read_text()


def test_a_default_is_that_of_group_vars_before_that_of_the_role(repository):
    text = reference.settings(repository)
    assert "| `tenant_storage_root` | path | `{{ silo_storage_root }}` |" in text
    assert "| `tenant_slice` | bool | `true` |" in text
    assert "| `tenant_email` | str | required |" in text
    assert "| `tenant_secrets.database_password` | str | required |" in text


def test_a_comment_for_a_linter_is_no_meaning_of_a_setting(repository):
    assert "# yamllint disable" in (repository / "group_vars" / "all" / "images.yml").read_text()
    assert "yamllint" not in reference.settings(repository)


def test_what_is_wiring_is_no_setting():
    text = reference.settings()
    assert "| `silo_brand_name` |" in text
    assert "| `silo_brand` |" not in text
    assert "billing_checkout_brand" not in text


def test_each_setting_of_the_platform_has_a_meaning():
    rows = [line.split(" | ") for line in reference.settings().splitlines() if line.endswith(".yml` |")]
    assert [cells[0] for cells in rows if not cells[2].strip()] == []


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("such as V(1T)", "such as `1T`"),
        ("below O(main#tenant_quota)", "below `tenant_quota`"),
        ("C(quota(1))", "`quota(1)`"),
        ("B(never)", "never"),
        ("an I(O) is none", "an O is none"),
    ],
)
def test_the_markup_of_ansible_becomes_markdown(text, markdown):
    assert reference._text(text) == markdown
