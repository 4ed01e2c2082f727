-- name: votes
-- What was said of passages: of a hit, and of the passage that a voter named as the right one. Of what a voter said of one
-- passage for one question the last word counts. `content` is null where the passage is gone.
SELECT DISTINCT ON (v.query, v.document_id, v.chunk_key, v.voter)
       v.query, v.document_id, v.chunk_key, v.voter, v.helpful, v.reason, d.path, c.content
FROM (SELECT e.query, (e.hits->(f.rank - 1)->>'document_id')::bigint AS document_id,
             e.hits->(f.rank - 1)->>'chunk_key' AS chunk_key, f.voter, f.helpful, f.reason, f.given_at
      FROM feedback f JOIN search_events e ON e.id = f.event_id
      WHERE f.rank > 0
      UNION ALL
      SELECT e.query, (f.right_passage->>'document_id')::bigint, f.right_passage->>'chunk_key', f.voter, true, NULL,
             f.given_at
      FROM feedback f JOIN search_events e ON e.id = f.event_id
      WHERE f.right_passage IS NOT NULL) v
LEFT JOIN chunks c ON c.document_id = v.document_id AND c.chunk_key = v.chunk_key
LEFT JOIN documents d ON d.id = v.document_id AND d.deleted_at IS NULL
ORDER BY v.query, v.document_id, v.chunk_key, v.voter, v.given_at DESC

-- name: decided
SELECT j.query, j.document_id, j.chunk_key, j.quote, j.is_right, d.path
FROM judgments j JOIN documents d ON d.id = j.document_id AND d.deleted_at IS NULL
ORDER BY j.query, j.decided_at, j.document_id, j.chunk_key

-- name: decide
INSERT INTO judgments (query, document_id, chunk_key, quote, is_right, decided_by)
SELECT %(query)s, c.document_id, c.chunk_key, c.content, %(is_right)s, %(by)s
FROM chunks c JOIN documents d ON d.id = c.document_id AND d.deleted_at IS NULL
WHERE c.document_id = %(document)s AND c.chunk_key = %(chunk)s
ON CONFLICT (query, document_id, chunk_key) DO UPDATE
SET is_right = excluded.is_right, quote = excluded.quote, decided_by = excluded.decided_by, decided_at = now()

-- name: close
INSERT INTO closed_cases (query, closed_by) VALUES (%(query)s, %(by)s)
ON CONFLICT (query) DO UPDATE SET closed_by = excluded.closed_by, closed_at = now()

-- name: cases
-- Questions that found nothing, or of which somebody said that something did not help, those that most people met first.
WITH said AS (
    SELECT e.query, e.id, e.created_at, jsonb_array_length(e.hits) = 0 AS is_empty, e.principal,
           f.voter, f.reason, f.helpful, greatest(e.created_at, f.given_at) AS at
    FROM search_events e LEFT JOIN feedback f ON f.event_id = e.id
    WHERE jsonb_array_length(e.hits) = 0 OR NOT f.helpful OR f.right_passage IS NOT NULL)
SELECT s.query, max(s.at) AS last_at, count(DISTINCT coalesce(s.voter, s.principal)) AS people,
       bool_or(s.is_empty) AS found_nothing,
       coalesce(array_agg(DISTINCT s.reason) FILTER (WHERE s.reason IS NOT NULL), '{{}}') AS reasons,
       max(s.id) AS event_id
FROM said s LEFT JOIN closed_cases x ON x.query = s.query
GROUP BY s.query
HAVING bool_or(x.closed_at IS NULL OR s.at > x.closed_at)
ORDER BY people DESC, last_at DESC, s.query
LIMIT %(limit)s

-- name: hits
SELECT h.rank, d.path, c.document_id, c.chunk_key, c.page_number, c.content
FROM search_events e
CROSS JOIN LATERAL jsonb_to_recordset(e.hits) AS h (rank integer, document_id bigint, chunk_key text)
JOIN chunks c ON c.document_id = h.document_id AND c.chunk_key = h.chunk_key
JOIN documents d ON d.id = c.document_id AND d.deleted_at IS NULL
WHERE e.id = %(event)s
ORDER BY h.rank

-- name: shown
SELECT e.id, h.rank, h.document_id, h.chunk_key
FROM search_events e
CROSS JOIN LATERAL jsonb_to_recordset(e.hits) AS h (rank integer, document_id bigint, chunk_key text)
WHERE e.id = ANY(%(events)s::bigint[])
ORDER BY e.id, h.rank

-- name: named
SELECT DISTINCT e.query, (f.right_passage->>'document_id')::bigint, f.right_passage->>'chunk_key'
FROM feedback f JOIN search_events e ON e.id = f.event_id
WHERE f.right_passage IS NOT NULL AND e.query = ANY(%(queries)s::text[])
ORDER BY 1, 2, 3

-- name: was_asked
SELECT 1 FROM search_events WHERE query = %(query)s LIMIT 1

-- name: undecide
DELETE FROM judgments WHERE query = %(query)s AND document_id = %(document_id)s AND chunk_key = %(chunk_key)s

-- name: reopen
DELETE FROM closed_cases WHERE query = %(query)s

-- name: erase_feedback
DELETE FROM feedback WHERE voter = %(person)s OR starts_with(voter, %(person)s || '/')

-- name: erase_searches
DELETE FROM search_events WHERE principal = %(person)s

-- name: erase_decisions
UPDATE judgments SET decided_by = '' WHERE decided_by = %(person)s

-- name: erase_closings
UPDATE closed_cases SET closed_by = '' WHERE closed_by = %(person)s
