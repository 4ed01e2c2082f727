-- What was searched for.

-- name: unanswered
-- The newest masked queries that found nothing, each once, among the newest searches.
SELECT query, count(*) AS times, max(created_at) AS last
FROM (SELECT query, created_at, hits FROM search_events ORDER BY id DESC LIMIT %(looked_at)s) e
WHERE hits = '[]'
GROUP BY query ORDER BY last DESC, query LIMIT %(limit)s
