-- name: pending_reasons
-- Why documents wait: for what `dirty_shards` counts, the first stage that has to be done again and what for.
SELECT CASE
         WHEN d.deleted_at IS NOT NULL THEN 'deleted'
         WHEN EXISTS (SELECT FROM failures x WHERE x.document_id = d.id AND x.next_retry <= now()) THEN 'retry'
         WHEN d.chunks_version IS NULL THEN 'new'
         WHEN v.was_content <> encode(d.content_hash, 'hex') THEN 'changed'
         WHEN v.was_parse <> v.parse AND p.parse_version = %(parse_version)s THEN 'policy'
         WHEN v.was_parse <> v.parse THEN 'parse'
         WHEN v.was_chunk <> v.chunk THEN 'chunk'
         WHEN g.document_id IS NULL OR g.chunks_version IS DISTINCT FROM d.chunks_version THEN 'vectors'
         ELSE 'moved'
       END AS reason, count(*) AS documents
FROM documents d
CROSS JOIN LATERAL (
    SELECT coalesce((SELECT f.p FROM unnest(%(collections)s::text[], %(parse_fingerprints)s::text[]) AS f(c, p)
                     WHERE f.c = d.collection), %(parse_fingerprint)s) || '.' || d.extension AS parse,
           coalesce((SELECT f.p FROM unnest(%(collections)s::text[], %(chunk_fingerprints)s::text[]) AS f(c, p)
                     WHERE f.c = d.collection), %(chunk_fingerprint)s) AS chunk,
           split_part(d.chunks_version, ':', 1) AS was_content, split_part(d.chunks_version, ':', 2) AS was_parse,
           split_part(d.chunks_version, ':', 3) AS was_chunk
) v
CROSS JOIN LATERAL (
    SELECT encode(d.content_hash, 'hex') || ':' || v.parse AS parsed,
           encode(d.content_hash, 'hex') || ':' || v.parse || ':' || v.chunk AS chunked,
           d.chunks_version || ':' || %(model)s AS embedded
) i
LEFT JOIN privacy_policies p ON p.parse_fingerprint = split_part(v.was_parse, '.', 1)
LEFT JOIN generation_documents g ON g.document_id = d.id AND g.generation_id = %(generation)s
WHERE d.deleted_at IS NOT NULL
   OR (d.content_hash IS NOT NULL AND d.chunks_version IS DISTINCT FROM i.chunked
       AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = d.id
                       AND (x.next_retry IS NULL OR x.next_retry > now())
                       AND (x.stage, x.input_version) IN (('cleaned_elements', i.parsed), ('chunks', i.chunked))))
   OR g.path <> d.path
   OR (d.chunks_version IS NOT NULL AND g.chunks_version IS DISTINCT FROM d.chunks_version
       AND NOT EXISTS (SELECT FROM failures x WHERE x.document_id = d.id
                       AND (x.next_retry IS NULL OR x.next_retry > now())
                       AND x.stage = 'embeddings' AND x.input_version = i.embedded))
GROUP BY 1
ORDER BY 2 DESC, 1
