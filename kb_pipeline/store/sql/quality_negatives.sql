-- name: scored
-- Named rows with their cosine similarities.
SELECT t.id, 1 - (t.embedding <=> %(vector)s::halfvec)
FROM {table} t
JOIN unnest(%(documents)s::bigint[], %(chunks)s::text[]) AS p (document_id, chunk_key)
  ON t.document_id = p.document_id AND t.chunk_key = p.chunk_key

-- name: delete
DELETE FROM triplets

-- name: insert
INSERT INTO triplets (query, document_id, chunk_key, score, negatives, provenance, generation)
SELECT t.query, t.document_id, t.chunk_key, t.score, t.negatives, t.provenance, %(generation)s
FROM jsonb_to_recordset(%(triplets)s)
     AS t (query text, document_id bigint, chunk_key text, score double precision, negatives jsonb, provenance text)
JOIN documents d ON d.id = t.document_id AND d.deleted_at IS NULL

-- name: texts
-- As the model reads them: path of headings and content.
SELECT t.query, t.provenance, p.section_path, p.content,
       coalesce(jsonb_agg(jsonb_build_array(to_jsonb(c.section_path), c.content) ORDER BY n.place)
                FILTER (WHERE c.content IS NOT NULL), '[]')
FROM triplets t
JOIN chunks p ON p.document_id = t.document_id AND p.chunk_key = t.chunk_key
LEFT JOIN LATERAL jsonb_array_elements(t.negatives) WITH ORDINALITY AS n (said, place) ON true
LEFT JOIN chunks c ON c.document_id = (n.said->>'document_id')::bigint AND c.chunk_key = n.said->>'chunk_key'
GROUP BY t.id, p.section_path, p.content
ORDER BY t.id
