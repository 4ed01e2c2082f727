-- name: statistics
SELECT row_count, mean_length FROM generation_statistics WHERE generation_id = %(generation)s

-- name: document_frequencies
SELECT lexeme, document_frequency FROM generation_lexemes
WHERE generation_id = %(generation)s AND lexeme = ANY(%(lexemes)s)

-- name: counted_statistics
SELECT count(*), coalesce(avg(token_count), 0) FROM {table}

-- name: counted_frequencies
SELECT l.lexeme, (SELECT count(*) FROM {table} t WHERE t.lexemes @@ l.pattern::tsquery)
FROM unnest(%(lexemes)s::text[], %(patterns)s::text[]) AS l (lexeme, pattern)

-- name: rows_after
SELECT id FROM {table} WHERE id > %(after)s ORDER BY id LIMIT %(most)s

-- name: passing_rows
SELECT id FROM {table} WHERE {condition} LIMIT %(most)s

-- name: candidates_among
-- The concatenation brings a compressed tsvector into memory once instead of once per term.
SELECT id, lexemes || ''::tsvector AS lexemes,
       %(k1)s * (1 - %(b)s + %(b)s * token_count / %(mean_length)s::float8) AS norm
FROM {table}
WHERE id = ANY(%(rows)s) AND lexemes @@ %(any)s::tsquery AND {condition}

-- name: candidates_matching
SELECT id, lexemes || ''::tsvector AS lexemes,
       %(k1)s * (1 - %(b)s + %(b)s * token_count / %(mean_length)s::float8) AS norm
FROM {table}
WHERE lexemes @@ %(pattern)s::tsquery AND id > %(after)s AND {condition}
LIMIT %(most)s

-- name: bm25
-- BM25 as Lucene has it: the sum over the query's terms of weight * tf / (tf + k1 * (1 - b + b * length / mean length)),
-- where length is the token count of the chunk.
-- How often a term occurs (tf) is read off ts_rank, which with all weights 1 is (1 + 1/4 + ... + 1/tf^2) / 1.64493406685
-- for a single term, exact far beyond where another occurrence still counts: five times faster than unnest.
WITH candidates AS MATERIALIZED ({candidates})
SELECT c.id, (
    SELECT sum(q.weight * o.tf / (o.tf + c.norm))
    FROM unnest(%(patterns)s::tsquery[], %(weights)s::float8[]) AS q (pattern, weight),
         LATERAL (SELECT round(1 / (1.64493406685 * (1 - ts_rank('{{1,1,1,1}}', c.lexemes, q.pattern))) - 0.5) AS tf
                  OFFSET 0) AS o) AS score
FROM candidates c
ORDER BY score DESC, c.id
LIMIT %(depth)s
