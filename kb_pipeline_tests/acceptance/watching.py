"""A reader that never stops looking at the table, and keeps every state of a document that it saw.

It looks with a connection of its own and connects again whenever that is cut. What it keeps is judged
afterwards: each state must be one version of the document, complete and in order.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType

import psycopg

STATEMENT = "SELECT document_id, source_file, ordinal, content FROM knowledge_chunks ORDER BY document_id, ordinal"
PAUSE_SECONDS = 0.05

Chunks = tuple[tuple[int, str], ...]


@dataclass
class Reader:
    """Use as a context manager. `states`: document id -> the distinct chunk lists that were visible."""

    database_url: str
    states: dict[int, set[Chunks]] = field(default_factory=dict)
    looks: int = 0
    cuts: int = 0
    twice: set[str] = field(default_factory=set)
    error: Exception | None = None
    _last: bytes = b""
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Reader:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        assert self._thread is not None
        self._thread.join(30)

    def check(self, allowed: Mapping[str, set[tuple[str, ...]]]) -> list[str]:
        """What was seen that should not be: `allowed` maps an identity to the chunk texts of each version."""
        wrong = [f"{path} was there as two documents" for path in sorted(self.twice)]
        for document, states in self.states.items():
            for state in states:
                ordinals = [ordinal for ordinal, _ in state]
                texts = tuple(text for _, text in state)
                identity = texts[0].partition("-P")[0][-4:]
                if ordinals != list(range(len(state))):
                    wrong.append(f"document {document} ({identity}) was visible with the chunks {ordinals}")
                elif texts not in allowed.get(identity, set()):
                    wrong.append(f"document {document} ({identity}) was visible as no version of it: {texts}")
        return wrong

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with psycopg.connect(self.database_url, autocommit=True, connect_timeout=5) as connection:
                    while not self._stopped.wait(PAUSE_SECONDS):
                        self._look(connection)
            except psycopg.OperationalError:
                self.cuts += 1
                time.sleep(PAUSE_SECONDS)
            except psycopg.Error as error:
                self.error = error
                return

    def _look(self, connection: psycopg.Connection) -> None:
        rows = connection.execute(STATEMENT).fetchall()
        self.looks += 1
        digest = hashlib.sha256(repr(rows).encode()).digest()
        if digest == self._last:
            return
        self._last = digest
        seen: dict[int, list[tuple[int, str]]] = {}
        owners: dict[str, int] = {}
        for document, source_file, ordinal, content in rows:
            seen.setdefault(document, []).append((ordinal, content))
            if owners.setdefault(source_file, document) != document:
                self.twice.add(source_file)
        for document, chunks in seen.items():
            self.states.setdefault(document, set()).add(tuple(chunks))
