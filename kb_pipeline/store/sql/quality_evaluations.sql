-- name: insert
INSERT INTO evaluations (set_name, split, generation, model, fusion_weight, asked, gone, figures)
VALUES (%(set_name)s, %(split)s, %(generation)s, %(model)s, %(fusion_weight)s, %(asked)s, %(gone)s, %(figures)s)
RETURNING id

-- name: insert_results
INSERT INTO evaluation_results (evaluation_id, question_id, places, ranks, ndcg, is_split)
SELECT %(evaluation)s, r.question_id, r.places, r.ranks, r.ndcg, r.is_split
FROM jsonb_to_recordset(%(results)s)
     AS r (question_id bigint, places integer, ranks integer[], ndcg double precision, is_split boolean)
JOIN evaluation_questions e ON e.id = r.question_id

-- name: last
SELECT id, set_name, split, generation, model, fusion_weight, asked, gone, figures, measured_at
FROM evaluations
WHERE set_name = %(set)s AND fusion_weight IS NULL AND (split IS NULL OR split = 'test')
  AND (%(generation)s::text IS NULL OR generation = %(generation)s)
  AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT 1

-- name: results
SELECT question_id, places, ranks, ndcg, is_split FROM evaluation_results
WHERE evaluation_id = %(evaluation)s
ORDER BY question_id
