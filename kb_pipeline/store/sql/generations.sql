-- name: generation_columns
SELECT g.id, g.name, g.model_fingerprint, m.name AS model, m.native_dimension, g.dimension, g.query_instruction,
       g.collection_instructions, g.collection, g.state, g.created_at, g.activated_at, g.retired_at, g.row_count,
       g.query_adapter, g.query_adapter_folder
FROM generations g JOIN models m ON m.fingerprint = g.model_fingerprint
ORDER BY g.id

-- name: lock
SELECT pg_advisory_xact_lock(hashtextextended('kb generations', 0))

-- name: insert
-- Its name and its table have the same number, and that of one that was dropped is not used again.
INSERT INTO generations (id, name, model_fingerprint, dimension, query_instruction, collection_instructions, collection,
                         state)
OVERRIDING SYSTEM VALUE
SELECT n, 'g' || n, %(model)s, %(dimension)s, %(query_instruction)s, %(collection_instructions)s, %(collection)s, 'building'
FROM nextval(pg_get_serial_sequence('generations', 'id')) AS n
RETURNING id

-- name: serves_nothing
SELECT NOT EXISTS (SELECT FROM generation_documents WHERE generation_id = %(generation)s)
   AND EXISTS (SELECT FROM documents d WHERE d.deleted_at IS NULL AND d.revision > 0 AND {served})

-- name: try_lock_build
SELECT pg_try_advisory_lock(hashtextextended('kb generation build', 0))

-- name: unlock_build
SELECT pg_advisory_unlock(hashtextextended('kb generation build', 0))

-- name: behind
-- Documents that a generation holds and another lacks or holds in an earlier version, but for those of which the
-- server of its model refused a text.
SELECT count(*)
FROM generation_documents h
JOIN documents d ON d.id = h.document_id
LEFT JOIN generation_documents g ON g.document_id = h.document_id AND g.generation_id = %(generation)s
WHERE h.generation_id = %(held)s AND d.deleted_at IS NULL AND {served} AND (g.revision IS NULL OR g.revision < h.revision)
  AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = d.id AND x.stage = 'embeddings'
                  AND x.input_version = d.revision || ':' || %(model)s::text AND x.next_retry IS NULL)

-- name: lock_writers
-- Until the end of the transaction nothing is loaded into it; it is read as ever.
LOCK TABLE {table} IN SHARE ROW EXCLUSIVE MODE

-- name: patience
SELECT set_config('lock_timeout', %(milliseconds)s, true)

-- name: retire
UPDATE generations SET state = 'retired', retired_at = now(), hands_back = false
WHERE state = 'active' AND coalesce(collection, '') = coalesce(%(collection)s::text, '')

-- name: activate
UPDATE generations SET state = 'active', activated_at = now(), retired_at = NULL, hands_back = false WHERE id = %(generation)s

-- name: set_adapter
UPDATE generations SET query_adapter = %(name)s, query_adapter_folder = %(folder)s WHERE id = %(generation)s

-- name: hold
-- Until the end of the transaction nobody drops it.
SELECT state FROM generations WHERE id = %(generation)s FOR KEY SHARE

-- name: lock_unsearched
-- Raises nothing and finds nothing while it is searched.
SELECT id FROM generations WHERE id = %(generation)s AND state <> 'active' FOR UPDATE

-- name: delete
DELETE FROM generations WHERE id = %(generation)s

-- name: count_rows
-- Last in a transaction: runs that load side by side wait for one another only until the other has committed.
UPDATE generations SET row_count = row_count + %(inserted)s - %(deleted)s, churn = churn + %(inserted)s + %(deleted)s
WHERE id = %(generation)s

-- name: recount_rows
UPDATE generations SET row_count = (SELECT count(*) FROM {table}) WHERE id = %(generation)s

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

-- name: other_holders
-- The other generations that are searched and hold some of these documents: those that they move away from.
SELECT a.id FROM generations a
WHERE a.state = 'active' AND a.id <> %(generation)s
  AND EXISTS (SELECT FROM generation_documents g JOIN documents d ON d.id = g.document_id
              WHERE g.generation_id = a.id AND g.document_id = ANY(%(ids)s)
                AND (a.collection IS NULL OR a.collection <> d.collection))
ORDER BY a.id

-- name: hand_back
UPDATE generations SET hands_back = true WHERE id = %(generation)s AND state = 'active'

-- name: held_unserved
-- Documents that a generation holds and another one serves.
SELECT g.document_id FROM generation_documents g JOIN documents d ON d.id = g.document_id
WHERE g.generation_id = %(generation)s AND NOT {served}
ORDER BY g.document_id

-- name: holds_collection
SELECT EXISTS (SELECT FROM documents d JOIN generation_documents g ON g.document_id = d.id
               WHERE d.deleted_at IS NULL AND d.collection = %(collection)s AND g.generation_id = %(generation)s)

-- name: holds_of
-- One look at the index: whether there is a row of these collections.
SELECT EXISTS (SELECT FROM {table} WHERE collection = ANY(%(collections)s))

-- name: holds_besides
-- One look at either end of the index: whether there is a row of another collection.
SELECT coalesce(min(collection) <> %(collection)s OR max(collection) <> %(collection)s, false) FROM {table}

-- name: release_rows
DELETE FROM {table} WHERE document_id = ANY(%(ids)s)

-- name: forget_held
DELETE FROM generation_documents WHERE generation_id = %(generation)s AND document_id = ANY(%(ids)s)

-- name: delete_stale_rows
-- A row stays when its chunk still is what it was and its generation serves it; everything else of these documents goes.
DELETE FROM {table} t
WHERE t.document_id = ANY(%(ids)s)
  AND NOT EXISTS (
      SELECT FROM chunks c JOIN documents d ON d.id = c.document_id
      WHERE c.document_id = t.document_id AND c.chunk_key = t.chunk_key AND d.deleted_at IS NULL AND {served}
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
-- `wanted`: of the chunks those that are `lacking`, or all where the table holds nothing of their documents.
INSERT INTO {table} (document_id, chunk_key, ordinal, content, embedding, source_file, collection, page_number, page_end,
                     section_title, section_path, language, token_count, metadata, lexemes)
SELECT c.document_id, c.chunk_key, c.ordinal, c.content,
       l2_normalize(subvector(e.embedding, 1, {dimension}))::halfvec({dimension}),
       normalize(d.path, NFC), d.collection, c.page_number, c.page_end,
       c.section_path[cardinality(c.section_path)], c.section_path, c.language, c.token_count, c.metadata, c.lexemes
FROM chunks c
JOIN documents d ON d.id = c.document_id
JOIN embeddings e ON e.model_fingerprint = %(model)s AND e.text_hash = c.text_hash
WHERE c.document_id = ANY(%(ids)s) AND d.deleted_at IS NULL AND {served} AND {wanted}
ORDER BY c.document_id, c.ordinal

-- name: lacking
NOT EXISTS (SELECT FROM {table} t WHERE t.document_id = c.document_id AND t.chunk_key = c.chunk_key)

-- name: loadable_documents
-- Asked again under the documents' locks: another run may have changed them since.
SELECT d.id FROM documents d
WHERE d.id = ANY(%(ids)s)
  AND (d.deleted_at IS NOT NULL OR NOT {served}
       OR d.revision > 0 AND NOT EXISTS (
           SELECT FROM chunks c
           WHERE c.document_id = d.id
             AND NOT EXISTS (SELECT FROM embeddings e WHERE e.model_fingerprint = %(model)s AND e.text_hash = c.text_hash)))

-- name: forget_loaded
DELETE FROM generation_documents g
WHERE g.generation_id = %(generation)s AND g.document_id = ANY(%(ids)s)
  AND EXISTS (SELECT FROM documents d WHERE d.id = g.document_id AND (d.deleted_at IS NOT NULL OR NOT {served}))

-- name: record_loaded
INSERT INTO generation_documents (generation_id, document_id, revision, path, chunk_count)
SELECT %(generation)s, d.id, d.revision, d.path, d.chunk_count
FROM documents d
WHERE d.id = ANY(%(ids)s) AND d.deleted_at IS NULL AND {served}
ON CONFLICT (generation_id, document_id) DO UPDATE
SET revision = excluded.revision, path = excluded.path, chunk_count = excluded.chunk_count, loaded_at = now()
RETURNING document_id

-- name: note_loaded
-- So that the index of what is to be loaded passes these documents over.
UPDATE documents d SET loaded_generation = g.generation_id, loaded_revision = g.revision
FROM generation_documents g
WHERE d.id = ANY(%(ids)s) AND g.generation_id = %(generation)s AND g.document_id = d.id AND g.path = d.path
  AND g.revision = d.revision

-- name: fresh_documents
-- Of some documents those that the generation does not hold in any version, asked under their locks.
SELECT d.id FROM documents d
WHERE d.id = ANY(%(ids)s) AND d.deleted_at IS NULL AND {served}
  AND NOT EXISTS (SELECT FROM generation_documents g WHERE g.generation_id = %(generation)s AND g.document_id = d.id)

-- name: may_write
-- Fails at once while an index is built on it.
LOCK TABLE {table} IN ROW EXCLUSIVE MODE NOWAIT

-- name: has_search_indexes
SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
               WHERE i.indrelid = to_regclass(%(table)s) AND a.amname = 'gin')

-- name: lock_index
-- Of two runs that want to build it, one does.
SELECT pg_advisory_xact_lock(hashtextextended('kb index ' || %(index)s, 0))

-- name: has_vector_index
SELECT to_regclass(%(index)s) IS NOT NULL

-- name: analyze
ANALYZE {table}

-- name: memory
SELECT set_config('work_mem', %(memory)s, true)

-- name: index_memory
SELECT set_config('maintenance_work_mem', %(memory)s, true)

-- name: statistics
-- How many rows came or went since the languages were, how many there are, and of how many the words were counted.
SELECT g.churn, g.row_count, s.row_count
FROM generations g LEFT JOIN generation_statistics s ON s.generation_id = g.id
WHERE g.id = %(generation)s

-- name: delete_languages
DELETE FROM generation_languages WHERE generation_id = %(generation)s

-- name: record_languages
-- A language with fewer rows than one in a hundred is not worth a scan of its own at every search.
INSERT INTO generation_languages (generation_id, language, mean)
SELECT {generation}, language, avg(embedding) FROM {table} WHERE language <> 'other'
GROUP BY language HAVING count(*) >= 0.01 * (SELECT count(*) FROM {table})

-- name: lock_statistics
-- Of two runs that want to count, one does, and the other sees that it is done.
SELECT pg_advisory_xact_lock(hashtextextended('kb statistics ' || {generation}, 0))

-- name: forget_churn
-- What came meanwhile is kept: it may not have been counted.
UPDATE generations SET churn = greatest(churn - %(churn)s, 0) WHERE id = %(generation)s
