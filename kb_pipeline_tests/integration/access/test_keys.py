"""Keys in a real database, as commands make them and a server recognises them."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

from kb_pipeline.access import keys
from kb_pipeline.access.keys import KeyRing, create, principal_of, revoke
from kb_pipeline.access.tokens import new_token, read_token
from kb_pipeline.cli.app import app, run_command
from kb_pipeline.errors import SettingsError, Unauthenticated
from kb_pipeline.store import database
from kb_pipeline.store.keys import all_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.keys import StoredKey


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    database.migrate(database_url)
    with database.connect(database_url, autocommit=True) as connection:
        yield connection


def made(connection: Connection, name: str = "app", **choice: Any) -> tuple[str, StoredKey]:
    return create(
        connection, name, **({"groups": (), "collections": (), "rights": ("search",), "expires": "90d"} | choice)
    )


def ring(connection: Connection) -> KeyRing:
    return KeyRing(lambda: nullcontext(connection))


def found(ring: KeyRing, text: str) -> StoredKey:
    token = read_token(text)
    ring.refresh(token)
    return ring.find(token)


def test_a_key_is_recognised_and_stored_nowhere(connection: Connection) -> None:
    text, stored = made(
        connection, groups=("hr", "hr"), collections=("contracts",), rights=("feedback", "search"), expires="never"
    )
    principal = principal_of(found(ring(connection), text))
    assert (principal.name, principal.groups, principal.collections) == ("key:app", ("hr",), ("contracts",))
    assert principal.rights == {"search", "feedback"}
    assert stored.expires_at is None
    dump = str(connection.execute("SELECT t::text FROM api_keys t").fetchall())
    assert text[3:11] in dump
    assert text[11:40] not in dump


def test_a_wrong_secret_under_a_known_id_is_an_unknown_key(connection: Connection) -> None:
    text, _ = made(connection)
    keyring = ring(connection)
    keyring.refresh()
    connection.execute("UPDATE api_keys SET digest = %s", [read_token(new_token()).digest])
    keyring._read_at = None
    with pytest.raises(Unauthenticated, match="not known"):
        found(keyring, text)
    with pytest.raises(Unauthenticated, match="not known"):
        found(keyring, new_token())


def test_an_expired_key_and_a_revoked_one_are_told_apart(connection: Connection) -> None:
    expired, _ = made(connection, "old")
    revoked, _ = made(connection, "gone")
    connection.execute("UPDATE api_keys SET expires_at = now() WHERE name = 'old'")
    revoke(connection, "gone")
    keyring = ring(connection)
    with pytest.raises(Unauthenticated, match="has expired"):
        found(keyring, expired)
    with pytest.raises(Unauthenticated, match="was revoked"):
        found(keyring, revoked)
    assert keyring.has_keys, "a server whose keys are all gone is not open again"


def test_a_key_stops_once_it_was_read_again_and_a_new_one_works_sooner(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, _ = made(connection)
    keyring = ring(connection)
    found(keyring, text)
    revoke(connection, "app")
    renewed, _ = made(connection)  # its name is free again
    assert keyring.is_fresh(read_token(text))
    monkeypatch.setattr(keys, "YOUNGEST", 0.0)
    assert found(keyring, renewed).name == "app"
    with pytest.raises(Unauthenticated, match="was revoked"):
        found(keyring, text)
    monkeypatch.setattr(keys, "OLDEST", 0.0)
    revoke(connection, "app")
    with pytest.raises(Unauthenticated, match="was revoked"):
        found(keyring, renewed)


def test_whoever_tries_keys_at_random_makes_no_queries(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "YOUNGEST", 3600.0)
    monkeypatch.setattr(keys, "OLDEST", 3600.0)
    asked = 0

    def counting() -> nullcontext[Connection]:
        nonlocal asked
        asked += 1
        return nullcontext(connection)

    keyring = KeyRing(counting)
    for _ in range(50):
        with pytest.raises(Unauthenticated):
            found(keyring, new_token())
    assert asked <= 2


def test_use_is_noted_once_a_minute_whoever_notes_it(connection: Connection) -> None:
    text, _ = made(connection)
    one, other = ring(connection), ring(connection)
    key = found(one, text)
    assert not one.is_noted(key)
    one.note(key)
    assert one.is_noted(key)
    first = all_keys(connection)[0].last_used_at
    assert first is not None
    other.note(found(other, text))
    assert all_keys(connection)[0].last_used_at == first
    connection.execute("UPDATE api_keys SET last_used_at = now() - interval '61 seconds'")
    other.note(key)
    assert all_keys(connection)[0].last_used_at >= first  # type: ignore[operator]


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"name": "two words"}, "cannot have this name"),
        ({"name": "x" * 65}, "cannot have this name"),
        ({"rights": ("serach",)}, "There is no right serach"),
        ({"collections": (" ",)}, "has no name"),
        ({"groups": ("a\0b",)}, "has no name"),
        ({"expires": "soon"}, "90d"),
        ({"name": "taken"}, "There is a key taken already"),
    ],
)
def test_a_wrong_key_is_not_made(connection: Connection, choice: dict[str, Any], sentence: str) -> None:
    made(connection, "taken")
    with pytest.raises(SettingsError, match=sentence):
        made(connection, **choice)
    assert len(all_keys(connection)) == 1


@pytest.fixture
def run(
    database_url: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("KB_DATABASE_URL", database_url)
    monkeypatch.setenv("KB_HOME", str(home))

    def kb(*arguments: str) -> tuple[int, str, str]:
        code = run_command(lambda: app(list(arguments), standalone_mode=False))
        out, err = capsys.readouterr()
        return code, out, err

    return kb


def test_the_commands_show_a_key_once(run: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = run("keys", "create", "chat", "--collection", "contracts", "--right", "search")
    assert code == 0
    text = out.strip()
    read_token(text)
    assert "not shown again" in err
    code, out, _ = run("keys", "create", "ops", "--json", "--expires", "never")
    given = json.loads(out)
    assert (given["name"], given["state"], given["collections"], given["expires_at"]) == ("ops", "active", None, None)
    assert given["rights"] == ["search", "read", "feedback"]
    read_token(given["key"])
    code, out, _ = run("keys", "list", "--json")
    listed = json.loads(out)["keys"]
    assert [(key["name"], key["rights"]) for key in listed] == [
        ("chat", ["search"]),
        ("ops", ["search", "read", "feedback"]),
    ]
    assert text not in out
    assert run("keys", "revoke", "chat")[0] == 0
    code, out, err = run("keys", "revoke", "chat")
    assert (code, out) == (2, "")
    assert err == "kb: There is no such key, or it was revoked before; kb keys list shows names and ids.\n"
    code, out, _ = run("keys", "revoke", given["id"], "--json")
    assert json.loads(out) == {"revoked": [given["id"]]}
    assert "revoked" in run("keys", "list")[1]
