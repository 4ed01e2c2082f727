"""The search server in a thread of the test, over a knowledge base of three passages."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import uvicorn

from kb_pipeline.embedding.client import EmbeddingClient
from kb_pipeline.operations.originals import open_original
from kb_pipeline.operations.overview import overview
from kb_pipeline.operations.uploads import Uploads
from kb_pipeline.parsing.elements import CleanedDocument, Element, pack
from kb_pipeline.privacy.maskers import Maskers
from kb_pipeline.privacy.masking import Masker
from kb_pipeline.privacy.policy import MaskingPolicy
from kb_pipeline.settings import load_settings
from kb_pipeline.site import Site
from kb_pipeline.source.kinds import Sources
from kb_pipeline.source.names import Names
from kb_pipeline.store import access, database
from kb_pipeline.web.admission import Admission
from kb_pipeline.web.app import create_app
from kb_pipeline.web.serve import server_config
from kb_pipeline_tests.integration.search.serving import Passage, fill, make_generation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fastapi import FastAPI

    from kb_pipeline.answers.answering import Answerer
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation
    from kb_pipeline_tests.instant_embedding_server import InstantServer

NAMES = Names(Maskers(Masker(MaskingPolicy(), b"k" * 32)), Sources(load_settings()))
LARGEST_UPLOAD = 1 << 20
PASSAGES = [
    Passage("员工每年享有五天带薪年假。", "员工手册.pdf", "policies", 12, ("休假", "年假")),
    Passage("The supplier delivers the pump within thirty days.", "contract.pdf", "contracts", 3, ("Delivery",)),
    Passage("<img src=x onerror=alert(1)> is only text.", "odd.html", "contracts"),
]


def filled_database(database_url: str, embeddings: InstantServer) -> None:
    database.migrate(database_url)
    with (
        database.connect(database_url, autocommit=True) as connection,
        EmbeddingClient.connect(embeddings.base_url) as client,
    ):
        load(connection, make_generation(connection, client.identity), PASSAGES)


def load(connection: Connection, generation: Generation, passages: Sequence[Passage]) -> None:
    """`passages` in the serving table, and beside them the documents and elements that a run would have left."""
    fill(connection, generation, passages)
    connection.execute("INSERT INTO sources (uri) VALUES ('file:///served') ON CONFLICT DO NOTHING")
    by_document: dict[int, list[Passage]] = {}
    for number, passage in enumerate(passages, start=1):
        by_document.setdefault(passage.document_id or number, []).append(passage)
    connection.execute("SELECT setval(pg_get_serial_sequence('documents', 'id'), 1000)")
    for document, said in by_document.items():
        connection.execute(
            """
            INSERT INTO documents (id, source_id, path, shard_hash, collection, size, content_hash,
                                   chunked_hash, chunked_extension, chunked_parse)
            OVERRIDING SYSTEM VALUE
            SELECT %(id)s, max(id), %(path)s, '00', %(collection)s, 1000, %(hash)s, %(hash)s, 'md', 'p' FROM sources
            """,
            {
                "id": document,
                "path": said[0].source_file,
                "collection": said[0].collection,
                "hash": f"{document:032d}".encode(),
            },
        )
        elements = tuple(Element("NarrativeText", passage.content, passage.page_number) for passage in said)
        connection.execute(
            """
            INSERT INTO elements (content_hash, extension, parse_fingerprint, format, page_count, element_count,
                                  dropped_count, privacy_counts, warnings, payload)
            VALUES (%s, 'md', 'p', 'markdown', NULL, %s, 0, '{}', '{}', %s)
            """,
            (f"{document:032d}".encode(), len(elements), pack(CleanedDocument(elements))),
        )
        connection.execute(
            "INSERT INTO generation_documents (generation_id, document_id, path, chunk_count, revision) "
            "VALUES (%s, %s, %s, %s, 1)",
            (generation.id, document, said[0].source_file, len(said)),
        )
    access.store(connection, {document: said[0].groups for document, said in by_document.items()})


def application(
    database_url: Callable[[], str],
    connect_embedder: Callable[[], EmbeddingClient],
    admission: Admission = Admission(),  # noqa: B008 - frozen
    folder: Path = Path("uploads"),
    site: Site | None = None,
    answerer: Answerer | None = None,
) -> FastAPI:
    """`site`: whose overview it shows."""
    return create_app(
        database_url=database_url,
        connect_embedder=connect_embedder,
        mask=lambda text, collections: [text.replace("13812345678", "<M>")],
        fusion_weight=lambda collections: 0.5,
        open_original=partial(open_original, NAMES),
        uploads=Uploads(folder.absolute(), LARGEST_UPLOAD, lambda: NAMES),
        overview=lambda connection: overview(site or Site(load_settings(), database_url()), connection),
        admission=admission,
        answerer=answerer,
    )


@contextmanager
def served(
    database_url: Callable[[], str],
    connect_embedder: Callable[[], EmbeddingClient],
    admission: Admission = Admission(),  # noqa: B008 - frozen
    folder: Path = Path("uploads"),
    site: Site | None = None,
    answerer: Answerer | None = None,
) -> Iterator[httpx.Client]:
    """A client of the application, which runs in a thread until the block ends."""
    with running(application(database_url, connect_embedder, admission, folder, site, answerer)) as client:
        yield client


@contextmanager
def running(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of `app`, which runs in a thread until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(server_config(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()
