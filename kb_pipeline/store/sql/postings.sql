-- name: blocks
SELECT first_row, last_row, row_count FROM posting_blocks WHERE generation_id = %(generation)s ORDER BY first_row

-- name: settle
-- Waits until every transaction that has taken a row's number has ended; nobody who reads is waited for.
LOCK TABLE {table} IN SHARE MODE

-- name: newest_row
SELECT coalesce(max(id), 0) FROM {table}

-- name: fresh_rows
-- How many rows came since, counted no further than there are enough of them.
SELECT count(*) FROM (SELECT FROM {table} WHERE id > %(after)s LIMIT %(most)s) AS fresh

-- name: held_rows
SELECT row_count FROM generations WHERE id = %(generation)s

-- name: row_range
SELECT id FROM {table} WHERE id > %(after)s AND id <= %(upto)s ORDER BY id LIMIT 1

-- name: mean_length
SELECT coalesce(avg(token_count), 0) FROM {table} WHERE id <= %(upto)s

-- name: words_of_rows
SELECT id, token_count, lexemes::text FROM {table} WHERE id BETWEEN %(first)s AND %(last)s ORDER BY id

-- name: delete_blocks
DELETE FROM posting_blocks WHERE generation_id = %(generation)s AND first_row >= %(first)s

-- name: delete_postings
DELETE FROM postings WHERE generation_id = %(generation)s AND first_row >= %(first)s

-- name: insert_block
INSERT INTO posting_blocks (generation_id, first_row, last_row, row_count)
VALUES (%(generation)s, %(first)s, %(last)s, %(rows)s)

-- name: copy_postings
COPY postings (generation_id, lexeme, first_row, rows) FROM STDIN (FORMAT binary)

-- name: create_counts
CREATE TEMPORARY TABLE counted_lexemes (lexeme text, document_frequency integer) ON COMMIT DROP

-- name: copy_counts
COPY counted_lexemes (lexeme, document_frequency) FROM STDIN (FORMAT binary)

-- name: delete_lexemes
DELETE FROM generation_lexemes WHERE generation_id = %(generation)s

-- name: add_counts
INSERT INTO generation_lexemes AS l (generation_id, lexeme, document_frequency)
SELECT %(generation)s, lexeme, sum(document_frequency) FROM counted_lexemes GROUP BY lexeme
ON CONFLICT (generation_id, lexeme) DO UPDATE
SET document_frequency = l.document_frequency + excluded.document_frequency

-- name: record_statistics
INSERT INTO generation_statistics (generation_id, row_count, mean_length)
VALUES (%(generation)s, %(rows)s, %(mean_length)s)
ON CONFLICT (generation_id) DO UPDATE
SET row_count = excluded.row_count, mean_length = excluded.mean_length, refreshed_at = now()

-- name: best_postings
-- Of each block those rows where a lexeme counts most, as many as `bytes` hold.
SELECT w.place, p.first_row, substring(p.rows FROM 1 FOR w.bytes)
FROM unnest(%(lexemes)s::text[], %(bytes)s::integer[]) WITH ORDINALITY AS w (lexeme, bytes, place)
JOIN postings p ON p.generation_id = %(generation)s AND p.lexeme = w.lexeme
ORDER BY p.first_row

-- name: rows_with
-- Of each of these lexemes, which must be rare, every row of a block, and how often it stands there.
SELECT w.place, t.id, t.token_count,
       1 / (1.64493406685 * (1 - ts_rank('{{1,1,1,1}}', t.lexemes, w.pattern))) - 0.5 AS occurrences
FROM unnest(%(patterns)s::tsquery[]) WITH ORDINALITY AS w (pattern, place)
CROSS JOIN LATERAL (
    SELECT id, token_count, lexemes FROM {table} WHERE lexemes @@ w.pattern AND id <= %(upto)s) AS t
