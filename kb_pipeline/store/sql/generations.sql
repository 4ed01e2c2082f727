-- name: generation_columns
SELECT g.id, g.name, g.model_fingerprint, m.name AS model, m.native_dimension, g.dimension, g.query_instruction,
       g.collection_instructions, g.collections, g.state, g.created_at, g.activated_at
FROM generations g JOIN models m ON m.fingerprint = g.model_fingerprint
ORDER BY g.id

-- name: lock
SELECT pg_advisory_xact_lock(hashtextextended('kb generations', 0))

-- name: insert
INSERT INTO generations (name, model_fingerprint, dimension, query_instruction, collection_instructions, state)
VALUES (%(name)s, %(model)s, %(dimension)s, %(query_instruction)s, %(collection_instructions)s, 'building')
RETURNING id

-- name: serves_nothing
SELECT NOT EXISTS (SELECT FROM generation_documents WHERE generation_id = %(generation)s)
   AND EXISTS (SELECT FROM documents WHERE deleted_at IS NULL AND chunks_version IS NOT NULL)

-- name: retire_active
UPDATE generations SET state = 'retired' WHERE state = 'active'

-- name: activate
UPDATE generations SET state = 'active', activated_at = now() WHERE id = %(generation)s

-- name: move_rows
-- The rows of a moved document follow it even while a failure keeps its newer text out.
UPDATE {table} t
SET source_file = normalize(d.path, NFC), collection = d.collection
FROM documents d JOIN generation_documents g ON g.document_id = d.id AND g.generation_id = %(generation)s
WHERE d.id = ANY(%(ids)s) AND d.deleted_at IS NULL AND g.path <> d.path AND t.document_id = d.id

-- name: record_moved
UPDATE generation_documents g SET path = d.path
FROM documents d
WHERE g.generation_id = %(generation)s AND g.document_id = ANY(%(ids)s) AND d.id = g.document_id
  AND d.deleted_at IS NULL AND g.path <> d.path

-- name: delete_stale_rows
-- A row stays when its chunk still is what it was; everything else of these documents goes.
DELETE FROM {table} t
WHERE t.document_id = ANY(%(ids)s)
  AND NOT EXISTS (
      SELECT FROM chunks c JOIN documents d ON d.id = c.document_id
      WHERE c.document_id = t.document_id AND c.chunk_key = t.chunk_key AND d.deleted_at IS NULL
        AND c.content = t.content AND c.section_path = t.section_path AND c.lexemes = t.lexemes)

-- name: update_kept_rows
-- Text and vector of these rows are unchanged; where they stand may have moved.
UPDATE {table} t
SET ordinal = c.ordinal, page_number = c.page_number, page_end = c.page_end, source_file = normalize(d.path, NFC),
    collection = d.collection, language = c.language, token_count = c.token_count, metadata = c.metadata
FROM chunks c JOIN documents d ON d.id = c.document_id
WHERE t.document_id = ANY(%(ids)s) AND c.document_id = t.document_id AND c.chunk_key = t.chunk_key
  AND (t.ordinal, t.page_number, t.page_end, t.source_file, t.collection, t.language, t.token_count, t.metadata)
      IS DISTINCT FROM (c.ordinal, c.page_number, c.page_end, normalize(d.path, NFC), d.collection, c.language,
                        c.token_count, c.metadata)

-- name: insert_rows
INSERT INTO {table} (document_id, chunk_key, ordinal, content, embedding, source_file, collection, page_number, page_end,
                     section_title, section_path, language, token_count, metadata, lexemes)
SELECT c.document_id, c.chunk_key, c.ordinal, c.content,
       l2_normalize(subvector(e.embedding, 1, {dimension}))::halfvec({dimension}),
       normalize(d.path, NFC), d.collection, c.page_number, c.page_end,
       c.section_path[cardinality(c.section_path)], c.section_path, c.language, c.token_count, c.metadata, c.lexemes
FROM chunks c
JOIN documents d ON d.id = c.document_id
JOIN embeddings e ON e.model_fingerprint = %(model)s AND e.text_hash = c.text_hash
WHERE c.document_id = ANY(%(ids)s) AND d.deleted_at IS NULL
  AND NOT EXISTS (SELECT FROM {table} t WHERE t.document_id = c.document_id AND t.chunk_key = c.chunk_key)
ORDER BY c.document_id, c.ordinal

-- name: loadable_documents
-- Asked again under the documents' locks: another run may have changed them since.
SELECT d.id FROM documents d
WHERE d.id = ANY(%(ids)s)
  AND (d.deleted_at IS NOT NULL
       OR d.chunks_version IS NOT NULL AND NOT EXISTS (
           SELECT FROM chunks c
           WHERE c.document_id = d.id
             AND NOT EXISTS (SELECT FROM embeddings e WHERE e.model_fingerprint = %(model)s AND e.text_hash = c.text_hash)))

-- name: forget_loaded
DELETE FROM generation_documents g
WHERE g.generation_id = %(generation)s AND g.document_id = ANY(%(ids)s)
  AND EXISTS (SELECT FROM documents d WHERE d.id = g.document_id AND d.deleted_at IS NOT NULL)

-- name: record_loaded
INSERT INTO generation_documents (generation_id, document_id, chunks_version, path, chunk_count)
SELECT %(generation)s, d.id, d.chunks_version, d.path, (SELECT count(*) FROM chunks c WHERE c.document_id = d.id)
FROM documents d
WHERE d.id = ANY(%(ids)s) AND d.deleted_at IS NULL
ON CONFLICT (generation_id, document_id) DO UPDATE
SET chunks_version = excluded.chunks_version, path = excluded.path, chunk_count = excluded.chunk_count, loaded_at = now()

-- name: incomplete_documents
-- Live documents with chunks that the generation does not hold in their current version.
SELECT count(*)
FROM documents d
LEFT JOIN generation_documents g ON g.document_id = d.id AND g.generation_id = %(generation)s
WHERE d.deleted_at IS NULL AND d.chunks_version IS NOT NULL AND g.chunks_version IS DISTINCT FROM d.chunks_version
  AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = d.id AND x.stage = 'embeddings'
                  AND x.input_version = d.chunks_version || ':' || %(model)s AND x.next_retry IS NULL)

-- name: lock_index
-- Of two runs that want to build it, one does.
SELECT pg_advisory_xact_lock(hashtextextended('kb index ' || %(index)s, 0))

-- name: has_vector_index
SELECT to_regclass(%(index)s) IS NOT NULL

-- name: row_count
SELECT count(*) FROM {table}

-- name: analyze
ANALYZE {table}

-- name: index_memory
SELECT set_config('maintenance_work_mem', %(memory)s, true)

-- name: statistics
SELECT row_count, mean_length FROM generation_statistics WHERE generation_id = %(generation)s

-- name: delete_lexemes
DELETE FROM generation_lexemes WHERE generation_id = %(generation)s

-- name: insert_lexemes
INSERT INTO generation_lexemes (generation_id, lexeme, document_frequency)
SELECT {generation}, word, ndoc FROM ts_stat({statement})

-- name: lexemes_statement
SELECT lexemes FROM {table}

-- name: record_statistics
INSERT INTO generation_statistics (generation_id, row_count, mean_length)
SELECT {generation}, count(*), coalesce(avg(token_count), 0) FROM {table}
ON CONFLICT (generation_id) DO UPDATE
SET row_count = excluded.row_count, mean_length = excluded.mean_length, refreshed_at = now()
