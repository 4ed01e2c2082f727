-- name: stored_vectors
SELECT text_hash, embedding FROM embeddings WHERE model_fingerprint = %(model)s AND text_hash = ANY(%(hashes)s)

-- name: rows_of
-- The rows of named passages.
SELECT t.id FROM {table} t
JOIN unnest(%(documents)s::bigint[], %(chunks)s::text[]) AS p (document_id, chunk_key)
  ON t.document_id = p.document_id AND t.chunk_key = p.chunk_key

-- name: set_adapter
UPDATE generations SET query_adapter = %(name)s, query_adapter_folder = %(folder)s WHERE id = %(generation)s
