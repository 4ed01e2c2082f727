-- name: insert_elements
INSERT INTO elements (content_hash, extension, parse_fingerprint, format, page_count, element_count, dropped_count,
                      privacy_counts, warnings, seconds, coverage, metadata, payload)
VALUES (%(content_hash)s, %(extension)s, %(parse_fingerprint)s, %(format)s, %(page_count)s, %(element_count)s,
        %(dropped_count)s, %(privacy_counts)s, %(warnings)s, %(seconds)s, %(coverage)s, %(metadata)s, %(payload)s)
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
