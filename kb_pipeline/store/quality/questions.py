"""Questions whose answers are known, in sets.

Terms
  answer      where it stands: a document, and usually words of it (its *quote*) or a page. Never a chunk: chunks are
              cut anew, quotes stay.
  kind        what sort of question it is, in the words of whoever made the set: number, table, definition, …
  provenance  where a question comes from: a judgment of people, an import of a known form, a file of the site's own,
              or synthetic, which a language model wrote.
  split       what a question may be used for. *tune* trains, *dev* chooses, *test* decides and is frozen; *unused*
              would join two of them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from kb_pipeline.errors import SettingsError
from kb_pipeline.store.queries import query

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from kb_pipeline.store.database import Connection

Provenance = Literal["judgment", "import", "file", "synthetic"]
Split = Literal["tune", "dev", "test", "unused"]
SPLITS: tuple[Split, ...] = ("tune", "dev", "test", "unused")


@dataclass(frozen=True, slots=True)
class Answer:
    """`path`: of the document, as a search shows it; None: to be found by the quote. `grade`: how good it is, from 1.

    `document_id`: of the live document that it stands in; None where there is none.
    """

    path: str | None
    quote: str = ""
    page_number: int | None = None
    grade: int = 1
    document_id: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """`id`: its row; None before it is stored."""

    question: str
    answers: tuple[Answer, ...]
    kind: str = ""
    language: str = ""
    provenance: Provenance = "file"
    split: Split = "unused"
    id: int | None = None


@dataclass(frozen=True, slots=True)
class SetSummary:
    """`gone`: questions none of whose documents is there any more."""

    name: str
    questions: int
    tune: int
    dev: int
    test: int
    unused: int
    gone: int
    created_at: datetime


class Document(NamedTuple):
    id: int
    path: str
    collection: str


class SampledChunk(NamedTuple):
    document_id: int
    path: str
    content: str


class StoredChunk(NamedTuple):
    document_id: int
    chunk_key: str
    ordinal: int
    content: str
    page_number: int | None
    page_end: int | None
    collection: str
    language: str


def put(connection: Connection, name: str, questions: Sequence[Question]) -> int:
    """Store `questions` in the set `name`, which is made where there is none, and commit; how many are new to it.

    One that is there already gets these answers instead of its own, and keeps its split unless it was unused.
    """
    with connection.transaction():
        connection.execute(query("quality_questions", "ensure_set"), {"name": name})
        rows = [{**asdict(question), "place": place} for place, question in enumerate(questions)]
        parameters = {"name": name, "questions": Jsonb(rows)}
        stored = connection.execute(query("quality_questions", "put_questions"), parameters).fetchall()
        connection.execute(query("quality_questions", "delete_answers"), {"ids": [row[0] for row in stored]})
        connection.execute(query("quality_questions", "insert_answers"), parameters)
        return sum(is_new for _, is_new in stored)


def set_splits(connection: Connection, splits: dict[int, Split]) -> None:
    """Of questions by their ids."""
    parameters = {"ids": list(splits), "splits": list(splits.values())}
    connection.execute(query("quality_questions", "set_splits"), parameters)


def questions_of(connection: Connection, name: str | None = None) -> list[Question]:
    """Of the set `name` (None: of all), in their order. Raises SettingsError where there is no such set."""
    if name is not None and name not in (known := [found.name for found in sets(connection)]):
        raise SettingsError(
            f"There is no evaluation set {name}; there are: {', '.join(known) or 'none yet, see kb eval import'}."
        )
    rows = connection.execute(query("quality_questions", "questions"), {"name": name})
    return [_question(*row) for row in rows]


def _question(
    row: int,
    question: str,
    kind: str,
    language: str,
    provenance: Provenance,
    split: Split,
    answers: list[dict[str, Any]],
) -> Question:
    return Question(question, tuple(Answer(**answer) for answer in answers), kind, language, provenance, split, row)


def sets(connection: Connection) -> list[SetSummary]:
    with connection.cursor(row_factory=class_row(SetSummary)) as cursor:
        return cursor.execute(query("quality_questions", "sets")).fetchall()


def drop(connection: Connection, name: str) -> bool:
    """Whether there was such a set."""
    return connection.execute(query("quality_questions", "drop_set"), {"name": name}).rowcount > 0


def documents_named(connection: Connection, names: Sequence[str]) -> dict[str, list[Document]]:
    """Name -> the live documents of that path, or of that file name with or without its ending."""
    found: dict[str, list[Document]] = {}
    for name, *document in connection.execute(query("quality_questions", "documents_named"), {"names": list(names)}):
        found.setdefault(name, []).append(Document(*document))
    return found


def sample(connection: Connection, name: str, count: int) -> list[SampledChunk]:
    """Passages that say something, the same ones for the same corpus, of documents for which no question of the set
    `name` was written yet."""
    rows = connection.execute(query("quality_questions", "sample"), {"name": name, "count": count})
    return [SampledChunk(*row) for row in rows]


def chunks_of(connection: Connection, documents: Sequence[int]) -> dict[int, list[StoredChunk]]:
    """Document -> its chunks in their order."""
    found: dict[int, list[StoredChunk]] = {}
    for row in connection.execute(query("quality_questions", "chunks_of"), {"documents": list(documents)}):
        found.setdefault(row[0], []).append(StoredChunk(*row))
    return found
