-- name: insert_elements
INSERT INTO elements (content_hash, extension, parse_fingerprint, format, page_count, element_count, dropped_count,
                      privacy_counts, warnings, seconds, coverage, payload)
VALUES (%(content_hash)s, %(extension)s, %(parse_fingerprint)s, %(format)s, %(page_count)s, %(element_count)s,
        %(dropped_count)s, %(privacy_counts)s, %(warnings)s, %(seconds)s, %(coverage)s, %(payload)s)
ON CONFLICT DO NOTHING

-- name: register_policy
INSERT INTO privacy_policies (parse_fingerprint, parse_version, policy)
VALUES (%(parse_fingerprint)s, %(parse_version)s, %(policy)s)
ON CONFLICT DO NOTHING

-- name: policies
SELECT parse_fingerprint, parse_version AS version, policy, created_at FROM privacy_policies ORDER BY created_at DESC

-- name: elements_to_mask_further
-- For each pending document, the newest of its elements that were masked under one of the fingerprints which its
-- own can follow.
SELECT DISTINCT ON (w.id) w.id, e.parse_fingerprint
FROM unnest(%(ids)s::bigint[], %(content_hashes)s::bytea[], %(extensions)s::text[], %(wanted)s::text[])
         AS w(id, content_hash, extension, wanted)
JOIN unnest(%(followers)s::text[], %(followed)s::text[]) AS f(follower, followed) ON f.follower = w.wanted
JOIN elements e ON e.content_hash = w.content_hash AND e.extension = w.extension AND e.parse_fingerprint = f.followed
ORDER BY w.id, e.created_at DESC

-- name: forget_superseded_elements
-- Elements under policies that no collection asks for any more, of contents that were masked again.
WITH locked AS (
    SELECT e.content_hash, e.extension, e.parse_fingerprint FROM elements e
    WHERE e.content_hash = ANY(%(content_hashes)s) AND e.parse_fingerprint <> ALL(%(wanted)s)
      AND e.parse_fingerprint IN (SELECT parse_fingerprint FROM privacy_policies)
    ORDER BY 1, 2, 3 FOR UPDATE)
DELETE FROM elements e USING locked
WHERE (e.content_hash, e.extension, e.parse_fingerprint) = (locked.content_hash, locked.extension, locked.parse_fingerprint)

-- name: superseded_texts
-- Texts of documents whose chunks were made under a policy that no collection asks for any more.
SELECT DISTINCT c.text_hash
FROM documents d JOIN chunks c ON c.document_id = d.id
WHERE d.id = ANY(%(ids)s) AND d.chunked_parse <> ALL(%(wanted)s)
  AND d.chunked_parse IN (SELECT parse_fingerprint FROM privacy_policies)

-- name: forget_vectors
-- Vectors of texts that no chunk holds any more.
WITH locked AS (
    SELECT e.model_fingerprint, e.text_hash FROM embeddings e
    WHERE e.text_hash = ANY(%(text_hashes)s) AND NOT EXISTS (SELECT FROM chunks c WHERE c.text_hash = e.text_hash)
    ORDER BY e.model_fingerprint, e.text_hash FOR UPDATE)
DELETE FROM embeddings e USING locked
WHERE e.model_fingerprint = locked.model_fingerprint AND e.text_hash = locked.text_hash

-- name: elements
SELECT payload FROM elements
WHERE content_hash = %(content_hash)s AND extension = %(extension)s AND parse_fingerprint = %(parse_fingerprint)s

-- name: elements_of_batch
SELECT w.id, e.payload
FROM unnest(%(ids)s::bigint[], %(content_hashes)s::bytea[], %(extensions)s::text[], %(parse_fingerprints)s::text[])
         AS w(id, content_hash, extension, parse_fingerprint)
JOIN elements e USING (content_hash, extension, parse_fingerprint)

-- name: delete_chunks
DELETE FROM chunks WHERE document_id = ANY(%(ids)s)

-- name: copy_chunks
COPY chunks (document_id, chunk_key, ordinal, text_hash, content, page_number, page_end, section_path, language,
             token_count, lexemes, metadata)
FROM STDIN (FORMAT binary)

-- name: set_chunked
UPDATE documents d
SET chunked_hash = w.content_hash, chunked_extension = w.extension, chunked_parse = w.parse_fingerprint,
    chunked_fingerprint = w.chunk_fingerprint, chunked_at = now(), chunk_count = w.chunks, token_count = w.tokens,
    revision = d.revision + 1
FROM unnest(%(ids)s::bigint[], %(content_hashes)s::bytea[], %(extensions)s::text[], %(parse_fingerprints)s::text[],
            %(chunk_fingerprints)s::text[], %(chunks)s::integer[], %(tokens)s::bigint[])
         AS w(id, content_hash, extension, parse_fingerprint, chunk_fingerprint, chunks, tokens)
WHERE d.id = w.id

-- name: register_model
INSERT INTO models (fingerprint, name, native_dimension) VALUES (%(fingerprint)s, %(name)s, %(native_dimension)s)
ON CONFLICT (fingerprint) DO NOTHING

-- name: copy_embeddings
COPY embeddings (text_hash, model_fingerprint, embedding) FROM STDIN (FORMAT binary)

-- name: stage_embeddings
-- Another run embedded some of the same texts meanwhile: go through a temporary table instead.
CREATE TEMPORARY TABLE staged_embeddings (LIKE embeddings) ON COMMIT DROP

-- name: copy_staged_embeddings
COPY staged_embeddings (text_hash, model_fingerprint, embedding) FROM STDIN (FORMAT binary)

-- name: merge_staged_embeddings
INSERT INTO embeddings SELECT * FROM staged_embeddings ORDER BY text_hash ON CONFLICT DO NOTHING

-- name: fail_documents
INSERT INTO failures (document_id, stage, input_version, error, reason, next_retry)
SELECT w.document, %(stage)s, w.input_version, w.error, w.reason, now() + w.first_delay
FROM unnest(%(documents)s::bigint[], %(input_versions)s::text[], %(errors)s::text[], %(reasons)s::text[],
            %(first_delays)s::interval[]) AS w(document, input_version, error, reason, first_delay)
ON CONFLICT (document_id, stage) DO UPDATE
SET attempts = CASE WHEN failures.input_version = excluded.input_version THEN failures.attempts + 1 ELSE 1 END,
    input_version = excluded.input_version, error = excluded.error, reason = excluded.reason, failed_at = now(),
    next_retry = now() + (excluded.next_retry - now())
                 * power(4, CASE WHEN failures.input_version = excluded.input_version THEN least(failures.attempts, 6) ELSE 0 END)

-- name: clear_failures
DELETE FROM failures WHERE stage = ANY(%(stages)s) AND document_id = ANY(%(ids)s)

-- name: forget_failures
-- Of documents whose bytes are others now: what failed before says nothing about them.
DELETE FROM failures WHERE document_id = ANY(%(ids)s)

-- name: failures
SELECT s.uri, d.path, d.collection, f.stage, f.error, f.reason, f.attempts, f.failed_at, f.next_retry
FROM failures f JOIN documents d ON d.id = f.document_id JOIN sources s ON s.id = d.source_id
WHERE d.deleted_at IS NULL AND d.shard_hash BETWEEN %(first)s AND %(last)s
ORDER BY f.failed_at DESC, d.path
LIMIT %(limit)s

-- name: count_failures
SELECT count(DISTINCT f.document_id)
FROM failures f JOIN documents d ON d.id = f.document_id
WHERE d.deleted_at IS NULL AND d.shard_hash BETWEEN %(first)s AND %(last)s

-- name: retry_failures
-- Whatever failed is due now; the next ingest tries it again.
WITH locked AS (
    SELECT d.id FROM documents d WHERE d.id IN (SELECT document_id FROM failures) ORDER BY d.id FOR UPDATE
), due AS (
    UPDATE failures f SET next_retry = now() FROM locked WHERE f.document_id = locked.id RETURNING f.document_id)
SELECT count(DISTINCT document_id) FROM due

-- name: all_elements
SELECT * FROM document_elements WHERE shard_hash BETWEEN %(first)s AND %(last)s

-- name: recent_elements
-- Those that were made within the last seconds.
SELECT d.path, d.collection, d.shard_hash, d.changed_at, e.*
FROM elements e JOIN documents d ON d.content_hash = e.content_hash AND d.extension = e.extension
WHERE e.created_at >= now() - make_interval(secs => %(seconds)s) AND d.deleted_at IS NULL
  AND d.shard_hash BETWEEN %(first)s AND %(last)s

-- name: elements_by_format
-- A document without pages counts as one page.
SELECT format, count(*) AS documents, sum(coalesce(page_count, 1)) AS pages, sum(element_count) AS elements,
       sum(dropped_count) AS dropped, sum(seconds) AS seconds,
       sum(seconds) / sum(greatest(coalesce(page_count, 1), 1)) AS seconds_per_page, min(coverage) AS least_coverage
FROM ({elements}) e
GROUP BY format ORDER BY 2 DESC, 1

-- name: shard_elements
SELECT left(shard_hash, %(digits)s) AS shard, format, count(*) AS documents, sum(coalesce(page_count, 1)) AS pages,
       sum(seconds) AS seconds, min(coverage) AS least_coverage
FROM ({elements}) e
GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2

-- name: privacy_counts
SELECT path, collection, privacy_counts AS counts FROM ({elements}) e ORDER BY path

-- name: shard_privacy
SELECT left(shard_hash, %(digits)s) AS shard, c.key AS entity, sum(c.value::bigint) AS count
FROM ({elements}) e, jsonb_each_text(privacy_counts) c
GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2

-- name: shard_failures
SELECT left(d.shard_hash, %(digits)s) AS shard, f.error, count(*) AS documents
FROM failures f JOIN documents d ON d.id = f.document_id
WHERE d.deleted_at IS NULL AND d.shard_hash BETWEEN %(first)s AND %(last)s AND f.stage = %(stage)s
GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2

-- name: warned_documents
SELECT path, unnest(warnings) AS warning
FROM ({elements}) e
WHERE cardinality(warnings) > 0
ORDER BY changed_at DESC, path LIMIT %(limit)s

-- name: latest_elements
SELECT d.path, e.payload
FROM elements e JOIN documents d ON d.content_hash = e.content_hash AND d.extension = e.extension
WHERE d.deleted_at IS NULL AND d.shard_hash BETWEEN %(first)s AND %(last)s
ORDER BY e.created_at DESC LIMIT %(limit)s

-- name: chunk_preview
SELECT d.path AS file, c.page_number AS page, array_to_string(c.section_path, ' > ') AS section, c.language,
       c.token_count AS tokens, left(c.content, 160) AS content
FROM (SELECT id, path, chunked_at FROM documents
      WHERE deleted_at IS NULL AND shard_hash BETWEEN %(first)s AND %(last)s AND chunked_at IS NOT NULL
      ORDER BY chunked_at DESC LIMIT %(limit)s) d
JOIN chunks c ON c.document_id = d.id
ORDER BY d.chunked_at DESC, d.id, c.ordinal LIMIT %(limit)s
