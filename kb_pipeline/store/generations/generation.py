"""What a generation is, and which there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.rows import class_row

from kb_pipeline.embedding.models import QueryAdapter
from kb_pipeline.errors import SettingsError
from kb_pipeline.store import ledger
from kb_pipeline.store.database import Connection
from kb_pipeline.store.queries import query, serving_table

WIDEST_DEFAULT = 1024  # dimensions that are served where the settings do not say


@dataclass(frozen=True, slots=True)
class Generation:
    """`dimension` is that of the serving table; `native_dimension` that of the stored vectors; `collection`: the one
    that it serves, None for all that have no generation of their own. `query_adapter`: the name of the adapter that
    queries go through, and where its folder is."""

    id: int
    name: str
    model_fingerprint: str
    model: str
    native_dimension: int
    dimension: int
    query_instruction: str
    collection_instructions: dict[str, str]
    collection: str | None
    state: str
    created_at: datetime
    activated_at: datetime | None
    retired_at: datetime | None
    row_count: int
    query_adapter: str | None = None
    query_adapter_folder: str | None = None

    @property
    def table(self) -> sql.Identifier:
        return serving_table(self.id)

    @property
    def adapter(self) -> QueryAdapter | None:
        """What queries go through; None: the model as it is."""
        if self.query_adapter is None or self.query_adapter_folder is None:
            return None
        return QueryAdapter(self.query_adapter, self.query_adapter_folder)

    @property
    def space(self) -> tuple[str, int]:
        """What two generations have in common whose rows are the same."""
        return self.model_fingerprint, self.dimension

    def instruction_for(self, collections: Sequence[str]) -> str:
        """The instruction of a query over `collections` (empty: all). One query has one vector, so a collection's own
        counts where all that are searched share it."""
        own = {self.collection_instructions.get(name, self.query_instruction) for name in collections}
        return own.pop() if len(own) == 1 else self.query_instruction


@dataclass(frozen=True, slots=True)
class GenerationKey:
    """What distinguishes one generation from another: everything that vectors depend on."""

    model_fingerprint: str
    model: str
    native_dimension: int
    dimension: int
    query_instruction: str
    collection_instructions: Mapping[str, str] = field(default_factory=dict)
    collection: str | None = None

    def matches(self, generation: Generation) -> bool:
        return (
            self.collection,
            self.model_fingerprint,
            self.dimension,
            self.query_instruction,
            dict(self.collection_instructions),
        ) == (
            generation.collection,
            generation.model_fingerprint,
            generation.dimension,
            generation.query_instruction,
            generation.collection_instructions,
        )


def generations(connection: Connection) -> list[Generation]:
    with connection.cursor(row_factory=class_row(Generation)) as cursor:
        return cursor.execute(query("generations", "generation_columns")).fetchall()


def active_generation(connection: Connection, collection: str | None = None) -> Generation | None:
    """Of `collection` alone; None: of all that have none of their own."""
    for generation in generations(connection):
        if generation.state == "active" and generation.collection == collection:
            return generation
    return None


def active_generations(connection: Connection) -> list[Generation]:
    """Those that are searched: the one of all collections that have none of their own first, where there is one."""
    active = [generation for generation in generations(connection) if generation.state == "active"]
    return sorted(active, key=lambda generation: (generation.collection is not None, generation.collection))


def working_targets(connection: Connection) -> list[int | None]:
    """What a refresh works for: the active generations; before there is one for all collections the newest that is to
    be it, or None for the one that is to be made."""
    known = generations(connection)
    active: list[int | None] = [generation.id for generation in known if generation.state == "active"]
    shared = [generation for generation in known if generation.collection is None]
    if any(generation.state == "active" for generation in shared):
        return active
    return [*active, shared[-1].id if shared else None]


def serves_nothing(connection: Connection, generation: Generation) -> bool:
    """Whether a generation holds no document although there are some for it."""
    statement = query("generations", "serves_nothing", served=ledger.served())
    row = connection.execute(statement, {"generation": generation.id}).fetchone()
    return row is not None and bool(row[0])


def named_generation(connection: Connection, name: str) -> Generation:
    """Raises SettingsError, which lists the names there are."""
    known = generations(connection)
    for generation in known:
        if generation.name == name:
            return generation
    names = ", ".join(generation.name for generation in known) or "none yet"
    raise SettingsError(f"There is no generation {name}; there are: {names}.")


def summaries(connection: Connection) -> list[dict[str, Any]]:
    """Each generation with its number of rows, for people to read."""
    return [
        {
            "name": generation.name,
            "state": generation.state,
            "collection": generation.collection,
            "model": generation.model,
            "dimension": generation.dimension,
            "rows": generation.row_count,
        }
        for generation in generations(connection)
    ]
