-- name: session_settings
-- For this transaction only. Iterative scans go on until enough rows pass the filter; compiling a
-- query of milliseconds would cost more than it saves.
SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true),
       set_config('hnsw.ef_search', %(ef_search)s, true),
       set_config('statement_timeout', %(timeout)s, true),
       set_config('jit', 'off', true)

-- name: snapshot
-- Both rankings and the rows themselves are read from one state of the table.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: nearest
-- The order that a relaxed scan gives is approximate: sorted again once the rows are there.
WITH nearest AS MATERIALIZED (
    SELECT id, embedding <=> %(vector)s::halfvec AS distance
    FROM {table}
    WHERE {condition}
    ORDER BY embedding <=> %(vector)s::halfvec
    LIMIT %(depth)s)
SELECT id, 1 - distance FROM nearest ORDER BY distance, id

-- name: nearest_exact
-- Every row that passes the filter is compared: for filters that let so few rows pass that an
-- index scan gives up before it has found them.
WITH passing AS MATERIALIZED (
    SELECT id, embedding <=> %(vector)s::halfvec AS distance FROM {table} WHERE {condition})
SELECT id, 1 - distance FROM passing ORDER BY distance, id LIMIT %(depth)s

-- name: statistics
SELECT row_count, mean_length FROM generation_statistics WHERE generation_id = %(generation)s

-- name: document_frequencies
SELECT lexeme, document_frequency FROM generation_lexemes
WHERE generation_id = %(generation)s AND lexeme = ANY(%(lexemes)s)

-- name: counted_statistics
SELECT count(*), coalesce(avg(token_count), 0) FROM {table}

-- name: counted_frequencies
SELECT l.lexeme, (SELECT count(*) FROM {table} t WHERE t.lexemes @@ l.pattern::tsquery)
FROM unnest(%(lexemes)s::text[], %(patterns)s::text[]) AS l (lexeme, pattern)

-- name: bm25
-- BM25 as Lucene has it: the sum over the query's terms of idf * tf / (tf + k1 * (1 - b + b * length / mean length)),
-- where length is the token count of the chunk. Candidates come from the index on lexemes; only they are scored.
-- How often a term occurs (tf) is read off ts_rank, which with all weights 1 is (1 + 1/4 + ... + 1/tf^2) / 1.64493406685
-- for a single term, exact far beyond where another occurrence still counts: five times faster than unnest.
-- The concatenation brings a compressed tsvector into memory once instead of once per term.
WITH candidates AS MATERIALIZED (
    SELECT id, lexemes || ''::tsvector AS lexemes,
           %(k1)s * (1 - %(b)s + %(b)s * token_count / %(mean_length)s::float8) AS norm
    FROM {table}
    WHERE lexemes @@ %(candidates)s::tsquery AND {condition}
    LIMIT %(most)s)
SELECT c.id, (
    SELECT sum(q.idf * o.tf / (o.tf + c.norm))
    FROM unnest(%(patterns)s::tsquery[], %(idfs)s::float8[]) AS q (pattern, idf),
         LATERAL (SELECT round(1 / (1.64493406685 * (1 - ts_rank('{{1,1,1,1}}', c.lexemes, q.pattern))) - 0.5) AS tf
                  OFFSET 0) AS o) AS score
FROM candidates c
ORDER BY score DESC, c.id
LIMIT %(depth)s

-- name: rows
SELECT id, content, source_file, page_number, page_end, section_title, section_path, collection, document_id,
       chunk_key, metadata
FROM {table} WHERE id = ANY(%(ids)s)

-- name: collections
-- One index probe per collection instead of a scan of the table.
WITH RECURSIVE found AS (
    (SELECT collection FROM {table} ORDER BY collection LIMIT 1)
    UNION ALL
    SELECT (SELECT t.collection FROM {table} t WHERE t.collection > found.collection ORDER BY t.collection LIMIT 1)
    FROM found WHERE found.collection IS NOT NULL)
SELECT collection FROM found WHERE collection IS NOT NULL

-- name: insert_event
INSERT INTO search_events (query, mode, generation_id, hits)
VALUES (%(query)s, %(mode)s, %(generation)s, %(hits)s)
RETURNING id

-- name: ping
SELECT 1
