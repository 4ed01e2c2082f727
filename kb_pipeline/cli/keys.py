"""`kb keys`: who may ask the search server, and for what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_pipeline.cli.session import opened_site
from kb_pipeline.terminal.output import Json, note, print_json, say, table

if TYPE_CHECKING:
    from kb_pipeline.store.keys import StoredKey

keys_app = typer.Typer(help="API keys of the search server: made, listed, revoked.", no_args_is_help=True)

Names = list[str] | None


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Whose key it is, or which program's.")],
    group: Annotated[Names, typer.Option("--group", help="A group of readers it belongs to; repeatable.")] = None,
    collection: Annotated[
        Names, typer.Option("--collection", help="A collection it may search; repeatable; all when left out.")
    ] = None,
    right: Annotated[
        Names,
        typer.Option(
            "--right",
            help="search, read, feedback, original, review, write or admin; repeatable; the first three when left out.",
        ),
    ] = None,
    expires: Annotated[str, typer.Option("--expires", help="90d, 12h, 30m, 2w or never.")] = "90d",
    as_json: Json = False,
) -> int:
    """Make a key and show it this once; the search server asks for one from then on."""
    from kb_pipeline.access.keys import create
    from kb_pipeline.access.principal import READER

    with opened_site() as site:
        text, stored = create(
            site.connect(),
            name,
            groups=group or (),
            collections=collection or (),
            rights=right or READER,
            expires=expires,
        )
    if as_json:
        print_json({"key": text, **_described(stored)})
        return 0
    say(text)
    until = f"until {_minute(stored.expires_at)} UTC" if stored.expires_at else "for ever"
    note(f"Keep it now: it is not shown again. It is good {until}; kb keys revoke {name} ends it.")
    return 0


@keys_app.command("list")
def list_keys(as_json: Json = False) -> int:
    """All keys: what they may, until when, and when they were last used."""
    from kb_pipeline.store.keys import all_keys

    with opened_site() as site:
        found = [_described(key) for key in all_keys(site.connect())]
    if as_json:
        print_json({"keys": found})
        return 0
    table("Keys", [_in_words(key) for key in found])
    if not found:
        say("No key yet, so the search server asks for none; kb keys create NAME makes one.")
    return 0


@keys_app.command("revoke")
def revoke_key(
    key: Annotated[str, typer.Argument(help="The name or the id of a key.")],
    as_json: Json = False,
) -> int:
    """End a key; running servers refuse it within seconds."""
    from kb_pipeline.access.keys import revoke

    with opened_site() as site:
        revoked = revoke(site.connect(), key)
    if as_json:
        print_json({"revoked": revoked})
    else:
        say(f"Key {key} is revoked.")
    return 0


def _described(key: StoredKey) -> dict[str, Any]:
    """All but the hash."""
    from kb_pipeline.access.keys import state_of

    return {
        "id": key.id,
        "name": key.name,
        "state": state_of(key, datetime.now(UTC)),
        "groups": key.groups,
        "collections": key.collections,
        "rights": key.rights,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }


def _in_words(key: dict[str, Any]) -> dict[str, str | None]:
    return {
        "id": key["id"],
        "name": key["name"],
        "state": key["state"],
        "rights": ", ".join(key["rights"]),
        "collections": "all" if key["collections"] is None else ", ".join(key["collections"]),
        "groups": ", ".join(key["groups"]),
        "expires (UTC)": _minute(key["expires_at"]) if key["expires_at"] else "never",
        "last used (UTC)": _minute(key["last_used_at"]) if key["last_used_at"] else None,
    }


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
