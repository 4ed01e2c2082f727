"""Postings: for each word, the rows that hold it and what it counts there, ready to be added up.

PostgreSQL's index on tsvectors tells which rows hold a word, not how much it counts there, and to read that off a
hundred thousand rows takes seconds. So the words of a serving table are kept a second time as the arrays that a search
engine would have (as bm25s does in memory): a search reads the few that it needs and adds them up.

Terms
  block    a range of at most SPAN row numbers. Its postings are made once and never changed: a row's words never
           change, what is deleted since is found to be missing when the best rows are scored, and what comes later gets
           a higher number. New rows make a new block, which takes in blocks before it that are no larger, so a row is
           read a few times however small the steps are (as in a log-structured merge tree).
  covered  rows up to the end of the last block. Later ones are *fresh*, and scored one by one.
  impact   what one more word of this row adds to its BM25 score, without the word's idf: tf / (tf + norm), of 255.
  record   a row's place in its block and its impact, three bytes; those of a word come the highest impact first.

A word that few rows of a block hold has no postings there: the index on tsvectors finds those rows as fast.
"""

from kb_pipeline.store.postings.building import extend, rebuild, settled
from kb_pipeline.store.postings.reading import (
    BM25_B,
    BM25_K1,
    HIGHEST_IMPACT,
    SPAN,
    Block,
    Reading,
    blocks,
    covered,
    fresh_rows,
    most_unposted,
    read,
    rows_with,
)

__all__ = [
    "BM25_B",
    "BM25_K1",
    "HIGHEST_IMPACT",
    "SPAN",
    "Block",
    "Reading",
    "blocks",
    "covered",
    "extend",
    "fresh_rows",
    "most_unposted",
    "read",
    "rebuild",
    "rows_with",
    "settled",
]
