"""Telling a webhook what needs a person: one message about all that is new, and never twice the same.

What was told is in the ledger, and leaves it when it ends. A receiver that does not take a message is tried again after
a minute, two, four and so on up to an hour; meanwhile nothing is lost, since the conditions themselves last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from kb_pipeline.alerts.message import Condition, Digest, body, untold
from kb_pipeline.alerts.webhook import deliver, host_of
from kb_pipeline.errors import AlertReceiverUnavailable, SettingsError
from kb_pipeline.settings import AlertSettings, Settings
from kb_pipeline.site import Site
from kb_pipeline.store import alerts as store
from kb_pipeline.store import ledger
from kb_pipeline.store.database import Connection

FIRST_REST = timedelta(minutes=1)
LONGEST_REST = timedelta(hours=1)


def tell(site: Site, seen: Sequence[Condition]) -> str:
    """Tell of what the ledger knows and of what the caller has `seen`; a sentence about what came of it.

    Raises AlertReceiverUnavailable where the receiver did not take the message.
    """
    settings, connection = site.settings.alerts, site.connect()
    current = [each for each in (*seen, *_in_ledger(connection)) if each.kind in settings.kinds]
    store.forget_ended(connection, [each.key for each in current])
    new = untold(current, store.told(connection))
    if not new:
        return f"Nothing new to tell; {len(current)} known conditions last."
    if not store.claim(connection):
        waiting = store.delivery(connection)
        because = f" {waiting.problem}" if waiting.problem else ""
        return f"{len(new)} new to tell; the next message goes at {waiting.not_before:%H:%M:%S %Z} or later.{because}"
    known = Counter(each.kind for each in current)
    try:
        _send(site.settings, Digest(new, known, datetime.now(UTC), _links(site.settings)))
    except AlertReceiverUnavailable as error:
        attempts = store.delivery(connection).attempts
        store.note_undelivered(connection, str(error), min(FIRST_REST * 2**attempts, LONGEST_REST))
        raise
    told = [(each.kind, each.subject, each.state) for each in new]
    store.note_delivered(connection, told, timedelta(minutes=settings.every_minutes))
    return f"Told {host_of(_url(settings))} of {len(new)} new."


def send_test(settings: Settings) -> str:
    """Send a message that says nothing is wrong; returns the receiver's host.

    Raises SettingsError without a receiver, and AlertReceiverUnavailable.
    """
    _send(settings, Digest((), {}, datetime.now(UTC), _links(settings)))
    return host_of(_url(settings.alerts))


def _in_ledger(connection: Connection) -> list[Condition]:
    failed = [
        Condition("documents", each.subject, each.state, each.path, each.error)
        for each in ledger.lasting_failures(connection)
    ]
    held = [
        Condition("deletions", uri, "held", uri, f"{count} files are gone")
        for uri, count in ledger.held_deletions(connection).items()
    ]
    return failed + held


def _send(settings: Settings, digest: Digest) -> None:
    form = settings.alerts.format
    deliver(_url(settings.alerts), body(digest, form), form)


def _url(settings: AlertSettings) -> str:
    if settings.webhook_url is None:
        raise SettingsError("No receiver of alerts is set; name one in KB_ALERTS__WEBHOOK_URL.")
    return settings.webhook_url.get_secret_value()


def _links(settings: Settings) -> dict[str, str]:
    of_page = (settings.alerts.page_url or f"http://127.0.0.1:{settings.search_port}").rstrip("/")
    of_dagster = settings.alerts.dagster_url or f"http://127.0.0.1:{settings.dagster_port}"
    return {"Overview": f"{of_page}/#/overview", "Dagster": of_dagster}
