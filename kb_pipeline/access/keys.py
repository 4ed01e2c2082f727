"""API keys: made, listed and revoked; and recognised by a server that remembers them for a few seconds.

A server reads all keys at once, at most every few seconds: a request then costs no query, a revoked key stops working
within that time, and whoever tries keys at random costs the database nothing. A key that it does not know makes it look
again sooner, so that a new one works within half a second.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import cast

import psycopg

from kb_pipeline.access.principal import RIGHTS, Principal, Right
from kb_pipeline.access.tokens import Token, new_token, read_token
from kb_pipeline.errors import DatabaseUnavailable, SettingsError, Unauthenticated
from kb_pipeline.store import keys as store
from kb_pipeline.store.database import Connection
from kb_pipeline.store.keys import StoredKey

OLDEST = 5.0  # seconds after which the keys are read again
YOUNGEST = 0.5  # seconds before which they are not, whatever is asked
USES_APART = 60.0  # seconds between two notes of a key's use
LONGEST_NAME = 64  # characters

_NAME = re.compile(rf"[\w.@-]{{1,{LONGEST_NAME}}}")
_DURATION = re.compile(r"(?P<count>[1-9][0-9]{0,4})(?P<unit>[mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def create(
    connection: Connection,
    name: str,
    *,
    groups: Sequence[str],
    collections: Sequence[str],
    rights: Sequence[str],
    expires: str,
) -> tuple[str, StoredKey]:
    """A new key, which nobody can be told again, and what is stored of it. `collections`: empty for all.

    Raises SettingsError.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"A key cannot have this name; use 1 to {LONGEST_NAME} letters, digits and . _ @ - for one."
        )
    wrong = [right for right in rights if right not in RIGHTS]
    if wrong:
        raise SettingsError(f"There is no right {wrong[0]}; choose of {', '.join(RIGHTS)}.")
    if any(not text.strip() or "\0" in text for text in (*groups, *collections)):
        raise SettingsError("A group or collection has no name; write one, or leave the option out.")
    seconds = duration(expires)
    text = new_token()
    token = read_token(text)
    stored = store.insert(
        connection,
        key_id=token.key_id,
        digest=token.digest,
        name=name,
        groups=list(dict.fromkeys(groups)),
        collections=list(dict.fromkeys(collections)) or None,
        rights=[right for right in RIGHTS if right in rights],
        seconds=seconds,
    )
    return text, stored


def duration(text: str) -> float | None:
    """Seconds of `90d`, `12h`, `30m` or `2w`; None for `never`. Raises SettingsError."""
    if text == "never":
        return None
    found = _DURATION.fullmatch(text)
    if found is None:
        raise SettingsError("The time until a key expires is written as 90d, 12h, 30m or 2w, or never; correct it.")
    return float(int(found["count"]) * _SECONDS[found["unit"]])


def revoke(connection: Connection, key: str) -> list[str]:
    """Revoke the key of this id or name; its id. Raises SettingsError when there is none."""
    revoked = store.revoke(connection, key)
    if not revoked:
        raise SettingsError("There is no such key, or it was revoked before; kb keys list shows names and ids.")
    return revoked


def state_of(key: StoredKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "active" if key.expires_at is None or now < key.expires_at else "expired"


def principal_of(key: StoredKey) -> Principal:
    return Principal(
        name=f"key:{key.name}",
        groups=tuple(key.groups),
        collections=None if key.collections is None else tuple(key.collections),
        rights=frozenset(cast("list[Right]", key.rights)),
    )


@dataclass(slots=True)
class KeyRing:
    """The keys as a server knows them. `connect`: an idle autocommit connection for the length of a block."""

    connect: Callable[[], AbstractContextManager[Connection]]
    _keys: dict[str, StoredKey] = field(default_factory=dict)
    _read_at: float | None = None
    _failed_at: float | None = None
    _noted: dict[str, float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def is_fresh(self, token: Token | None = None) -> bool:
        """Whether the keys need not be read again, for `token` or to know whether there are any."""
        if self._read_at is None:
            return False
        age = time.monotonic() - self._read_at
        return age < (OLDEST if token is None or token.key_id in self._keys else YOUNGEST)

    def refresh(self, token: Token | None = None) -> None:
        """Read the keys unless they are fresh. Raises DatabaseUnavailable, psycopg.Error."""
        with self._lock:
            if self.is_fresh(token):
                return
            if self._failed_at is not None and time.monotonic() - self._failed_at < YOUNGEST:
                raise DatabaseUnavailable("The keys cannot be read from PostgreSQL just now; try again in a moment.")
            asked_at = time.monotonic()  # a key may be revoked while they are read
            self._failed_at = None
            try:
                with self.connect() as connection:
                    self._keys = {key.id: key for key in store.all_keys(connection)}
            except (DatabaseUnavailable, psycopg.Error):
                self._failed_at = time.monotonic()  # all who wait here need not find out one by one
                raise
            self._read_at = asked_at

    @property
    def has_keys(self) -> bool:
        """Whether a key was ever made; as of the last look."""
        return bool(self._keys)

    def find(self, token: Token) -> StoredKey:
        """The key, as of the last look. Raises Unauthenticated, which tells only its holder more than that."""
        key = self._keys.get(token.key_id)
        if key is None or not token.is_of(key.digest):
            raise Unauthenticated("This key is not known here; ask for a new one.")
        state = state_of(key, datetime.now(UTC))
        if state != "active":
            raise Unauthenticated(
                f"This key {'was revoked' if state == 'revoked' else 'has expired'}; ask for a new one."
            )
        return key

    def is_noted(self, key: StoredKey) -> bool:
        """Whether this use of the key need not be noted."""
        return time.monotonic() - self._noted.get(key.id, float("-inf")) < USES_APART

    def note(self, key: StoredKey) -> None:
        """Note in the database that the key was used, once a minute."""
        self._noted[key.id] = time.monotonic()
        with self.connect() as connection:
            store.record_use(connection, key.id, seconds=USES_APART)
