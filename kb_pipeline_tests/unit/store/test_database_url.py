"""What messages may say about a database URL."""

from __future__ import annotations

import pytest

from kb_pipeline.errors import DatabaseUnavailable, SettingsError
from kb_pipeline.store.database import connect, display_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:hunter2@db.example.com:5433/kb?sslmode=require", "db.example.com:5433"),
        ("postgres://u@db.example.com/kb", "db.example.com"),
        ("postgresql://u:hunter2@[::1]:5432/kb", "::1:5432"),
        ("postgresql://u:hunter2@a:5432,b:5433/kb", "a,b:5432,5433"),
        ("postgresql://u:hunter2%40%2F@db/kb", "db"),
        ("host=db port=5433 user=u password=hunter2", "db:5433"),
        ("postgresql://u@/kb?host=/run/postgresql&port=5432", "the local socket"),
        ("postgresql:///kb", "the local socket"),
    ],
)
def test_a_url_is_shown_without_user_and_password(url: str, shown: str) -> None:
    assert display_url(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://u:hunter2@db/kb",
        "postgresql://u:hunter2@x@db/kb",
        "postgresql://u:hunter2/x@db/kb",
        "postgresql://u:hunter2@db:port/kb",
        "postgresql://u:hunter2@db/kb?no_such=1",
    ],
)
def test_a_wrong_url_is_a_wrong_setting_and_its_password_is_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError, match="KB_DATABASE_URL") as raised:
        connect(url)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_server_that_is_not_there_is_named_with_the_reason() -> None:
    with pytest.raises(DatabaseUnavailable) as raised:
        connect("postgresql://u:hunter2@127.0.0.1:1/kb")
    message = str(raised.value)
    assert "127.0.0.1:1" in message
    assert "refused" in message
    assert "hunter2" not in message
    assert "\n" not in message
