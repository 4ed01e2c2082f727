-- What is asked of a generation to measure how much of the truth its index finds.

-- name: logged_queries
-- The newest texts that people searched for, each once, with what they were shown for it the last time.
SELECT query, hits FROM (
    SELECT DISTINCT ON (query) id, query, hits
    FROM (SELECT id, query, hits FROM search_events ORDER BY id DESC LIMIT %(looked_at)s) e
    ORDER BY query, id DESC) e
ORDER BY id DESC LIMIT %(limit)s

-- name: passage_vectors
-- Native vectors of passages that chance chooses.
SELECT e.embedding
FROM (SELECT document_id, chunk_key FROM {table} TABLESAMPLE SYSTEM ({percent}) ORDER BY random() LIMIT %(limit)s) t
JOIN chunks c ON c.document_id = t.document_id AND c.chunk_key = t.chunk_key
JOIN embeddings e ON e.model_fingerprint = %(model)s AND e.text_hash = c.text_hash

-- name: exact
-- The true nearest: every row is compared.
WITH compared AS MATERIALIZED (SELECT id, embedding <=> %(vector)s::halfvec AS distance FROM {table})
SELECT id FROM compared ORDER BY distance, id LIMIT %(k)s

-- name: passages
SELECT id, document_id, chunk_key FROM {table} WHERE id = ANY(%(ids)s)
