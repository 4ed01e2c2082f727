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

-- name: sample
-- Native vectors of passages that chance chooses, numbered from 1.
CREATE TEMPORARY TABLE curve_sample ON COMMIT DROP AS
SELECT row_number() OVER ()::integer AS id, e.embedding::halfvec({native}) AS embedding
FROM (SELECT document_id, chunk_key FROM {table} TABLESAMPLE SYSTEM ({percent}) ORDER BY random() LIMIT {limit}) t
JOIN chunks c ON c.document_id = t.document_id AND c.chunk_key = t.chunk_key
JOIN embeddings e ON e.model_fingerprint = {model} AND e.text_hash = c.text_hash

-- name: held_out
-- The last of them are questions and are not looked for.
DELETE FROM curve_sample WHERE id > (SELECT count(*) FROM curve_sample) - %(count)s RETURNING embedding

-- name: count_sample
SELECT count(*) FROM curve_sample

-- name: sample_truth
WITH compared AS MATERIALIZED (SELECT id, embedding <=> %(vector)s::halfvec AS distance FROM curve_sample)
SELECT id FROM compared ORDER BY distance, id LIMIT %(k)s

-- name: cut_sample
CREATE TEMPORARY TABLE curve_cut ON COMMIT DROP AS
SELECT id, l2_normalize(subvector(embedding, 1, {dimension}))::halfvec({dimension}) AS embedding FROM curve_sample

-- name: index_cut
CREATE INDEX curve_cut_embedding ON curve_cut USING hnsw (embedding halfvec_cosine_ops) WITH (m = 16, ef_construction = 64)

-- name: size_of_cut
SELECT pg_table_size('curve_cut') + pg_relation_size('curve_cut_embedding')

-- name: nearest_of_cut
SELECT id FROM curve_cut ORDER BY embedding <=> %(vector)s::halfvec LIMIT %(k)s

-- name: drop_cut
DROP TABLE curve_cut
