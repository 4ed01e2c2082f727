-- name: register_source
INSERT INTO sources (uri) VALUES (%(uri)s) ON CONFLICT (uri) DO NOTHING

-- name: sources
SELECT id, uri, scanned_at, names_policy FROM sources ORDER BY id

-- name: documents_by_source
SELECT source_id, count(*) FROM documents WHERE deleted_at IS NULL GROUP BY source_id

-- name: delete_source_documents
UPDATE documents SET deleted_at = now() WHERE source_id = %(source)s AND deleted_at IS NULL

-- name: delete_source
DELETE FROM sources
WHERE id = %(source)s AND NOT EXISTS (SELECT FROM documents WHERE source_id = %(source)s)

-- name: mark_scanned
UPDATE sources SET scanned_at = now() WHERE id = %(source)s

-- name: set_names_policy
UPDATE sources SET names_policy = %(policy)s WHERE id = %(source)s

-- name: collections
SELECT DISTINCT collection FROM documents WHERE deleted_at IS NULL ORDER BY collection

-- name: lock_source
SELECT pg_advisory_lock(hashtextextended('kb source ' || %(source)s::text, 0))

-- name: unlock_source
SELECT pg_advisory_unlock(hashtextextended('kb source ' || %(source)s::text, 0))

-- name: signatures
-- One row per shard, so that a million documents do not become one huge value.
-- A path never holds an empty component, so the separator cannot occur in it.
-- A file that could not be read and is due again gets a signature that no file has, so that it is read again.
SELECT string_agg(path || E'\t' || size || E'\t' || coalesce(modified_ns::text, '') || E'\t' ||
                  CASE WHEN f.document_id IS NULL THEN coalesce(etag, '') ELSE 'due' END, E'\n//\n')
FROM documents d
LEFT JOIN failures f ON f.document_id = d.id AND f.stage = 'raw_documents' AND f.next_retry <= now()
WHERE source_id = %(source)s AND deleted_at IS NULL
GROUP BY shard_hash

-- name: known_documents
SELECT id, path, size, content_hash
FROM documents
WHERE source_id = %(source)s AND deleted_at IS NULL AND path = ANY(%(paths)s)

-- name: insert_documents
-- A path that was deleted and came back before its chunks left is the same document again.
INSERT INTO documents (source_id, path, shard_hash, collection, size, modified_ns, etag, content_hash)
SELECT %(source)s, e.*
FROM unnest(%(path)s::text[], %(shard_hash)s::text[], %(collection)s::text[], %(size)s::bigint[],
            %(modified_ns)s::bigint[], %(etag)s::text[], %(content_hash)s::bytea[]) AS e
ON CONFLICT (source_id, path) DO UPDATE
SET size = excluded.size, modified_ns = excluded.modified_ns, etag = excluded.etag,
    content_hash = excluded.content_hash, deleted_at = NULL, changed_at = now()
RETURNING path, id

-- name: update_document
UPDATE documents
SET size = %(size)s, modified_ns = %(modified_ns)s, etag = %(etag)s,
    changed_at = CASE WHEN content_hash IS DISTINCT FROM %(content_hash)s THEN now() ELSE changed_at END,
    content_hash = %(content_hash)s
WHERE id = %(id)s

-- name: forget_deleted_path
-- A moved document may land on a path whose old document is still on its way out.
UPDATE documents SET path = path || ' (deleted ' || id || ')'
WHERE source_id = %(source)s AND path = %(path)s AND deleted_at IS NOT NULL

-- name: move_document
UPDATE documents
SET path = %(path)s, shard_hash = %(shard_hash)s, collection = %(collection)s,
    size = %(size)s, modified_ns = %(modified_ns)s, etag = %(etag)s, changed_at = now()
WHERE id = %(id)s

-- name: delete_documents
UPDATE documents SET deleted_at = now() WHERE id = ANY(%(ids)s) AND deleted_at IS NULL

-- name: purge_documents
-- Only once no serving table holds them any more.
DELETE FROM documents d
WHERE d.deleted_at IS NOT NULL AND left(d.shard_hash, %(digits)s) = ANY(%(shards)s)
  AND NOT EXISTS (SELECT FROM generation_documents g WHERE g.document_id = d.id)

-- name: leaving_documents
SELECT id FROM documents
WHERE deleted_at IS NOT NULL AND left(shard_hash, %(digits)s) = ANY(%(shards)s)
ORDER BY id

-- name: lock_documents
SELECT id, content_hash FROM documents WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE

-- name: document_counts
SELECT count(*) FILTER (WHERE deleted_at IS NULL) AS documents,
       count(*) FILTER (WHERE deleted_at IS NOT NULL) AS leaving
FROM documents

-- name: counts_by_collection
SELECT d.collection, count(DISTINCT d.id) AS documents, count(c.chunk_key) AS chunks, coalesce(sum(c.token_count), 0) AS tokens
FROM documents d LEFT JOIN chunks c ON c.document_id = d.id
WHERE d.deleted_at IS NULL AND left(d.shard_hash, %(digits)s) = ANY(%(shards)s)
GROUP BY d.collection ORDER BY d.collection

-- name: shard_figures
SELECT left(d.shard_hash, %(digits)s) AS shard, count(*) AS documents, coalesce(sum(c.chunks), 0)::bigint AS chunks,
       coalesce(sum(c.tokens), 0)::bigint AS tokens,
       count(*) FILTER (WHERE EXISTS (SELECT FROM failures f WHERE f.document_id = d.id)) AS failed
FROM documents d
LEFT JOIN (SELECT document_id, count(*) AS chunks, sum(token_count) AS tokens FROM chunks GROUP BY document_id) c
       ON c.document_id = d.id
WHERE d.deleted_at IS NULL AND left(d.shard_hash, %(digits)s) = ANY(%(shards)s)
GROUP BY 1

-- name: recent_documents
SELECT d.path, d.collection, d.size, d.changed_at
FROM documents d
WHERE d.deleted_at IS NULL AND left(d.shard_hash, %(digits)s) = ANY(%(shards)s)
ORDER BY d.changed_at DESC, d.path LIMIT %(limit)s

-- name: live_paths
SELECT d.path
FROM sources s JOIN documents d ON d.source_id = s.id AND d.path = ANY(%(paths)s)
WHERE d.deleted_at IS NULL

-- name: list_documents
SELECT d.id, s.uri AS source, d.path, d.collection, d.size, d.changed_at, coalesce(l.chunk_count, 0) AS chunks,
       (SELECT f.reason FROM failures f WHERE f.document_id = d.id ORDER BY f.failed_at DESC LIMIT 1) AS failure
FROM documents d
JOIN sources s ON s.id = d.source_id
LEFT JOIN generations g ON g.state = 'active'
LEFT JOIN generation_documents l ON l.generation_id = g.id AND l.document_id = d.id
WHERE d.deleted_at IS NULL AND d.id > %(after)s
  AND (%(collection)s::text IS NULL OR d.collection = %(collection)s)
ORDER BY d.id LIMIT %(limit)s

-- name: columns
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
       col_description(a.attrelid, a.attnum) AS description
FROM pg_attribute a
WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
