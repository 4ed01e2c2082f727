-- name: stored_vectors
SELECT text_hash, embedding FROM embeddings WHERE model_fingerprint = %(model)s AND text_hash = ANY(%(hashes)s)
