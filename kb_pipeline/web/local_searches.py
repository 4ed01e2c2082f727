"""Searches of `kb search` that the search server does for it; see `services.search_socket`.

By the same operation that the command would call, for whoever may run commands, who needs no key.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any

from kb_pipeline.errors import GenerationMismatch, UnavailableError
from kb_pipeline.operations.search import answer
from kb_pipeline.site import Site, database_url
from kb_pipeline.store.database import database_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kb_pipeline.settings import Settings


class LocalSearches:
    """`kept`: what outlives a search: the client of the embedding server, the maskers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._kept: Site | None = None

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any] | None:
        """As `operations.search.answer`; None where something did not answer that the command might start.

        The next search then connects anew: others may stand where we were connected to. Raises SettingsError.
        """
        kept = self._site()
        try:
            with database_errors(), kept.for_one_call() as site:
                found = answer(site, asked)
        except (UnavailableError, GenerationMismatch):
            self._forget(kept)
            return None
        if found["result"]["note_code"] == "embedding_server":
            self._forget(kept)
            return None
        return found

    def close(self) -> None:
        with self._lock:
            if self._kept is not None:
                self._kept.close()

    def _site(self) -> Site:
        with self._lock:
            if self._kept is None:
                self._kept = Site(self._settings, database_url(self._settings))
            return self._kept

    def _forget(self, kept: Site) -> None:
        """Searches that still use it finish with it; then it is collected."""
        with self._lock:
            if self._kept is kept:
                self._kept = None
