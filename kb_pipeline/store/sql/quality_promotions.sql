-- name: insert
INSERT INTO promotions (candidate, incumbent, set_name, verdict, reason, gains, needed, leaks)
VALUES (%(candidate)s, %(incumbent)s, %(set_name)s, %(verdict)s, %(reason)s, %(gains)s, %(needed)s, %(leaks)s)
RETURNING id

-- name: switched
UPDATE promotions SET switched_at = now(), approved_by = %(by)s WHERE id = %(id)s

-- name: newest
SELECT id, candidate, incumbent, set_name, verdict, reason, gains, needed, leaks, decided_at, approved_by, switched_at
FROM promotions
WHERE %(candidate)s::text IS NULL OR candidate = %(candidate)s
ORDER BY id DESC LIMIT %(limit)s
