-- What an audit and the asset checks ask. Every query but the last group only reads.

-- name: unsound_vectors
-- Vectors of the serving table that are not of norm 1, in half precision; half precision cannot hold
-- NaN or infinity, and the column's type fixes the dimension. The newest rows, to bound the cost.
SELECT count(*) AS checked,
       count(*) FILTER (WHERE abs(l2_norm(v.embedding) - 1) > 0.01) AS unsound,
       coalesce(min(vector_dims(v.embedding)), 0) AS smallest,
       coalesce(max(vector_dims(v.embedding)), 0) AS largest
FROM (SELECT embedding FROM {table} ORDER BY id DESC LIMIT %(limit)s) v

-- name: unsound_embeddings
SELECT count(*) AS checked,
       count(*) FILTER (WHERE abs(l2_norm(e.embedding) - 1) > 0.01) AS unsound,
       coalesce(min(vector_dims(e.embedding)), 0) AS smallest,
       coalesce(max(vector_dims(e.embedding)), 0) AS largest
FROM (
    SELECT e.embedding
    FROM chunks c
    JOIN documents d ON d.id = c.document_id
    JOIN embeddings e ON e.model_fingerprint = %(model)s AND e.text_hash = c.text_hash
    WHERE left(d.shard_hash, %(digits)s) = ANY(%(shards)s)
    ORDER BY d.changed_at DESC
    LIMIT %(limit)s
) e

-- name: wrong_counts
-- Documents whose rows in the serving table are not as many as were loaded.
SELECT d.path
FROM generation_documents g
JOIN documents d ON d.id = g.document_id
LEFT JOIN (SELECT document_id, count(*) AS rows FROM {table} GROUP BY document_id) t ON t.document_id = g.document_id
WHERE g.generation_id = %(generation)s AND coalesce(t.rows, 0) <> g.chunk_count
ORDER BY d.path

-- name: orphan_rows
-- Rows of the serving table that belong to no loaded document.
SELECT t.source_file
FROM {table} t
WHERE NOT EXISTS (SELECT FROM generation_documents g WHERE g.generation_id = %(generation)s AND g.document_id = t.document_id)
GROUP BY t.source_file ORDER BY t.source_file

-- name: duplicate_rows
SELECT source_file FROM {table} GROUP BY source_file, document_id, chunk_key HAVING count(*) > 1 ORDER BY source_file

-- name: missing_documents
-- Live documents with chunks that the serving table lacks, and that no failure explains.
SELECT d.path
FROM documents d
LEFT JOIN generation_documents g ON g.document_id = d.id AND g.generation_id = %(generation)s
WHERE d.deleted_at IS NULL AND d.chunks_version IS NOT NULL AND g.document_id IS NULL
  AND NOT EXISTS (SELECT FROM failures f WHERE f.document_id = d.id)
ORDER BY d.path

-- name: stale_documents
-- Live documents of which the serving table holds an older version that no failure explains, or an older path.
SELECT d.path
FROM documents d
JOIN generation_documents g ON g.document_id = d.id AND g.generation_id = %(generation)s
WHERE d.deleted_at IS NULL
  AND (g.path <> d.path
       OR g.chunks_version <> d.chunks_version AND NOT EXISTS (SELECT FROM failures f WHERE f.document_id = d.id))
ORDER BY d.path

-- name: unfinished_documents
-- Live documents that were read but neither chunked nor failed.
SELECT d.path
FROM documents d
WHERE d.deleted_at IS NULL AND (d.chunks_version IS NULL OR left(d.chunks_version, 64) <> encode(d.content_hash, 'hex'))
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
WHERE d.deleted_at IS NULL
  AND NOT EXISTS (SELECT FROM embeddings e WHERE e.model_fingerprint = %(model)s AND e.text_hash = c.text_hash)
  AND NOT EXISTS (SELECT FROM failures f WHERE f.document_id = d.id)
ORDER BY d.path

-- name: leftover_documents
-- Deleted documents whose rows have not left yet.
SELECT path FROM documents WHERE deleted_at IS NOT NULL ORDER BY path

-- name: unused_elements
SELECT encode(e.content_hash, 'hex') FROM elements e
WHERE NOT EXISTS (SELECT FROM documents d WHERE d.content_hash = e.content_hash)
ORDER BY 1

-- name: unused_embeddings
-- Vectors of models that some generation still uses, for texts that no chunk holds any more.
SELECT encode(e.text_hash, 'hex') FROM embeddings e
WHERE NOT EXISTS (SELECT FROM chunks c WHERE c.text_hash = e.text_hash)
ORDER BY 1

-- name: sample_text
SELECT d.path, d.collection, c.content FROM chunks c JOIN documents d ON d.id = c.document_id
ORDER BY md5(c.chunk_key) LIMIT %(limit)s

-- name: delete_orphan_rows
DELETE FROM {table} t
WHERE NOT EXISTS (SELECT FROM generation_documents g WHERE g.generation_id = %(generation)s AND g.document_id = t.document_id)

-- name: forget_wrong_counts
-- The next load writes these documents again.
WITH wrong AS (
    SELECT g.document_id
    FROM generation_documents g
    LEFT JOIN (SELECT document_id, count(*) AS rows FROM {table} GROUP BY document_id) t USING (document_id)
    WHERE g.generation_id = %(generation)s AND coalesce(t.rows, 0) <> g.chunk_count
), removed AS (
    DELETE FROM {table} t USING wrong WHERE t.document_id = wrong.document_id
)
DELETE FROM generation_documents g USING wrong
WHERE g.generation_id = %(generation)s AND g.document_id = wrong.document_id

-- name: delete_unused_elements
DELETE FROM elements e WHERE NOT EXISTS (SELECT FROM documents d WHERE d.content_hash = e.content_hash)

-- name: delete_unused_embeddings
DELETE FROM embeddings e WHERE NOT EXISTS (SELECT FROM chunks c WHERE c.text_hash = e.text_hash)
