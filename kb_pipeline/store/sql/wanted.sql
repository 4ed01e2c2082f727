-- What every stage has to do. `wanted` says for each live document which fingerprints its
-- collection asks for now; a stage's work is what `wanted` names and the stage's table lacks.
-- The parameters collections, parse_fingerprints and chunk_fingerprints are parallel arrays for the
-- collections that differ from the default. How a file is parsed also depends on its extension, which is
-- therefore part of every parse fingerprint here.

-- name: pending_elements
SELECT d.id, s.uri, d.path, d.collection, d.content_hash, w.parse_fingerprint
FROM documents d
JOIN sources s ON s.id = d.source_id
CROSS JOIN LATERAL (
    SELECT coalesce((SELECT f.p FROM unnest(%(collections)s::text[], %(parse_fingerprints)s::text[]) AS f(c, p)
                     WHERE f.c = d.collection), %(parse_fingerprint)s) || '.' || d.extension AS parse_fingerprint
) w
WHERE d.deleted_at IS NULL AND d.content_hash IS NOT NULL
  AND left(d.shard_hash, %(digits)s) = ANY(%(shards)s)
  AND NOT EXISTS (SELECT FROM elements e WHERE e.content_hash = d.content_hash AND e.parse_fingerprint = w.parse_fingerprint)
  AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = d.id AND x.stage = 'cleaned_elements'
                  AND x.input_version = encode(d.content_hash, 'hex') || ':' || w.parse_fingerprint
                  AND (x.next_retry IS NULL OR x.next_retry > now()))
ORDER BY d.id

-- name: pending_chunks
SELECT d.id, d.path, d.collection, d.content_hash, w.parse_fingerprint, w.chunk_fingerprint
FROM documents d
CROSS JOIN LATERAL (
    SELECT coalesce((SELECT f.p FROM unnest(%(collections)s::text[], %(parse_fingerprints)s::text[]) AS f(c, p)
                     WHERE f.c = d.collection), %(parse_fingerprint)s) || '.' || d.extension AS parse_fingerprint,
           coalesce((SELECT f.p FROM unnest(%(collections)s::text[], %(chunk_fingerprints)s::text[]) AS f(c, p)
                     WHERE f.c = d.collection), %(chunk_fingerprint)s) AS chunk_fingerprint
) w
JOIN elements e ON e.content_hash = d.content_hash AND e.parse_fingerprint = w.parse_fingerprint
WHERE d.deleted_at IS NULL
  AND left(d.shard_hash, %(digits)s) = ANY(%(shards)s)
  AND d.chunks_version IS DISTINCT FROM encode(d.content_hash, 'hex') || ':' || w.parse_fingerprint || ':' || w.chunk_fingerprint
  AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = d.id AND x.stage = 'chunks'
                  AND x.input_version = encode(d.content_hash, 'hex') || ':' || w.parse_fingerprint || ':' || w.chunk_fingerprint
                  AND (x.next_retry IS NULL OR x.next_retry > now()))
ORDER BY d.id

-- name: pending_texts
-- One row per text, read in pages after the last text hash.
SELECT DISTINCT ON (c.text_hash) c.text_hash, c.section_path, c.content
FROM chunks c
JOIN documents d ON d.id = c.document_id
WHERE c.text_hash > %(after)s
  AND d.deleted_at IS NULL
  AND left(d.shard_hash, %(digits)s) = ANY(%(shards)s)
  AND NOT EXISTS (SELECT FROM embeddings e WHERE e.model_fingerprint = %(model)s AND e.text_hash = c.text_hash)
  AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = d.id AND x.stage = 'embeddings'
                  AND x.input_version = d.chunks_version || ':' || %(model)s
                  AND (x.next_retry IS NULL OR x.next_retry > now()))
ORDER BY c.text_hash
LIMIT %(limit)s

-- name: pending_text_totals
-- How many texts `pending_texts` would give, their tokens, and how many chunks of the documents that are
-- to be loaded need no text of their own, because the text has a vector or another chunk holds it, too.
WITH texts AS (
    SELECT c.text_hash, max(c.token_count) AS token_count
    FROM chunks c
    JOIN documents d ON d.id = c.document_id
    WHERE d.deleted_at IS NULL
      AND left(d.shard_hash, %(digits)s) = ANY(%(shards)s)
      AND NOT EXISTS (SELECT FROM embeddings e WHERE e.model_fingerprint = %(model)s AND e.text_hash = c.text_hash)
      AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = d.id AND x.stage = 'embeddings'
                      AND x.input_version = d.chunks_version || ':' || %(model)s
                      AND (x.next_retry IS NULL OR x.next_retry > now()))
    GROUP BY c.text_hash
), loads AS (
    SELECT c.text_hash
    FROM documents d
    JOIN chunks c ON c.document_id = d.id
    LEFT JOIN generation_documents g ON g.document_id = d.id AND g.generation_id = %(generation)s
    WHERE d.deleted_at IS NULL
      AND left(d.shard_hash, %(digits)s) = ANY(%(shards)s)
      AND g.chunks_version IS DISTINCT FROM d.chunks_version
      AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = d.id AND x.stage = 'embeddings'
                      AND x.input_version = d.chunks_version || ':' || %(model)s
                      AND (x.next_retry IS NULL OR x.next_retry > now()))
)
SELECT (SELECT count(*) FROM texts) AS texts,
       (SELECT coalesce(sum(token_count), 0)::bigint FROM texts) AS tokens,
       (SELECT greatest(count(*) - count(DISTINCT t.text_hash), 0)
        FROM loads l LEFT JOIN texts t USING (text_hash)) AS reused

-- name: documents_with_texts
SELECT DISTINCT d.id, d.chunks_version
FROM documents d JOIN chunks c ON c.document_id = d.id
WHERE d.deleted_at IS NULL AND c.text_hash = ANY(%(text_hashes)s)
ORDER BY d.id

-- name: pending_loads
-- Documents whose rows in the serving table are missing or stale while their chunks all have vectors, or
-- whose rows stand under an old path. Deleted documents that a serving table still holds come along.
SELECT d.id, d.deleted_at IS NOT NULL AS leaving
FROM documents d
LEFT JOIN generation_documents g ON g.document_id = d.id AND g.generation_id = %(generation)s
WHERE left(d.shard_hash, %(digits)s) = ANY(%(shards)s)
  AND CASE
        WHEN d.deleted_at IS NOT NULL THEN g.document_id IS NOT NULL
        WHEN d.chunks_version IS NULL THEN false
        WHEN g.path <> d.path THEN true
        WHEN g.chunks_version = d.chunks_version THEN false
        ELSE NOT EXISTS (
            SELECT FROM chunks c
            WHERE c.document_id = d.id
              AND NOT EXISTS (SELECT FROM embeddings e WHERE e.model_fingerprint = %(model)s AND e.text_hash = c.text_hash))
      END
ORDER BY d.id

-- name: dirty_shards
-- Shards with work that no failure holds back, and how many documents each has to work on: the union of
-- what pending_elements, pending_chunks, pending_texts and pending_loads would give one after another.
SELECT left(d.shard_hash, %(digits)s) AS shard, count(*) AS documents, max(d.changed_at) AS changed_at
FROM documents d
CROSS JOIN LATERAL (
    SELECT coalesce((SELECT f.p FROM unnest(%(collections)s::text[], %(parse_fingerprints)s::text[]) AS f(c, p)
                     WHERE f.c = d.collection), %(parse_fingerprint)s) || '.' || d.extension AS parse_fingerprint,
           coalesce((SELECT f.p FROM unnest(%(collections)s::text[], %(chunk_fingerprints)s::text[]) AS f(c, p)
                     WHERE f.c = d.collection), %(chunk_fingerprint)s) AS chunk_fingerprint
) w
CROSS JOIN LATERAL (
    SELECT encode(d.content_hash, 'hex') || ':' || w.parse_fingerprint AS parsed,
           encode(d.content_hash, 'hex') || ':' || w.parse_fingerprint || ':' || w.chunk_fingerprint AS chunked,
           d.chunks_version || ':' || %(model)s AS embedded
) v
LEFT JOIN generation_documents g ON g.document_id = d.id AND g.generation_id = %(generation)s
WHERE CASE
        WHEN d.deleted_at IS NOT NULL THEN true
        ELSE (d.content_hash IS NOT NULL AND d.chunks_version IS DISTINCT FROM v.chunked
              AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = d.id
                              AND (x.next_retry IS NULL OR x.next_retry > now())
                              AND (x.stage, x.input_version) IN (('cleaned_elements', v.parsed), ('chunks', v.chunked))))
          OR g.path <> d.path
          OR (d.chunks_version IS NOT NULL AND g.chunks_version IS DISTINCT FROM d.chunks_version
              AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = d.id
                              AND (x.next_retry IS NULL OR x.next_retry > now())
                              AND x.stage = 'embeddings' AND x.input_version = v.embedded))
      END
GROUP BY 1
ORDER BY 1
