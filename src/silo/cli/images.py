"""silo images: pinned images, newer tags, and the images that run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import click
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import size

from silo import images
from silo.cli import output
from silo.cli.context import Context
from silo.repository import root

SHORT = 19
"""Of a digest: sha256: and twelve digits, as Docker shows it."""


@click.command("images", cls=output.Command)
@click.argument("names", metavar="[IMAGE[=TAG]]...", nargs=-1)
@click.option(
    "--list", "-l", "only_list", is_flag=True, help="Show only the images that run, without querying registries."
)
@click.option("--pin", is_flag=True, help="Write the current digests of the tags into the inventory's images.yml.")
@click.option("--sbom", is_flag=True, help="Print the software on the controller and the servers as CycloneDX in JSON.")
@output.json_option("An object with 'images', 'templates' and 'problems'.")
@click.pass_obj
def show_images(
    context: Context, names: tuple[str, ...], only_list: bool, pin: bool, sbom: bool, as_json: bool
) -> None:
    """Show each image: pinned digest, current digest of its tag, newer tags, and the digest on each server.

    Below are the templates of which new tenants are born, one for each set of images, on each NAS.

    Queries registries anonymously. Ends with 1 if a registry or a server does not answer.

    \b
    Examples:
      silo images
      silo images --pin traefik=v3.7.16
      silo images --sbom > sbom.json
    """
    if sum((only_list, pin, sbom)) > 1:
        raise output.WrongInput("--list, --pin and --sbom exclude each other; use one of them")
    try:
        if pin:
            _pin(context, names)
            return
        if names:
            raise output.WrongInput("use names of images only with --pin")
        answers = images.read(context.inventory)
        problems = answers.problems
        if sbom:
            output.as_json(images.document(answers.running))
        else:
            references = {name: images.Reference.parse(text) for name, text in answers.policy.items()}
            rows = images.survey(references, answers.running, None if only_list else images.Registry())
            problems += tuple(f"{row.name}: {row.problem}" for row in rows if row.problem)
            if as_json:
                templates = [dataclasses.asdict(one) for one in answers.templates]
                shown = [dataclasses.asdict(row) for row in rows]
                output.as_json({"images": shown, "templates": templates, "problems": problems})
            else:
                _show(rows, only_list)
                _show_templates(answers.templates)
    except images.ImageError as error:
        raise output.WrongInput(str(error)) from None
    for problem in problems:
        output.line(problem, err=True)
    if problems:
        raise output.Failure(f"{len(problems)} did not answer.")


def _short(digest: str) -> str:
    return digest[:SHORT]


def _show(rows: Sequence[images.Row], only_list: bool) -> None:
    more = () if only_list else ("the tag now", "newer tags")
    table = output.table("image", "tag", "pinned", *more, "runs")
    for row in rows:
        now = "as pinned" if row.current and row.current == row.digest else _short(row.current)
        asked = () if only_list else (now, _last(row.newer))
        table.add_row(row.name, row.tag or "none", _short(row.digest) or "no", *asked, _runs(row))
    output.show(table)


def _show_templates(templates: Sequence[images.Template]) -> None:
    if not templates:
        return
    table = output.table("template", "on", "photo server", "database", "vectors", "made", "size")
    for one in templates:
        made_of = (_familiar(one.server), _familiar(one.database), one.vector_extension)
        table.add_row(one.key, one.nas, *made_of, one.made_at[:10], size(one.size_bytes))
    output.show(table)


def _familiar(text: str) -> str:
    """Return the last part of an image's name with its tag, or with its short digest."""
    image = images.Reference.parse(text)
    return f"{image.repository.rpartition('/')[2]}:{image.tag}" if image.tag else _short(image.digest)


def _last(tags: Sequence[str], count: int = 3) -> str:
    return ", ".join((*(("...",) if len(tags) > count else ()), *tags[-count:]))


def _runs(row: images.Row) -> str:
    runs: Mapping[str, tuple[str, ...]] = row.runs
    return "; ".join(
        f"{server}: {'as pinned' if digests == (row.digest,) else ', '.join(map(_short, digests))}"
        for server, digests in runs.items()
    )


def _pin(context: Context, names: Sequence[str]) -> None:
    """Write what the tags have now; nothing is written where one of them cannot be asked."""
    pins = images.Pins.of(context.inventory, root())
    wanted = dict(_wanted(name, pins) for name in names) or {
        name: image for name, image in pins.images.items() if image.tag
    }
    registry = images.Registry()
    try:
        fresh = {name: dataclasses.replace(image, digest=registry.digest(image)) for name, image in wanted.items()}
    except images.RegistryError as error:
        raise output.Failure(f"{error}. Nothing was written.") from None
    changed = {name: image for name, image in fresh.items() if image != pins.images[name]}
    if changed:
        pins.pinned(changed).write()
    for name, image in changed.items():
        output.line(f"{name}: {image}")
    output.line(
        f"{len(changed)} of {len(fresh)} differ from {pins.path}" + ("; commit it, then apply" if changed else "")
    )


def _wanted(text: str, pins: images.Pins) -> tuple[str, images.Reference]:
    name, _equals, tag = text.partition("=")
    if name not in pins.images:
        raise images.ImageError(f"unknown image {name!r}; the images are: {', '.join(pins.images)}")
    image = dataclasses.replace(pins.images[name], digest="")
    image = images.Reference.parse(str(dataclasses.replace(image, tag=tag or image.tag)))
    if not image.tag:
        raise images.ImageError(f"image {name!r} has no tag in {pins.path}; it must be {name}=<tag>")
    return name, image
