"""The site's secret key, from which pseudonyms are made.

The key is 32 bytes, written as 64 hex digits. Whoever has it can test whether a known value is behind a
pseudonym, so its file is readable by its owner only. A lost key cannot be recovered: new documents would
get other pseudonyms than old ones. Therefore a database remembers the id of its key, and another one is refused.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from kb_pipeline.errors import SettingsError
from kb_pipeline.privacy.pseudonyms import key_id

KEY_VARIABLE = "KB_PRIVACY_KEY"
KEY_FILE = "privacy.key"
KEY_BYTES = 32

_HEX_KEY = re.compile(rf"[0-9a-fA-F]{{{2 * KEY_BYTES}}}")


def load_or_create_key(home: Path, given: str | None = None) -> bytes:
    """The 32 bytes of `given` (the setting KB_PRIVACY_KEY), else of `home`/privacy.key, made when it is not there.

    Several processes may call this at once: all get the same key. Raises SettingsError when the key is
    malformed or its file cannot be read or written.
    """
    if given:
        return _parse(given, KEY_VARIABLE)
    path = home / KEY_FILE
    try:
        if not path.exists():
            _create(path)
        return _parse(path.read_text(encoding="ascii", errors="replace"), str(path))
    except OSError as error:
        raise SettingsError(
            f"The privacy key {path} cannot be read or made ({error.strerror}): correct the permissions of its folder."
        ) from None


def require_key(home: Path, given: str | None, recorded: str) -> None:
    """Raises SettingsError unless the site's key is there and is the one that a database has `recorded`.

    Makes none: a new key in the place of a lost one would look like the right one to whoever restores it.
    """
    anew = "or start anew with kb privacy rekey, after which every document is read and embedded again"
    if not given and not (home / KEY_FILE).exists():
        raise SettingsError(
            f"There is no {home / KEY_FILE}, but the database was masked with the key {recorded}: restore that file "
            f"from a backup, set {KEY_VARIABLE}, {anew}."
        )
    own = key_id(load_or_create_key(home, given))
    if own != recorded:
        raise SettingsError(
            f"The key of this KB_HOME ({own}) is not the one that the database was masked with ({recorded}): put "
            f"the privacy.key in {home} that belongs to the database, set {KEY_VARIABLE}, {anew}."
        )


def _create(path: Path) -> None:
    """Write a new key beside `path` and link it there: the name never shows a half-written key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        return  # another process was first; its key is the key
    finally:
        draft.unlink(missing_ok=True)


def _parse(text: str, origin: str) -> bytes:
    if not _HEX_KEY.fullmatch(text.strip()):
        raise SettingsError(
            f"The privacy key in {origin} is not {2 * KEY_BYTES} hex digits: restore it from a backup "
            "(a new key gives new documents other pseudonyms than the stored ones)."
        )
    return bytes.fromhex(text.strip())
