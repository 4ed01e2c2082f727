"""The same work through LlamaIndex's IngestionPipeline; run by bench_documents.py in the peer's own environment.

Configured as its documentation advises for speed: batches as large as the embedding interface takes, one bulk
insert into PGVectorStore, no transformation cache (it would only add hashing to a first load). The docstore is
what lets it skip unchanged documents in the next run, which the ledger does for us; the in-memory one, written to
disk once at the end, is its fastest. Its wheel holds the data of its tokenizer and its sentence splitter, so
nothing is downloaded. num_workers of its pipeline is left alone: with 2, version 0.14.25 never ended here.

Takes one argument, JSON:
  documents, report, storage   folder of the files, file for the result, folder for the docstore
  database, name, table        socket folder, database and table to write to
  embedding_url, model, dimension
  workers                      processes of the reader and the pipeline
  indexes                      true: a full-text and an HNSW index, as ours has them; false: neither
The report is JSON: nodes, and the seconds of each step.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from llama_index.core import SimpleDirectoryReader
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.node_parser import MarkdownNodeParser, SentenceSplitter
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from llama_index.readers.file import FlatReader
from llama_index.vector_stores.postgres import PGVectorStore

LARGEST_BATCH = 2048  # texts in a request; the interface refuses more
CHUNK_TOKENS = 512  # about the 2,000 characters of ours


def main() -> None:
    call = json.loads(sys.argv[1])
    workers = call["workers"]
    started = time.perf_counter()
    documents = SimpleDirectoryReader(
        call["documents"], recursive=True, filename_as_id=True, file_extractor={".md": FlatReader()}
    ).load_data(num_workers=workers if workers > 1 else None)
    read = time.perf_counter()
    store = vector_store(call)
    pipeline = IngestionPipeline(
        transformations=[
            MarkdownNodeParser(),
            SentenceSplitter(chunk_size=CHUNK_TOKENS, chunk_overlap=0),
            OpenAILikeEmbedding(
                model_name=call["model"],
                api_base=call["embedding_url"],
                api_key="none",
                embed_batch_size=LARGEST_BATCH,
            ),
        ],
        vector_store=store,
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS,
        disable_cache=True,
    )
    nodes = pipeline.run(documents=documents, num_workers=workers if workers > 1 else None)
    ran = time.perf_counter()
    pipeline.persist(call["storage"])
    persisted = time.perf_counter()
    steps = {"read": read - started, "pipeline": ran - read, "persist": persisted - ran}
    Path(call["report"]).write_text(json.dumps({"nodes": len(nodes), "steps": steps}))


def vector_store(call: dict[str, Any]) -> PGVectorStore:
    address = f"postgres@/{call['name']}?host={call['database']}&port=5432"
    return PGVectorStore(
        connection_string=f"postgresql+psycopg2://{address}",
        async_connection_string=f"postgresql+asyncpg://{address}",
        table_name=call["table"],
        schema_name="public",
        embed_dim=call["dimension"],
        use_halfvec=True,
        hybrid_search=call["indexes"],
        text_search_config="english",
        hnsw_kwargs=(
            {"hnsw_m": 16, "hnsw_ef_construction": 64, "hnsw_ef_search": 40, "hnsw_dist_method": "halfvec_cosine_ops"}
            if call["indexes"]
            else None
        ),
    )


if __name__ == "__main__":
    main()
