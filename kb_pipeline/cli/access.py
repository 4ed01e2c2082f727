"""`kb access`: roles of PostgreSQL that read with SQL what their groups may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from kb_pipeline.cli.session import opened_site
from kb_pipeline.terminal.output import Json, note, print_json, say, table

if TYPE_CHECKING:
    from kb_pipeline.store.roles import SqlRole

access_app = typer.Typer(help="Roles of PostgreSQL that read what their groups may.", no_args_is_help=True)

Names = list[str] | None
Role = Annotated[str, typer.Argument(help="Name of the role.")]


@access_app.command("sql-role")
def admit_role(
    name: Role,
    group: Annotated[Names, typer.Option("--group", help="A group of readers it belongs to; repeatable.")] = None,
    collection: Annotated[
        Names, typer.Option("--collection", help="A collection it may read; repeatable; all when left out.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Let a role read the view knowledge_chunks as its groups may; it is made where there is none."""
    from kb_pipeline.access.roles import admit

    with opened_site() as site:
        admitted = admit(site.connect(), name, groups=group or (), collections=collection or ())
    if as_json:
        print_json({"password": admitted.password, **_described(admitted.role)})
        return 0
    if admitted.password is not None:
        say(admitted.password)
        note(f"This is the password of {name}; keep it now, it is not shown again.")
    else:
        note(f"{name} reads kb_readers.knowledge_chunks; put kb_readers first in its search_path.")
    return 0


@access_app.command("list")
def list_roles(as_json: Json = False) -> int:
    """All roles that read with SQL."""
    from kb_pipeline.store.roles import all_roles

    with opened_site() as site:
        found = [_described(role) for role in all_roles(site.connect())]
    if as_json:
        print_json({"roles": found})
        return 0
    table("Roles", [_in_words(role) for role in found])
    if not found:
        say("No role reads with SQL yet; kb access sql-role NAME makes one.")
    return 0


@access_app.command("revoke")
def end_role(name: Role, as_json: Json = False) -> int:
    """Take its access from a role, and the role itself away if kb made it."""
    from kb_pipeline.access.roles import end

    with opened_site() as site:
        end(site.connect(), name)
    if as_json:
        print_json({"revoked": name})
    else:
        say(f"The role {name} reads nothing any more.")
    return 0


def _described(role: SqlRole) -> dict[str, Any]:
    return {
        "name": role.name,
        "groups": role.groups,
        "collections": role.collections,
        "made_by_kb": role.is_ours,
        "created_at": role.created_at,
    }


def _in_words(role: dict[str, Any]) -> dict[str, str]:
    return {
        "role": role["name"],
        "groups": ", ".join(role["groups"]),
        "collections": "all" if role["collections"] is None else ", ".join(role["collections"]),
        "made by kb": "yes" if role["made_by_kb"] else "no",
    }
