-- Lock order: whoever changes rows that belong to documents (the documents themselves, their chunks and failures, the
-- rows of serving tables) locks these documents first, in the order of their ids, and all that it will touch at once.

-- name: register_source
INSERT INTO sources (uri) VALUES (%(uri)s) ON CONFLICT (uri) DO NOTHING

-- name: sources
SELECT id, uri, scanned_at, names_policy, sidecars_policy, patterns FROM sources ORDER BY id

-- name: documents_by_source
SELECT source_id, count(*) FROM documents WHERE deleted_at IS NULL GROUP BY source_id

-- name: delete_source_documents
WITH locked AS (
    SELECT id FROM documents WHERE source_id = %(source)s AND deleted_at IS NULL ORDER BY id FOR UPDATE)
UPDATE documents d SET deleted_at = now() FROM locked WHERE d.id = locked.id

-- name: delete_source
DELETE FROM sources
WHERE id = %(source)s AND NOT EXISTS (SELECT FROM documents WHERE source_id = %(source)s)

-- name: mark_scanned
UPDATE sources SET scanned_at = now() WHERE id = %(source)s

-- name: set_names_policy
UPDATE sources SET names_policy = %(policy)s WHERE id = %(source)s

-- name: note_held_deletions
UPDATE sources s SET held_deletions = h.count
FROM unnest(%(uris)s::text[], %(counts)s::integer[]) AS h(uri, count)
WHERE s.uri = h.uri AND s.held_deletions <> h.count

-- name: held_deletions
SELECT uri, held_deletions FROM sources WHERE held_deletions > 0 ORDER BY uri

-- name: collections
-- Those of documents with chunks, of those that wait for theirs, and of those that could not be read.
SELECT collection FROM ({chunked_collections}) c
UNION SELECT collection FROM documents WHERE to_chunk
UNION SELECT d.collection FROM failures f JOIN documents d ON d.id = f.document_id WHERE d.deleted_at IS NULL
ORDER BY collection

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
WHERE source_id = %(source)s AND deleted_at IS NULL AND shard_hash BETWEEN %(first)s AND %(last)s
GROUP BY shard_hash

-- name: known_documents
SELECT id, path, size, content_hash
FROM documents
WHERE source_id = %(source)s AND deleted_at IS NULL AND path = ANY(%(paths)s)

-- name: lock_paths
-- The documents of some ids or paths, those included that are on their way out.
SELECT id FROM documents
WHERE id = ANY(%(ids)s) OR (source_id = %(source)s AND path = ANY(%(paths)s))
ORDER BY id FOR UPDATE

-- name: insert_documents
-- A path that was deleted and came back before its chunks left is the same document again.
INSERT INTO documents (source_id, path, shard_hash, collection, size, modified_ns, etag, content_hash)
SELECT %(source)s, e.*
FROM unnest(%(path)s::text[], %(shard_hash)s::text[], %(collection)s::text[], %(size)s::bigint[],
            %(modified_ns)s::bigint[], %(etag)s::text[], %(content_hash)s::bytea[]) AS e
ON CONFLICT (source_id, path) DO UPDATE
SET size = excluded.size, modified_ns = excluded.modified_ns, etag = excluded.etag,
    content_hash = excluded.content_hash, deleted_at = NULL, loaded_revision = NULL, changed_at = now()
RETURNING path, id

-- name: update_documents
UPDATE documents d
SET size = e.size, modified_ns = e.modified_ns, etag = e.etag, content_hash = e.content_hash,
    changed_at = CASE WHEN d.content_hash IS DISTINCT FROM e.content_hash THEN now() ELSE d.changed_at END
FROM unnest(%(id)s::bigint[], %(size)s::bigint[], %(modified_ns)s::bigint[], %(etag)s::text[],
            %(content_hash)s::bytea[]) AS e(id, size, modified_ns, etag, content_hash)
WHERE d.id = e.id

-- name: forget_deleted_paths
-- A moved document may land on a path whose old document is still on its way out.
UPDATE documents SET path = path || ' (deleted ' || id || ')'
WHERE source_id = %(source)s AND path = ANY(%(path)s) AND deleted_at IS NOT NULL

-- name: move_documents
UPDATE documents d
SET path = e.path, shard_hash = e.shard_hash, collection = e.collection, size = e.size, modified_ns = e.modified_ns,
    etag = e.etag, loaded_revision = NULL, changed_at = now()
FROM unnest(%(id)s::bigint[], %(path)s::text[], %(shard_hash)s::text[], %(collection)s::text[], %(size)s::bigint[],
            %(modified_ns)s::bigint[], %(etag)s::text[])
         AS e(id, path, shard_hash, collection, size, modified_ns, etag)
WHERE d.id = e.id

-- name: delete_documents
UPDATE documents SET deleted_at = now() WHERE id = ANY(%(ids)s) AND deleted_at IS NULL

-- name: purge_documents
-- Only once no serving table holds them any more.
WITH locked AS (
    SELECT d.id FROM documents d
    WHERE d.deleted_at IS NOT NULL AND d.shard_hash BETWEEN %(first)s AND %(last)s
    ORDER BY d.id FOR UPDATE)
DELETE FROM documents d USING locked
WHERE d.id = locked.id AND NOT EXISTS (SELECT FROM generation_documents g WHERE g.document_id = d.id)

-- name: leaving_documents
SELECT id FROM documents
WHERE deleted_at IS NOT NULL AND shard_hash BETWEEN %(first)s AND %(last)s
ORDER BY id

-- name: lock_documents
SELECT id, content_hash FROM documents WHERE id = ANY(%(ids)s) ORDER BY id FOR UPDATE

-- name: chunk_counts
SELECT id, chunk_count FROM documents WHERE id = ANY(%(ids)s)

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

-- name: progress
SELECT d.id AS document_id, d.size, d.modified_ns, NOT (d.to_chunk OR d.to_load) AS is_loaded,
       (SELECT f.reason FROM failures f WHERE f.document_id = d.id ORDER BY f.failed_at DESC LIMIT 1) AS failure
FROM documents d JOIN sources s ON s.id = d.source_id
WHERE s.uri = %(uri)s AND d.path = %(path)s
