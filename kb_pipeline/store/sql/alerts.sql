-- name: told
SELECT kind, subject, state FROM told_alerts

-- name: forget_ended
DELETE FROM told_alerts t
WHERE NOT EXISTS (SELECT FROM unnest(%(kinds)s::text[], %(subjects)s::text[]) AS c(kind, subject)
                  WHERE c.kind = t.kind AND c.subject = t.subject)

-- name: claim
-- Whoever is given it sends the next message; who dies over that leaves it to another in a minute.
UPDATE alert_delivery SET not_before = now() + interval '1 minute' WHERE not_before <= now() RETURNING attempts

-- name: note_told
INSERT INTO told_alerts (kind, subject, state)
SELECT * FROM unnest(%(kinds)s::text[], %(subjects)s::text[], %(states)s::text[])
ON CONFLICT (kind, subject) DO UPDATE SET state = excluded.state, told_at = now()

-- name: delivered
UPDATE alert_delivery SET not_before = now() + %(rest)s, attempts = 0, problem = NULL, told_at = now()

-- name: undelivered
UPDATE alert_delivery SET not_before = now() + %(rest)s, attempts = attempts + 1, problem = %(problem)s

-- name: delivery
SELECT not_before, attempts, problem, told_at FROM alert_delivery
