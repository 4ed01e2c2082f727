"""Mining the corpus of a site for triplets; see `quality.negatives`. Nothing of a frozen test is ever looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kb_pipeline.chunking.chunks import embedded_text
from kb_pipeline.embedding.truncation import to_dimension
from kb_pipeline.errors import GenerationMismatch, SettingsError
from kb_pipeline.progress import track
from kb_pipeline.quality.judgments import same_question, verdicts
from kb_pipeline.quality.negatives import DEPTH, Candidate, Mined, Negative, Triplet, hard_negatives
from kb_pipeline.quality.places import locate
from kb_pipeline.store import search as rows
from kb_pipeline.store.conditions import EVERYTHING
from kb_pipeline.store.generations import active_generations
from kb_pipeline.store.quality import judgments as said
from kb_pipeline.store.quality import negatives as store
from kb_pipeline.store.quality.questions import questions_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kb_pipeline.quality.places import Passage
    from kb_pipeline.site import Site
    from kb_pipeline.store.database import Connection
    from kb_pipeline.store.generations import Generation
    from kb_pipeline.store.search import Row

UNSURE = 0.95  # of the positive's score by the reranker; from there on a candidate may be an answer


def mine(site: Site, *, margin: float = 0.0, confirm: bool = False) -> list[Mined]:
    """A triplet of every question that may train, and of every judgment whose question is in no other part of a set.

    `confirm`: the site's reranker has to agree that a negative is none. Raises SettingsError, GenerationMismatch,
    EmbeddingServerUnavailable.
    """
    with site.connect() as connection:
        asked, wrong = _training(connection)
        searched = _searched(site, connection) if asked else []
        found = []
        with track("looking for hard negatives", len(asked)) as steps:
            for query, (passages, provenance) in asked.items():
                said_wrong = wrong.get(same_question(query), set())
                every = (_mined(site, connection, each, query, passages, said_wrong) for each in searched)
                if mined := next(filter(None, every), None):
                    positives, candidates, unrelated = mined
                    second = _confirmation(site, query, positives) if confirm else None
                    negatives = hard_negatives(
                        positives, candidates, unrelated=unrelated, margin=margin, confirmed=second
                    )
                    if negatives:
                        found.append(Mined(query, max(positives, key=lambda each: each.score), negatives, provenance))
                steps.advance()
    return found


def mine_and_store(site: Site, *, margin: float = 0.0, confirm: bool = False) -> list[Mined]:
    """The same, stored in the place of what was mined before."""
    found = mine(site, margin=margin, confirm=confirm)
    with site.connect() as connection:
        names = ", ".join(generation.name for generation in active_generations(connection))
        store.replace_all(connection, names, [_row(mined) for mined in found])
    return found


def triplets(site: Site) -> list[Triplet]:
    """What is stored, as texts; of passages that are still there."""
    with site.connect() as connection:
        return [
            Triplet(
                found.query,
                embedded_text(*found.positive),
                tuple(embedded_text(*negative) for negative in found.negatives),
                found.provenance,
            )
            for found in store.texts(connection)
            if found.negatives
        ]


def _searched(site: Site, connection: Connection) -> list[Generation]:
    """The generations that are searched. Raises GenerationMismatch where the model of one is not served."""
    found = active_generations(connection)
    for generation in found:
        identity = site.embedding_of(generation.collection).identity
        if identity.fingerprint != generation.model_fingerprint:
            raise GenerationMismatch(generation.name, generation.model, identity.name)
    return found


_Asked = dict[str, tuple[list["Passage"], str]]


def _training(connection: Connection) -> tuple[_Asked, dict[str, set[Passage]]]:
    """Question → its positives and where it comes from; and question → what was judged wrong for it."""
    questions = questions_of(connection)
    withheld = {same_question(question.question) for question in questions if question.split != "tune"}
    asked: _Asked = {}
    for located in locate(connection, [question for question in questions if question.split == "tune"]):
        question = located.question
        if located.places and same_question(question.question) not in withheld:
            passages = [passage for place in located.places for passage in sorted(place.passages)]
            asked[question.question] = passages, question.provenance
    known = {same_question(query) for query in asked}
    wrong: dict[str, set[Passage]] = {}
    for verdict in verdicts(said.votes(connection), said.decided(connection)):
        passage, key = (verdict.document_id, verdict.chunk_key), same_question(verdict.query)
        if verdict.state == "wrong":
            wrong.setdefault(key, set()).add(passage)
        elif verdict.state == "right" and key not in withheld | known:
            asked.setdefault(verdict.query, ([], "judgment"))[0].append(passage)
    return asked, wrong


def _mined(
    site: Site,
    connection: Connection,
    generation: Generation,
    query: str,
    passages: Sequence[Passage],
    wrong: set[Passage],
) -> tuple[list[Candidate], list[Candidate], float] | None:
    """The positives and the candidates of a question, and how similar it is to any passage; None where the generation
    holds no positive."""
    native = site.embedding_of(generation.collection).embed_query(query, generation.query_instruction)
    vector = to_dimension(native[np.newaxis, :], generation.dimension)[0]
    with rows.snapshot(connection, depth=2 * DEPTH):
        scores = dict(rows.nearest(connection, generation, vector, EVERYTHING, 2 * DEPTH))
        scores |= store.scored(connection, generation, vector, [*passages, *wrong])
        read = rows.rows(connection, generation, list(scores))
        unrelated = rows.backdrop(connection, generation, vector).mean
    found = {
        (row.document_id, row.chunk_key): _candidate(row, scores[row.id], (row.document_id, row.chunk_key) in wrong)
        for row in read.values()
    }
    positives = [found[passage] for passage in passages if passage in found]
    return (positives, list(found.values()), unrelated) if positives else None


def _candidate(row: Row, score: float, judged_wrong: bool) -> Candidate:
    return Candidate(
        row.document_id,
        row.chunk_key,
        row.ordinal,
        tuple(row.section_path),
        row.source_file,
        row.content,
        score,
        judged_wrong,
    )


def _confirmation(
    site: Site, query: str, positives: Sequence[Candidate]
) -> Callable[[Sequence[Candidate]], Sequence[Candidate]]:
    """Keeps what the site's reranker finds clearly worse than the positive. Raises SettingsError without one."""
    reranker = site.reranker
    if reranker is None:
        raise SettingsError("This site has no reranker that could confirm negatives; set KB_RERANKER__URL.")
    best = max(positives, key=lambda each: each.score)

    def confirmed(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        texts = [embedded_text(each.section_path, each.content) for each in (best, *candidates)]
        first, *others = reranker.scores(query, texts)
        return [each for each, score in zip(candidates, others, strict=True) if score < UNSURE * first]

    return confirmed


def _row(mined: Mined) -> dict[str, object]:
    return {
        "query": mined.query,
        "document_id": mined.positive.document_id,
        "chunk_key": mined.positive.chunk_key,
        "score": mined.positive.score,
        "negatives": [_negative(negative) for negative in mined.negatives],
        "provenance": mined.provenance,
    }


def _negative(negative: Negative) -> dict[str, object]:
    passage = negative.passage
    return {
        "document_id": passage.document_id,
        "chunk_key": passage.chunk_key,
        "score": passage.score,
        "why": negative.why,
    }
