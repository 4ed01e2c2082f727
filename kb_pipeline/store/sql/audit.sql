-- What an audit and the asset checks ask. Every query but the last group only reads.
--
-- `loaded`: the documents that the question is about: all that the generation holds, or what was loaded within the last
-- seconds.

-- name: all_loaded
SELECT document_id, chunk_count FROM generation_documents WHERE generation_id = %(generation)s

-- name: recently_loaded
SELECT document_id, chunk_count FROM generation_documents
WHERE generation_id = %(generation)s AND loaded_at >= now() - make_interval(secs => %(seconds)s)

-- name: newest_vectors
SELECT embedding FROM {table} ORDER BY id DESC LIMIT %(limit)s

-- name: recent_vectors
SELECT t.embedding FROM ({loaded}) l JOIN {table} t ON t.document_id = l.document_id LIMIT %(limit)s

-- name: vectors_to_load
-- Of the documents that would be loaded next.
SELECT e.embedding
FROM ({unloaded}) u
JOIN chunks c ON c.document_id = u.id
JOIN embeddings e ON e.model_fingerprint = u.model AND e.text_hash = c.text_hash
WHERE u.deleted_at IS NULL
LIMIT %(limit)s

-- name: unsound_vectors
-- Vectors that are not of norm 1, in half precision; half precision cannot hold NaN or infinity.
SELECT count(*) AS checked,
       count(*) FILTER (WHERE abs(l2_norm(v.embedding) - 1) > 0.01) AS unsound,
       coalesce(min(vector_dims(v.embedding)), 0) AS smallest,
       coalesce(max(vector_dims(v.embedding)), 0) AS largest
FROM ({vectors}) v

-- name: wrong_counts
-- Documents whose rows in the serving table are not as many as were loaded.
SELECT d.path
FROM ({loaded}) l
JOIN documents d ON d.id = l.document_id
LEFT JOIN (SELECT document_id, count(*) AS rows FROM {table} t
           WHERE document_id IN (SELECT document_id FROM ({loaded}) l) GROUP BY document_id) t
       ON t.document_id = l.document_id
WHERE coalesce(t.rows, 0) <> l.chunk_count
ORDER BY d.path

-- name: orphan_rows
-- Rows of the serving table that belong to no loaded document.
SELECT t.source_file
FROM {table} t
WHERE NOT EXISTS (SELECT FROM generation_documents g WHERE g.generation_id = %(generation)s AND g.document_id = t.document_id)
GROUP BY t.source_file ORDER BY t.source_file

-- name: newest_orphan_rows
SELECT t.source_file
FROM (SELECT document_id, source_file FROM {table} ORDER BY id DESC LIMIT %(limit)s) t
WHERE NOT EXISTS (SELECT FROM generation_documents g WHERE g.generation_id = %(generation)s AND g.document_id = t.document_id)
GROUP BY t.source_file ORDER BY t.source_file

-- name: missing_documents
-- Live documents with chunks that the serving table lacks, and that no failure explains.
SELECT d.path
FROM documents d
LEFT JOIN generation_documents g ON g.document_id = d.id AND g.generation_id = %(generation)s
WHERE d.deleted_at IS NULL AND d.revision > 0 AND g.document_id IS NULL AND {served}
  AND NOT EXISTS (SELECT FROM failures f WHERE f.document_id = d.id)
ORDER BY d.path

-- name: stale_documents
-- Live documents of which the serving table holds an older version that no failure explains, or an older path.
SELECT d.path
FROM documents d
JOIN generation_documents g ON g.document_id = d.id AND g.generation_id = %(generation)s
WHERE d.deleted_at IS NULL
  AND (g.path <> d.path
       OR g.revision <> d.revision AND NOT EXISTS (SELECT FROM failures f WHERE f.document_id = d.id))
ORDER BY d.path

-- name: unfinished_documents
-- Live documents that were read but neither chunked nor failed.
SELECT d.path
FROM documents d
WHERE d.deleted_at IS NULL AND d.chunked_hash IS DISTINCT FROM d.content_hash
  AND NOT EXISTS (SELECT FROM failures f WHERE f.document_id = d.id)
ORDER BY d.path

-- name: documents_without_failure
SELECT d.path FROM documents d
WHERE d.deleted_at IS NULL AND NOT EXISTS (SELECT FROM failures f WHERE f.document_id = d.id)
ORDER BY d.path

-- name: texts_without_vector
SELECT DISTINCT d.path
FROM documents d
JOIN chunks c ON c.document_id = d.id
WHERE d.deleted_at IS NULL AND {served}
  AND NOT EXISTS (SELECT FROM embeddings e WHERE e.model_fingerprint = %(model)s AND e.text_hash = c.text_hash)
  AND NOT EXISTS (SELECT FROM failures f WHERE f.document_id = d.id)
ORDER BY d.path

-- name: leftover_documents
-- Deleted documents whose rows have not left yet.
SELECT path FROM documents WHERE deleted_at IS NOT NULL ORDER BY path

-- name: wrong_figures
-- Collections whose documents, chunks or tokens are not as many as pages say.
SELECT DISTINCT collection FROM ({figure_errors}) e ORDER BY collection

-- name: element_in_use
-- The chunks of a document were made from it, or are still to be made.
EXISTS (SELECT FROM documents d
        WHERE d.content_hash = e.content_hash AND d.extension = e.extension
          AND (d.to_chunk OR d.chunked_parse = e.parse_fingerprint))

-- name: unused_elements
SELECT encode(e.content_hash, 'hex') FROM elements e WHERE NOT {in_use} ORDER BY 1

-- name: embedding_in_use
-- A chunk holds the text, and a generation has the model.
(EXISTS (SELECT FROM chunks c WHERE c.text_hash = e.text_hash)
 AND EXISTS (SELECT FROM generations g WHERE g.model_fingerprint = e.model_fingerprint))

-- name: unused_embeddings
SELECT encode(e.text_hash, 'hex') FROM embeddings e WHERE NOT {vector_in_use} ORDER BY 1

-- name: vectors_of_unused_models
SELECT count(*) FROM embeddings e
WHERE NOT EXISTS (SELECT FROM generations g WHERE g.model_fingerprint = e.model_fingerprint)

-- name: recent_text
-- Of the documents that were chunked within the last seconds, some chunks of each.
SELECT d.path, d.collection, c.content
FROM (SELECT id, path, collection FROM documents
      WHERE deleted_at IS NULL AND chunked_at >= now() - make_interval(secs => %(seconds)s)
      ORDER BY random() LIMIT %(limit)s) d
CROSS JOIN LATERAL (
    SELECT content FROM chunks c WHERE c.document_id = d.id ORDER BY random()
    LIMIT greatest(1, %(limit)s / (SELECT count(*) FROM documents
                                   WHERE deleted_at IS NULL AND chunked_at >= now() - make_interval(secs => %(seconds)s)))
) c
LIMIT %(limit)s

-- name: sample_text
-- Other chunks each time, from pages of the table that chance chooses.
SELECT d.path, d.collection, c.content
FROM (SELECT document_id, content
      FROM chunks TABLESAMPLE SYSTEM (
          (SELECT least(100, 100.0 * (4 * %(limit)s + 1000) / greatest(reltuples, 1)) FROM pg_class
           WHERE oid = 'chunks'::regclass))
      ORDER BY random() LIMIT %(limit)s) c
JOIN documents d ON d.id = c.document_id

-- name: wrong_documents
-- What `mend` looks at again once it has locked them: those with orphans, with wrong counts, or with texts that have no
-- vector although no failure says why.
SELECT t.document_id FROM {table} t
WHERE NOT EXISTS (SELECT FROM generation_documents g WHERE g.generation_id = %(generation)s AND g.document_id = t.document_id)
UNION
SELECT l.document_id FROM ({loaded}) l
LEFT JOIN (SELECT document_id, count(*) AS rows FROM {table} GROUP BY document_id) t USING (document_id)
WHERE coalesce(t.rows, 0) <> l.chunk_count
UNION
SELECT c.document_id FROM chunks c JOIN documents d ON d.id = c.document_id
WHERE {served}
  AND NOT EXISTS (SELECT FROM embeddings e WHERE e.model_fingerprint = %(model)s AND e.text_hash = c.text_hash)

-- name: delete_orphan_rows
DELETE FROM {table} t
WHERE t.document_id = ANY(%(ids)s)
  AND NOT EXISTS (SELECT FROM generation_documents g WHERE g.generation_id = %(generation)s AND g.document_id = t.document_id)

-- name: forget_wrong_counts
-- The next load writes these documents again.
WITH wrong AS (
    SELECT l.document_id
    FROM ({loaded}) l
    WHERE l.document_id = ANY(%(ids)s)
      AND (SELECT count(*) FROM {table} t WHERE t.document_id = l.document_id) <> l.chunk_count
), removed AS (
    DELETE FROM {table} t USING wrong WHERE t.document_id = wrong.document_id
), unnoted AS (
    UPDATE documents d SET loaded_revision = NULL FROM wrong WHERE d.id = wrong.document_id
)
DELETE FROM generation_documents g USING wrong
WHERE g.generation_id = %(generation)s AND g.document_id = wrong.document_id

-- name: renew_documents_without_vector
-- The next run embeds what is missing; the rows in the serving table stay as they are meanwhile.
UPDATE documents d SET revision = d.revision + 1
WHERE d.id = ANY(%(ids)s) AND d.deleted_at IS NULL AND {served}
  AND NOT EXISTS (SELECT FROM failures f WHERE f.document_id = d.id)
  AND EXISTS (SELECT FROM chunks c WHERE c.document_id = d.id AND NOT EXISTS (
      SELECT FROM embeddings e WHERE e.model_fingerprint = %(model)s AND e.text_hash = c.text_hash))

-- name: note_unused_elements
WITH noted AS (
    UPDATE elements e SET unused_since = now()
    WHERE e.unused_since IS NULL AND NOT {in_use}
)
UPDATE elements e SET unused_since = NULL WHERE e.unused_since IS NOT NULL AND {in_use}

-- name: note_unused_embeddings
WITH noted AS (
    UPDATE embeddings e SET unused_since = now()
    WHERE e.unused_since IS NULL AND NOT {vector_in_use}
)
UPDATE embeddings e SET unused_since = NULL WHERE e.unused_since IS NOT NULL AND {vector_in_use}

-- name: delete_unused_elements
-- A bounded number at a time, in order.
WITH old AS (
    SELECT e.content_hash, e.extension, e.parse_fingerprint FROM elements e
    WHERE e.unused_since <= now() - make_interval(days => %(days)s)
      AND NOT {in_use}
    ORDER BY 1, 2, 3 LIMIT %(limit)s FOR UPDATE)
DELETE FROM elements e USING old
WHERE (e.content_hash, e.extension, e.parse_fingerprint) = (old.content_hash, old.extension, old.parse_fingerprint)

-- name: delete_unused_embeddings
WITH old AS (
    SELECT e.model_fingerprint, e.text_hash FROM embeddings e
    WHERE e.unused_since <= now() - make_interval(days => %(days)s)
      AND NOT {vector_in_use}
    ORDER BY 1, 2 LIMIT %(limit)s FOR UPDATE)
DELETE FROM embeddings e USING old
WHERE e.model_fingerprint = old.model_fingerprint AND e.text_hash = old.text_hash

-- name: delete_old_searches
DELETE FROM search_events
WHERE id IN (SELECT id FROM search_events WHERE created_at < now() - make_interval(days => %(days)s)
             ORDER BY id LIMIT %(limit)s FOR UPDATE)
