"""`kb access` as a shell sees it: roles that read with SQL, made, listed and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from kb_pipeline_tests.integration.cli.test_commands import Shell, failed_with, shell

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["shell"]


@pytest.fixture
def role(postgres_url: str) -> Iterator[str]:
    """A name that no role of the server has, which other tests share."""
    name = f"kb_cli_{uuid4().hex[:12]}"
    yield name
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {name}".encode())  # where the test did not get to ending it


def test_a_role_is_made_listed_changed_and_ended(shell: Shell, role: str, database_url: str) -> None:
    assert "No role reads with SQL yet" in shell.kb("access", "list").out
    made = shell.kb("access", "sql-role", role, "--group", "hr", "--collection", "policies", "--json").json
    assert {name: made[name] for name in ("name", "groups", "collections", "made_by_kb")} == {
        "name": role,
        "groups": ["hr"],
        "collections": ["policies"],
        "made_by_kb": True,
    }
    as_role = urlsplit(database_url)._replace(netloc=f"{role}:{made['password']}@{_host(database_url)}").geturl()
    with psycopg.connect(as_role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT * FROM documents")

    again = shell.kb("access", "sql-role", role)
    assert (again.code, again.out) == (0, "")  # it keeps its password
    assert "kb_readers.knowledge_chunks" in again.err
    listed = shell.kb("access", "list", "--json").json["roles"]
    assert [(one["name"], one["groups"], one["collections"]) for one in listed] == [(role, [], None)]
    assert role in shell.kb("access", "list").out

    assert shell.kb("access", "revoke", role, "--json").json == {"revoked": role}
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(as_role)
    failed_with(shell.kb("access", "revoke", role), 2, "kb access list")


def test_the_password_of_a_new_role_is_alone_on_stdout(shell: Shell, role: str) -> None:
    made = shell.kb("access", "sql-role", role)
    assert len(made.out.split()) == 1
    assert "not shown again" in made.err
    assert shell.kb("access", "revoke", role).out == f"The role {role} reads nothing any more.\n"


def test_names_that_no_role_can_have_are_refused(shell: Shell) -> None:
    failed_with(shell.kb("access", "sql-role", "Robert'); DROP"), 2, "small letters")
    failed_with(shell.kb("access", "sql-role", "reader", "--group", " "), 2, "no name")


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
