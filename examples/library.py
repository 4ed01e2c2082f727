"""A program that keeps a folder searchable and asks it a question, without a command line:

python examples/library.py sample_docs "How many days of annual leave may be carried over?"
"""

from __future__ import annotations

import sys

from kb_pipeline import KnowledgeBase
from kb_pipeline.errors import KbError


def main(folder: str, question: str) -> None:
    with KnowledgeBase() as kb:
        planned = kb.plan(folder).counts
        print(f"{planned.new} new and {planned.changed} changed documents")
        done = kb.ingest(folder)
        print(f"{done.chunks_written} passages written, {done.failed} documents failed")
        for document in kb.documents():
            print(f"{document.path}: {document.failure or f'{document.chunks} passages'}")
        for hit in kb.search(question, k=3).hits:
            print(f"{hit.rank}. {hit.source_file}: {hit.content[:80]}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KbError as error:  # one sentence that says what to do
        sys.exit(str(error))
