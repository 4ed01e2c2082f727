-- name: insert_elements
INSERT INTO elements (content_hash, parse_fingerprint, format, page_count, element_count, dropped_count,
                      privacy_counts, warnings, seconds, coverage, payload)
VALUES (%(content_hash)s, %(parse_fingerprint)s, %(format)s, %(page_count)s, %(element_count)s, %(dropped_count)s,
        %(privacy_counts)s, %(warnings)s, %(seconds)s, %(coverage)s, %(payload)s)
ON CONFLICT DO NOTHING

-- name: register_policy
INSERT INTO privacy_policies (parse_fingerprint, parse_version, policy)
VALUES (%(parse_fingerprint)s, %(parse_version)s, %(policy)s)
ON CONFLICT DO NOTHING

-- name: policies
SELECT parse_fingerprint, parse_version AS version, policy FROM privacy_policies ORDER BY created_at DESC

-- name: elements_to_mask_further
-- For each pending document, the newest of its elements that were masked under one of the fingerprints which its
-- own can follow. A parse fingerprint ends with a dot and the extension.
SELECT DISTINCT ON (w.id) w.id, e.parse_fingerprint
FROM unnest(%(ids)s::bigint[], %(content_hashes)s::bytea[], %(wanted)s::text[]) AS w(id, content_hash, wanted)
JOIN unnest(%(followers)s::text[], %(followed)s::text[]) AS f(follower, followed)
  ON f.follower = split_part(w.wanted, '.', 1)
JOIN elements e ON e.content_hash = w.content_hash
               AND e.parse_fingerprint = f.followed || substr(w.wanted, strpos(w.wanted, '.'))
ORDER BY w.id, e.created_at DESC

-- name: forget_superseded_elements
-- Elements masked under a policy that no collection asks for any more, of contents that were masked again.
DELETE FROM elements e
WHERE e.content_hash = ANY(%(content_hashes)s)
  AND split_part(e.parse_fingerprint, '.', 1) <> ALL(%(wanted)s)
  AND split_part(e.parse_fingerprint, '.', 1) IN (SELECT parse_fingerprint FROM privacy_policies)

-- name: superseded_texts
-- Texts of documents whose chunks were made under a policy that no collection asks for any more.
SELECT DISTINCT c.text_hash
FROM documents d JOIN chunks c ON c.document_id = d.id
WHERE d.id = ANY(%(ids)s)
  AND split_part(split_part(d.chunks_version, ':', 2), '.', 1) <> ALL(%(wanted)s)
  AND split_part(split_part(d.chunks_version, ':', 2), '.', 1) IN (SELECT parse_fingerprint FROM privacy_policies)

-- name: forget_vectors
-- Vectors of texts that no chunk holds any more.
DELETE FROM embeddings e
WHERE e.text_hash = ANY(%(text_hashes)s) AND NOT EXISTS (SELECT FROM chunks c WHERE c.text_hash = e.text_hash)

-- name: elements
SELECT payload FROM elements WHERE content_hash = %(content_hash)s AND parse_fingerprint = %(parse_fingerprint)s

-- name: elements_of_batch
SELECT e.content_hash, e.parse_fingerprint, e.payload
FROM unnest(%(content_hashes)s::bytea[], %(parse_fingerprints)s::text[]) AS w(content_hash, parse_fingerprint)
JOIN elements e USING (content_hash, parse_fingerprint)

-- name: delete_chunks
DELETE FROM chunks WHERE document_id = ANY(%(ids)s)

-- name: copy_chunks
COPY chunks (document_id, chunk_key, ordinal, text_hash, content, page_number, page_end, section_path, language,
             token_count, lexemes, metadata)
FROM STDIN (FORMAT binary)

-- name: set_chunks_versions
UPDATE documents d SET chunks_version = w.version
FROM unnest(%(ids)s::bigint[], %(versions)s::text[]) AS w(id, version)
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

-- name: fail_document
INSERT INTO failures (document_id, stage, input_version, error, reason, next_retry)
VALUES (%(document)s, %(stage)s, %(input_version)s, %(error)s, %(reason)s, now() + %(first_delay)s)
ON CONFLICT (document_id, stage) DO UPDATE
SET attempts = CASE WHEN failures.input_version = excluded.input_version THEN failures.attempts + 1 ELSE 1 END,
    input_version = excluded.input_version, error = excluded.error, reason = excluded.reason, failed_at = now(),
    next_retry = now() + %(first_delay)s * power(4, CASE WHEN failures.input_version = excluded.input_version
                                                         THEN least(failures.attempts, 6) ELSE 0 END)

-- name: clear_failures
DELETE FROM failures WHERE stage = ANY(%(stages)s) AND document_id = ANY(%(ids)s)

-- name: forget_failures
-- Of documents whose bytes are others now: what failed before says nothing about them.
DELETE FROM failures WHERE document_id = ANY(%(ids)s)

-- name: failures
SELECT s.uri, d.path, d.collection, f.stage, f.error, f.reason, f.attempts, f.failed_at, f.next_retry
FROM failures f JOIN documents d ON d.id = f.document_id JOIN sources s ON s.id = d.source_id
WHERE d.deleted_at IS NULL AND left(d.shard_hash, %(digits)s) = ANY(%(shards)s)
ORDER BY f.failed_at DESC, d.path
LIMIT %(limit)s

-- name: count_failures
SELECT count(DISTINCT f.document_id)
FROM failures f JOIN documents d ON d.id = f.document_id
WHERE d.deleted_at IS NULL AND left(d.shard_hash, %(digits)s) = ANY(%(shards)s)

-- name: failures_by_reason
SELECT f.stage, f.error, count(*)
FROM failures f JOIN documents d ON d.id = f.document_id
WHERE d.deleted_at IS NULL AND left(d.shard_hash, %(digits)s) = ANY(%(shards)s)
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2

-- name: retry_failures
-- Whatever failed is due now; the next ingest tries it again.
WITH due AS (UPDATE failures SET next_retry = now() RETURNING document_id)
SELECT count(DISTINCT document_id) FROM due

-- name: elements_by_format
-- A document without pages counts as one page.
SELECT format, count(*) AS documents, sum(coalesce(page_count, 1)) AS pages, sum(element_count) AS elements,
       sum(dropped_count) AS dropped, sum(seconds) AS seconds,
       sum(seconds) / sum(greatest(coalesce(page_count, 1), 1)) AS seconds_per_page, min(coverage) AS least_coverage
FROM document_elements
WHERE left(shard_hash, %(digits)s) = ANY(%(shards)s)
GROUP BY format ORDER BY 2 DESC, 1

-- name: shard_elements
SELECT left(shard_hash, %(digits)s) AS shard, format, count(*) AS documents, sum(coalesce(page_count, 1)) AS pages,
       sum(seconds) AS seconds, min(coverage) AS least_coverage
FROM document_elements
WHERE left(shard_hash, %(digits)s) = ANY(%(shards)s)
GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2

-- name: privacy_counts
SELECT path, collection, privacy_counts AS counts
FROM document_elements
WHERE left(shard_hash, %(digits)s) = ANY(%(shards)s)
ORDER BY path

-- name: shard_privacy
SELECT left(shard_hash, %(digits)s) AS shard, c.key AS entity, sum(c.value::bigint) AS count
FROM document_elements, jsonb_each_text(privacy_counts) c
WHERE left(shard_hash, %(digits)s) = ANY(%(shards)s)
GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2

-- name: shard_failures
SELECT left(d.shard_hash, %(digits)s) AS shard, f.error, count(*) AS documents
FROM failures f JOIN documents d ON d.id = f.document_id
WHERE d.deleted_at IS NULL AND left(d.shard_hash, %(digits)s) = ANY(%(shards)s) AND f.stage = %(stage)s
GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2

-- name: warned_documents
SELECT path, unnest(warnings) AS warning
FROM document_elements
WHERE left(shard_hash, %(digits)s) = ANY(%(shards)s) AND cardinality(warnings) > 0
ORDER BY changed_at DESC, path LIMIT %(limit)s

-- name: newest_elements
SELECT path AS file, format, page_count AS pages, element_count AS elements, dropped_count AS dropped, coverage
FROM document_elements
WHERE left(shard_hash, %(digits)s) = ANY(%(shards)s)
ORDER BY created_at DESC, path LIMIT %(limit)s

-- name: newest_chunks
WITH newest AS (
    SELECT id, path, changed_at FROM documents
    WHERE deleted_at IS NULL AND chunks_version IS NOT NULL AND left(shard_hash, %(digits)s) = ANY(%(shards)s)
    ORDER BY changed_at DESC, path LIMIT %(limit)s
)
SELECT d.path AS file, max(c.page_end) AS pages, count(*) AS chunks, sum(c.token_count)::bigint AS tokens,
       max(c.token_count) AS longest, string_agg(DISTINCT c.language, ', ') AS languages
FROM newest d JOIN chunks c ON c.document_id = d.id
GROUP BY d.id, d.path, d.changed_at ORDER BY d.changed_at DESC, d.path
