-- name: fail_documents
INSERT INTO failures (document_id, stage, input_version, error, reason, next_retry)
SELECT w.document, %(stage)s, w.input_version, w.error, w.reason, now() + w.first_delay
FROM unnest(%(documents)s::bigint[], %(input_versions)s::text[], %(errors)s::text[], %(reasons)s::text[],
            %(first_delays)s::interval[]) AS w(document, input_version, error, reason, first_delay)
ON CONFLICT (document_id, stage) DO UPDATE
SET attempts = CASE WHEN failures.input_version = excluded.input_version THEN failures.attempts + 1 ELSE 1 END,
    input_version = excluded.input_version, error = excluded.error, reason = excluded.reason, failed_at = now(),
    next_retry = now() + (excluded.next_retry - now())
                 * power(4, CASE WHEN failures.input_version = excluded.input_version THEN least(failures.attempts, 6) ELSE 0 END)

-- name: clear_failures
DELETE FROM failures WHERE stage = ANY(%(stages)s) AND document_id = ANY(%(ids)s)

-- name: forget_failures
-- Of documents whose bytes are others now: what failed before says nothing about them.
DELETE FROM failures WHERE document_id = ANY(%(ids)s)

-- name: failures
SELECT s.uri, d.path, d.collection, f.stage, f.error, f.reason, f.attempts, f.failed_at, f.next_retry
FROM failures f JOIN documents d ON d.id = f.document_id JOIN sources s ON s.id = d.source_id
WHERE d.deleted_at IS NULL AND d.shard_hash BETWEEN %(first)s AND %(last)s
ORDER BY f.failed_at DESC, d.path
LIMIT %(limit)s

-- name: lasting_failures
-- Those that no retry is about to mend.
SELECT f.document_id || '/' || f.stage AS subject, f.input_version AS state, d.path, f.error
FROM failures f JOIN documents d ON d.id = f.document_id
WHERE d.deleted_at IS NULL AND (f.next_retry IS NULL OR f.attempts >= %(attempts)s)
ORDER BY f.failed_at DESC, d.path

-- name: count_failures
SELECT count(DISTINCT f.document_id)
FROM failures f JOIN documents d ON d.id = f.document_id
WHERE d.deleted_at IS NULL AND d.shard_hash BETWEEN %(first)s AND %(last)s

-- name: retry_failures
-- Whatever failed is due now; the next ingest tries it again.
WITH locked AS (
    SELECT d.id FROM documents d WHERE d.id IN (SELECT document_id FROM failures) ORDER BY d.id FOR UPDATE
), due AS (
    UPDATE failures f SET next_retry = now() FROM locked WHERE f.document_id = locked.id RETURNING f.document_id)
SELECT count(DISTINCT document_id) FROM due
