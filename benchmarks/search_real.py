"""How like embeddings the made vectors of `search_corpus` are: real passages beside as many made ones."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from common import home, say, table
from pgvector import HalfVector
from retrieval_sets import load
from search_corpus import CHUNKS_PER_DOCUMENT, Corpus, Floats, local_intrinsic_dimension

from kb_pipeline.embedding.stream import EmbeddedText
from kb_pipeline.settings import Settings
from kb_pipeline.site import connect_embedding
from kb_pipeline.store import database
from kb_pipeline.store.database import Connection

SETS = ("XQuAD zh", "XQuAD en", "MED", "CISI")
MOST_PASSAGES = 1_800
MOST_CHARACTERS = 700  # of a passage, so that embedding takes minutes
QUESTIONS = 100  # of a set
NEIGHBOURS = 20
K = 10
EF_SEARCH = (10, 20, 40)


def compare(folder: Path) -> None:
    """Print the table; `folder` holds the sets as `retrieval_sets` reads them."""
    try:
        sets = [load(name, folder).sampled(QUESTIONS) for name in SETS]
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is not there; --data takes the folder of the retrieval sets ({', '.join(SETS)}).")
    passages = list(dict.fromkeys(text[:MOST_CHARACTERS] for one in sets for text in one.passages))
    chosen = np.random.default_rng(1).permutation(len(passages))[:MOST_PASSAGES]
    asked = [question for one in sets for question in one.relevant]
    with home() as place:
        say(f"embedding {len(chosen)} passages and {len(asked)} questions")
        with connect_embedding(Settings(home=place.path)) as client:
            real = np.zeros((len(chosen), client.identity.native_dimension), np.float32)
            for result in client.embed((str(n).encode(), passages[place]) for n, place in enumerate(chosen)):
                if not isinstance(result, EmbeddedText):
                    sys.exit(f"A passage was refused: {result.reason}")
                real[int(result.key)] = result.vector
            questions = np.stack([client.embed_query(question, "") for question in asked])
        corpus = Corpus(len(real) // CHUNKS_PER_DOCUMENT * CHUNKS_PER_DOCUMENT, real.shape[1])
        made = np.concatenate([batch.vectors for batch in corpus.passages()])
        noise = np.random.default_rng(2).standard_normal(real.shape).astype(np.float32)
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        place.start()
        database.migrate(place.database_url())
        with database.connect(place.database_url(), autocommit=True) as connection:
            rows = [
                _described(connection, "real", real, questions),
                _described(connection, "made", made, corpus.questions(made, len(questions))),
                _described(connection, "uniform noise", noise, noise[: len(questions)][:, ::-1].copy()),
            ]
    columns = ["", "vectors", "LID", "cosine to 1st", "to 10th", *(f"recall@10, ef {ef}" for ef in EF_SEARCH)]
    table("Vectors of passages, and one HNSW index of each", columns, rows)


def _described(connection: Connection, name: str, vectors: Floats, questions: Floats) -> list[object]:
    similarities = vectors @ vectors.T
    np.fill_diagonal(similarities, -2)
    near = -np.sort(-similarities, axis=1)[:, :NEIGHBOURS]
    distances = np.sqrt(np.maximum(2 - 2 * near, 0)).astype(np.float64)
    true = np.argsort(-(questions @ vectors.T), axis=1)[:, :K]
    recalls = [f"{recall:.3f}" for recall in _recalls(connection, vectors, questions, true.tolist())]
    medians = [f"{np.median(near[:, place]):.3f}" for place in (0, K - 1)]
    return [name, len(vectors), f"{local_intrinsic_dimension(distances):.1f}", *medians, *recalls]


def _recalls(connection: Connection, vectors: Floats, questions: Floats, true: list[list[int]]) -> list[float]:
    """For each of EF_SEARCH, with the settings that the product builds with."""
    database.register_types(connection)
    connection.execute("DROP TABLE IF EXISTS likeness")
    connection.execute(f"CREATE TABLE likeness (id integer, embedding halfvec({vectors.shape[1]}))")
    with connection.cursor() as cursor, cursor.copy("COPY likeness FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int4", "halfvec"])
        for number, vector in enumerate(vectors):
            copy.write_row((number, HalfVector(vector)))
    connection.execute("CREATE INDEX ON likeness USING hnsw (embedding halfvec_cosine_ops)")
    recalls = []
    with connection.transaction():
        connection.execute("SET LOCAL enable_seqscan = off")
        for ef_search in EF_SEARCH:
            connection.execute(f"SET LOCAL hnsw.ef_search = {ef_search}")
            shares = []
            for question, wanted in zip(questions, true, strict=True):
                statement = "SELECT id FROM likeness ORDER BY embedding <=> %s LIMIT 10"
                found = {row[0] for row in connection.execute(statement, [HalfVector(question)])}
                shares.append(len(found & set(wanted)) / K)
            recalls.append(float(np.mean(shares)))
    return recalls
