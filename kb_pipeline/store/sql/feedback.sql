-- name: record
-- Many judgments in one transaction. One whose event is not the principal's own, or has no hit of that rank, is left
-- out; the last word of a voter on a hit counts.
INSERT INTO feedback (event_id, rank, voter, helpful, reason, right_passage)
SELECT g.event_id, g.rank, g.voter, g.helpful, g.reason, g.right_passage
FROM jsonb_to_recordset(%(judgments)s) AS g (event_id bigint, rank integer, principal text, voter text, helpful boolean,
                                             reason text, right_passage jsonb)
JOIN search_events e ON e.id = g.event_id AND e.principal = g.principal AND g.rank <= jsonb_array_length(e.hits)
ON CONFLICT (event_id, rank, voter) DO UPDATE
SET helpful = excluded.helpful, reason = excluded.reason, right_passage = excluded.right_passage, given_at = now()
RETURNING event_id, rank, voter

-- name: withdraw
DELETE FROM feedback f
USING jsonb_to_recordset(%(judgments)s) AS g (event_id bigint, rank integer, voter text)
WHERE f.event_id = g.event_id AND f.rank = g.rank AND f.voter = g.voter
