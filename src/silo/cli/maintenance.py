"""silo maintenance: a page in place of photo clouds, while the operator works on them."""

from __future__ import annotations

import datetime

import click

from silo import maintenance as notices
from silo.cli import output
from silo.cli.context import Context, agree, changing, show, tenant_service
from silo.languages import LANGUAGES
from silo.maintenance import MaintenanceError, Notice
from silo.tenants import TenantService


@click.command(cls=output.Command)
@click.argument("scopes", nargs=-1, metavar="[CUSTOMER|SERVER]...")
@click.option("--all", "everybody", is_flag=True, help="All photo clouds of all servers.")
@click.option("--on", "switch", flag_value="on", help="Show the page.")
@click.option("--off", "switch", flag_value="off", help="Show the photo clouds again.")
@click.option(
    "--until",
    metavar="TIME",
    help="When you expect to be done, such as 22:00, '2026-12-24 22:00', or a day, which means its end.",
)
@click.option("--text", help="What customers read, in every language; by default that we work on our servers.")
@click.option("--text-de", help="The text for customers with German alone; takes precedence over --text.")
@click.option("--text-fr", help="The same for French.")
@click.option("--text-it", help="The same for Italian.")
@click.option("--text-en", help="The same for English.")
@output.json_option(
    "An object with 'maintenance': scope, until and text of what is on, and with --on or --off also 'diff', the edit."
)
@changing
@click.pass_obj
def maintenance(
    context: Context,
    /,
    scopes: tuple[str, ...],
    everybody: bool,
    switch: str | None,
    until: str | None,
    text: str | None,
    as_json: bool,
    yes: bool,
    dry_run: bool,
    **of_languages: str | None,
) -> None:
    """Show a maintenance page in place of photo clouds, with a text and a time, or list where one is shown.

    Programs get JSON with the same. Photo clouds continue to run behind the page, which stays until --off. If a NAS
    does not answer for a minute, its servers show a page without this command.

    \b
    Examples:
      silo maintenance
      silo maintenance --on silo1 --until 22:00
      silo maintenance --on hans --text-de "Wir ziehen um." --until '2026-12-24 22:00'
      silo maintenance --off --all
    """
    names = ["all", *scopes] if everybody else list(dict.fromkeys(scopes))
    texts = {one: of_languages[f"text_{one}"] or text for one in LANGUAGES if of_languages[f"text_{one}"] or text}
    if switch is None:
        if names or texts or until:
            raise click.UsageError("say --on or --off")
        _show(context, as_json)
        return
    if not names:
        raise click.UsageError("name customers or servers, or give --all")
    if switch == "off" and (texts or until):
        raise click.UsageError("--off takes no text and no time")
    notice = _notice({one: said for one, said in texts.items() if said}, until) if switch == "on" else None
    with tenant_service(context) as service:
        edit = service.maintain(names, notice, dry_run=True)
        if not as_json:
            show(edit)
        if dry_run:
            if as_json:
                output.as_json({**_on(service), "diff": edit.diff_text})
            return
        if notice:
            agree(yes, f"Customers of {', '.join(names)} reach a page in place of their photo clouds. Continue?")
        service.maintain(names, notice)
        if as_json:
            output.as_json({**_on(service), "diff": edit.diff_text})
            return
        output.line(f"Maintenance is {switch} for {', '.join(names)}.")
        if switch == "off" and (others := service.files.maintenance()):
            output.line(f"It is still on for {', '.join(sorted(others))}.")


def _notice(texts: dict[str, str], until: str | None) -> Notice:
    try:
        return Notice(texts, notices.until(until, datetime.datetime.now(datetime.UTC)) if until else None)
    except MaintenanceError as error:
        raise output.WrongInput(str(error)) from error


def _on(service: TenantService) -> dict[str, object]:
    """Return what is on, for programs."""
    found = service.files.maintenance()
    return {"maintenance": [{"scope": scope, **notice.value} for scope, notice in sorted(found.items())]}


def _show(context: Context, as_json: bool) -> None:
    service = context.service()
    if as_json:
        output.as_json(_on(service))
        return
    found = service.files.maintenance()
    if not found:
        output.line("No maintenance is on.")
        return
    now = datetime.datetime.now(datetime.UTC)
    table = output.table("for", "until", "text")
    for scope, notice in sorted(found.items()):
        end = notice.until.astimezone(notices.ZONE).strftime("%Y-%m-%d %H:%M") if notice.until else "not said"
        late = ", which is over" if notice.until and notice.until < now else ""
        said = " / ".join(dict.fromkeys(notice.texts.values())) or "silo's own"
        table.add_row(scope, end + late, said)
    output.show(table)
