-- What every stage has to do, found by index: a run's cost follows what changed, not what there is.
--
-- `wanted` names the fingerprints that the settings ask of each collection; the parameters collections,
-- parse_fingerprints and chunk_fingerprints are parallel arrays for those that differ from the default. They travel
-- with the question and are not kept in a table: two processes with different settings may be at work, and what is
-- parsed under one policy must never be stored as if it had been parsed under the other's.
--
-- `unfinished`: live documents whose chunks are missing, or were not made from what the document is now under the
-- wanted fingerprints. `targets`: the generations that a question is about. `unloaded`: documents that the one of them
-- which serves their collection may not hold as they are, whether they were deleted or not; it may be a few too many,
-- and who asks looks at each of them.
--
-- OFFSET 0 keeps PostgreSQL from looking into what is before it: it cannot know that next to no document is unfinished,
-- takes a third of all for that, and would read all documents of the shards, or all elements, to be ready for them.

-- name: fingerprints
SELECT * FROM unnest(%(collections)s::text[], %(parse_fingerprints)s::text[], %(chunk_fingerprints)s::text[])
    AS f(collection, parse_fingerprint, chunk_fingerprint)

-- name: chunked_collections
-- Each collection once, by one look at the index for each.
WITH RECURSIVE names(collection) AS (
    (SELECT collection FROM documents WHERE deleted_at IS NULL AND revision > 0 ORDER BY collection LIMIT 1)
    UNION ALL
    SELECT (SELECT d.collection FROM documents d
            WHERE d.deleted_at IS NULL AND d.revision > 0 AND d.collection > n.collection
            ORDER BY d.collection LIMIT 1)
    FROM names n WHERE n.collection IS NOT NULL)
SELECT collection FROM names WHERE collection IS NOT NULL

-- name: unfinished
SELECT d.id, d.source_id, d.path, d.collection, d.shard_hash, d.extension, d.content_hash, d.changed_at,
       w.parse_fingerprint, w.chunk_fingerprint,
       encode(d.content_hash, 'hex') || ':' || w.parse_fingerprint || '.' || d.extension AS parse_input,
       encode(d.content_hash, 'hex') || ':' || w.parse_fingerprint || '.' || d.extension || ':' || w.chunk_fingerprint
           AS chunk_input
FROM (
    SELECT * FROM documents d WHERE d.to_chunk AND d.shard_hash BETWEEN %(first)s AND %(last)s
    UNION ALL
    SELECT d.*
    FROM (
        SELECT n.collection, coalesce(f.parse_fingerprint, %(parse_fingerprint)s) AS parse,
               coalesce(f.chunk_fingerprint, %(chunk_fingerprint)s) AS chunk
        FROM ({chunked_collections}) n LEFT JOIN ({fingerprints}) f USING (collection)
    ) a
    CROSS JOIN LATERAL (
        SELECT * FROM documents d
        WHERE d.deleted_at IS NULL AND d.revision > 0 AND d.collection = a.collection
          AND (d.chunked_parse, d.chunked_fingerprint) < (a.parse, a.chunk)
        UNION ALL
        SELECT * FROM documents d
        WHERE d.deleted_at IS NULL AND d.revision > 0 AND d.collection = a.collection
          AND (d.chunked_parse, d.chunked_fingerprint) > (a.parse, a.chunk)
        OFFSET 0
    ) d
    WHERE NOT d.to_chunk AND d.content_hash IS NOT NULL AND d.shard_hash BETWEEN %(first)s AND %(last)s
) d
LEFT JOIN ({fingerprints}) f USING (collection)
CROSS JOIN LATERAL (
    SELECT coalesce(f.parse_fingerprint, %(parse_fingerprint)s) AS parse_fingerprint,
           coalesce(f.chunk_fingerprint, %(chunk_fingerprint)s) AS chunk_fingerprint
) w

-- name: serves
-- Whether a generation (of generations, or null for the one that is to be made) is to hold the documents of `collection`:
-- its own; or all but those that have an active generation of their own which is to keep them.
coalesce({own} = {collection}, {collection} <> ALL(ARRAY(
    SELECT o.collection FROM generations o
    WHERE o.state = 'active' AND o.collection IS NOT NULL AND NOT o.hands_back)))

-- name: targets
SELECT t.id AS generation, g.model_fingerprint AS model, g.collection AS own
FROM unnest(%(generations)s::bigint[]) AS t(id) LEFT JOIN generations g USING (id)

-- name: unloaded
-- Of one generation.
SELECT d.id, d.path, d.collection, d.shard_hash, d.changed_at, d.deleted_at, d.revision, t.generation, t.model,
       d.revision || ':' || t.model AS embedding_input
FROM documents d JOIN ({targets}) t ON t.generation IS NOT DISTINCT FROM {generation}::bigint AND {serves_document}
WHERE d.to_load AND d.shard_hash BETWEEN %(first)s AND %(last)s
UNION ALL
SELECT d.id, d.path, d.collection, d.shard_hash, d.changed_at, d.deleted_at, d.revision, a.generation, a.model,
       d.revision || ':' || a.model
FROM (SELECT n.collection, t.generation, t.model
      FROM ({chunked_collections}) n JOIN ({targets}) t ON t.generation = {generation} AND {serves_collection}) a
CROSS JOIN LATERAL (
    SELECT * FROM documents d WHERE d.collection = a.collection AND d.loaded_generation < {generation}
    UNION ALL
    SELECT * FROM documents d WHERE d.collection = a.collection AND d.loaded_generation > {generation}
) d
WHERE NOT d.to_load AND d.shard_hash BETWEEN %(first)s AND %(last)s

-- name: pending_elements
SELECT u.id, s.uri, u.path, u.collection, u.shard_hash, u.content_hash, u.extension, u.parse_fingerprint, u.parse_input AS input_version
FROM ({unfinished}) u
JOIN sources s ON s.id = u.source_id
WHERE NOT EXISTS (SELECT FROM elements e WHERE e.content_hash = u.content_hash AND e.extension = u.extension
                  AND e.parse_fingerprint = u.parse_fingerprint OFFSET 0)
  AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = u.id AND x.stage = 'cleaned_elements'
                  AND x.input_version = u.parse_input AND (x.next_retry IS NULL OR x.next_retry > now()))
ORDER BY u.id

-- name: pending_chunks
SELECT u.id, u.path, u.collection, u.content_hash, u.extension, u.parse_fingerprint, u.chunk_fingerprint,
       u.chunk_input AS input_version
FROM ({unfinished}) u
WHERE EXISTS (SELECT FROM elements e WHERE e.content_hash = u.content_hash AND e.extension = u.extension
              AND e.parse_fingerprint = u.parse_fingerprint OFFSET 0)
  AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = u.id AND x.stage = 'chunks'
                  AND x.input_version = u.chunk_input AND (x.next_retry IS NULL OR x.next_retry > now()))
ORDER BY u.id

-- name: documents_to_embed
-- Documents that are to be loaded and have no failure that keeps their texts from the server, in order of id.
SELECT u.id
FROM ({unloaded}) u
LEFT JOIN generation_documents g ON g.document_id = u.id AND g.generation_id = u.generation
WHERE u.deleted_at IS NULL AND g.revision IS DISTINCT FROM u.revision
  AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = u.id AND x.stage = 'embeddings'
                  AND x.input_version = u.embedding_input AND (x.next_retry IS NULL OR x.next_retry > now()))
ORDER BY u.id

-- name: pending_texts
-- One row per text of some documents.
SELECT DISTINCT ON (c.text_hash) c.text_hash, c.section_path, c.content
FROM chunks c
WHERE c.document_id = ANY(%(ids)s)
  AND NOT EXISTS (SELECT FROM embeddings e WHERE e.model_fingerprint = %(model)s AND e.text_hash = c.text_hash)
ORDER BY c.text_hash

-- name: pending_text_totals
-- How many texts of `documents_to_embed` have no vector, their tokens, and how many chunks of the documents that are
-- to be loaded need no text of their own, because the text has a vector or another chunk holds it, too.
WITH loads AS (
    SELECT c.text_hash, c.token_count, NOT EXISTS (SELECT FROM embeddings e WHERE e.model_fingerprint = %(model)s
                                                   AND e.text_hash = c.text_hash) AS is_pending
    FROM ({unloaded}) u
    LEFT JOIN generation_documents g ON g.document_id = u.id AND g.generation_id = u.generation
    JOIN chunks c ON c.document_id = u.id
    WHERE u.deleted_at IS NULL AND g.revision IS DISTINCT FROM u.revision
      AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = u.id AND x.stage = 'embeddings'
                      AND x.input_version = u.embedding_input AND (x.next_retry IS NULL OR x.next_retry > now()))
), texts AS (
    SELECT max(token_count) AS token_count FROM loads WHERE is_pending GROUP BY text_hash
)
SELECT count(*) AS texts, coalesce(sum(token_count), 0)::bigint AS tokens,
       (SELECT count(*) FROM loads) - count(*) AS reused
FROM texts

-- name: documents_with_texts
SELECT DISTINCT d.id, d.revision
FROM documents d JOIN chunks c ON c.document_id = d.id
WHERE d.deleted_at IS NULL AND c.text_hash = ANY(%(text_hashes)s)
ORDER BY d.id

-- name: pending_loads
-- Documents whose rows in the serving table are missing or stale while their chunks all have vectors, or
-- whose rows stand under an old path, be it in the table of the collection that they moved from. Deleted documents
-- that a serving table still holds come along.
SELECT u.id, u.deleted_at IS NOT NULL AS leaving
FROM ({unloaded}) u
LEFT JOIN LATERAL (SELECT * FROM generation_documents h  -- by its key, however many documents the planner expects
                   WHERE h.document_id = u.id AND h.generation_id = u.generation LIMIT 1) g ON true
WHERE CASE
        WHEN u.deleted_at IS NOT NULL THEN g.document_id IS NOT NULL
        WHEN g.path <> u.path THEN true
        WHEN g.revision = u.revision THEN false
        WHEN u.path <> (
            SELECT o.path FROM generation_documents o
            WHERE o.document_id = u.id
              AND o.generation_id = ANY(ARRAY(SELECT a.id FROM generations a WHERE a.state = 'active'))
            LIMIT 1) THEN true
        ELSE NOT EXISTS (
            SELECT FROM chunks c
            WHERE c.document_id = u.id
              AND NOT EXISTS (SELECT FROM embeddings e WHERE e.model_fingerprint = u.model AND e.text_hash = c.text_hash))
      END
ORDER BY u.id

-- name: loaded_unnoted
-- Documents that the generation holds as they are and that are still looked for: another one was active before.
SELECT u.id
FROM ({unloaded}) u
JOIN generation_documents g ON g.document_id = u.id AND g.generation_id = u.generation
WHERE u.deleted_at IS NULL AND g.revision = u.revision AND g.path = u.path
ORDER BY u.id

-- name: incomplete_documents
-- Live documents with chunks that the generation does not hold in their current version, and that will come.
SELECT count(*)
FROM ({unloaded}) u
LEFT JOIN generation_documents g ON g.document_id = u.id AND g.generation_id = u.generation
WHERE u.deleted_at IS NULL AND g.revision IS DISTINCT FROM u.revision
  AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = u.id AND x.stage = 'embeddings'
                  AND x.input_version = u.embedding_input AND x.next_retry IS NULL)

-- name: dirty
-- Documents with work that no failure holds back: the union of what pending_elements, pending_chunks, pending_texts and
-- pending_loads would give one after another.
SELECT u.id, u.shard_hash, u.changed_at
FROM ({unfinished}) u
WHERE NOT EXISTS (SELECT FROM failures x WHERE x.document_id = u.id AND (x.next_retry IS NULL OR x.next_retry > now())
                  AND (x.stage, x.input_version) IN (('cleaned_elements', u.parse_input), ('chunks', u.chunk_input)))
UNION
SELECT u.id, u.shard_hash, u.changed_at
FROM ({unloaded}) u
LEFT JOIN generation_documents g ON g.document_id = u.id AND g.generation_id = u.generation
WHERE u.deleted_at IS NOT NULL OR g.path <> u.path
   OR (g.revision IS DISTINCT FROM u.revision
       AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = u.id AND x.stage = 'embeddings'
                       AND x.input_version = u.embedding_input AND (x.next_retry IS NULL OR x.next_retry > now())))

-- name: dirty_shards
SELECT left(shard_hash, %(digits)s) AS shard, count(*) AS documents, max(changed_at) AS changed_at
FROM ({dirty}) d GROUP BY 1 ORDER BY 1

-- name: pending_reasons
-- Why documents wait: for what `dirty_shards` counts, the first stage that has to be done again and what for.
SELECT CASE
         WHEN d.deleted_at IS NOT NULL THEN 'deleted'
         WHEN EXISTS (SELECT FROM failures x WHERE x.document_id = d.id AND x.next_retry <= now()) THEN 'retry'
         WHEN d.revision = 0 THEN 'new'
         WHEN d.chunked_hash <> d.content_hash THEN 'changed'
         WHEN d.chunked_parse <> w.parse_fingerprint AND p.parse_version = w.parse_version THEN 'policy'
         WHEN d.chunked_parse <> w.parse_fingerprint OR d.chunked_extension <> d.extension THEN 'parse'
         WHEN d.chunked_fingerprint <> w.chunk_fingerprint THEN 'chunk'
         WHEN g.revision IS DISTINCT FROM d.revision THEN 'vectors'
         ELSE 'moved'
       END AS reason, count(*) AS documents
FROM ({dirty}) i
JOIN documents d USING (id)
LEFT JOIN ({fingerprints}) f ON f.collection = d.collection
CROSS JOIN LATERAL (
    SELECT coalesce(f.parse_fingerprint, %(parse_fingerprint)s) AS parse_fingerprint,
           coalesce(f.chunk_fingerprint, %(chunk_fingerprint)s) AS chunk_fingerprint,
           coalesce(%(parse_versions)s::jsonb ->> d.collection, %(parse_version)s) AS parse_version
) w
LEFT JOIN privacy_policies p ON p.parse_fingerprint = d.chunked_parse
LEFT JOIN ({targets}) t ON {serves_document}
LEFT JOIN generation_documents g ON g.document_id = d.id AND g.generation_id = t.generation
GROUP BY 1
ORDER BY 2 DESC, 1
