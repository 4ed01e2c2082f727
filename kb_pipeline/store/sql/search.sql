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

-- name: candidates
-- How many rows an index scan looks at before it filters.
SELECT set_config('hnsw.ef_search', %(ef_search)s, true)

-- name: estimate
EXPLAIN (FORMAT JSON) SELECT FROM {table} WHERE {condition}

-- name: count_passing
SELECT count(*) FROM (SELECT FROM {table} WHERE {condition} LIMIT %(most)s) AS passing

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

-- name: backdrop
-- The same passages at each question, so that the same question is answered alike.
SELECT avg(similarity), stddev_pop(similarity)
FROM (SELECT 1 - (embedding <=> %(vector)s::halfvec) AS similarity
      FROM {table} TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1)) s

-- name: language_means
SELECT language, mean FROM generation_languages WHERE generation_id = %(generation)s ORDER BY language

-- name: rows
SELECT id, content, source_file, page_number, page_end, section_title, section_path, collection, document_id,
       chunk_key, ordinal, language, metadata,
       coalesce((SELECT jsonb_strip_nulls(to_jsonb(f) - 'document_id') FROM document_fields f
                 WHERE f.document_id = t.document_id), '{{}}') AS fields
FROM {table} t WHERE id = ANY(%(ids)s)

-- name: collections
-- One index probe per collection instead of a scan of the table.
WITH RECURSIVE found AS (
    (SELECT collection FROM {table} WHERE {condition} ORDER BY collection LIMIT 1)
    UNION ALL
    SELECT (SELECT {table}.collection FROM {table} WHERE {table}.collection > found.collection AND {condition}
            ORDER BY {table}.collection LIMIT 1)
    FROM found WHERE found.collection IS NOT NULL)
SELECT collection FROM found WHERE collection IS NOT NULL

-- name: insert_event
INSERT INTO search_events (query, mode, generation_id, hits, principal, instruction, query_vector)
VALUES (%(query)s, %(mode)s, %(generation)s, %(hits)s, %(principal)s, %(instruction)s, %(vector)s)
RETURNING id

-- name: ping
SELECT 1
