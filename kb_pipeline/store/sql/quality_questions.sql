-- name: ensure_set
INSERT INTO evaluation_sets (name) VALUES (%(name)s) ON CONFLICT DO NOTHING

-- name: put_questions
INSERT INTO evaluation_questions (set_id, question, kind, language, provenance, split)
SELECT s.id, q.question, q.kind, q.language, q.provenance, q.split
FROM jsonb_to_recordset(%(questions)s)
     AS q (place integer, question text, kind text, language text, provenance text, split text)
CROSS JOIN (SELECT id FROM evaluation_sets WHERE name = %(name)s) s
ORDER BY q.place
ON CONFLICT (set_id, question) DO UPDATE
SET kind = excluded.kind, language = excluded.language,
    split = CASE evaluation_questions.split WHEN 'unused' THEN excluded.split ELSE evaluation_questions.split END
RETURNING id, xmax = 0

-- name: delete_answers
DELETE FROM evaluation_answers WHERE question_id = ANY(%(ids)s)

-- name: insert_answers
INSERT INTO evaluation_answers (question_id, path, document_id, quote, page_number, grade)
SELECT e.id, coalesce(a.said->>'path', ''), (a.said->>'document_id')::bigint, a.said->>'quote',
       (a.said->>'page_number')::integer, (a.said->>'grade')::integer
FROM jsonb_to_recordset(%(questions)s) AS q (question text, answers jsonb)
JOIN evaluation_questions e ON e.question = q.question
     AND e.set_id = (SELECT id FROM evaluation_sets WHERE name = %(name)s)
CROSS JOIN LATERAL jsonb_array_elements(q.answers) WITH ORDINALITY AS a (said, place)
ORDER BY e.id, a.place
ON CONFLICT DO NOTHING

-- name: set_splits
UPDATE evaluation_questions e SET split = s.split
FROM unnest(%(ids)s::bigint[], %(splits)s::text[]) AS s (id, split)
WHERE e.id = s.id

-- name: questions
-- An answer stands in the document that it was imported for, or in one of its path that came later.
SELECT e.id, e.question, e.kind, e.language, e.provenance, e.split,
       jsonb_agg(jsonb_build_object('path', a.path, 'quote', a.quote, 'page_number', a.page_number, 'grade', a.grade,
                                    'document_id', coalesce(own.id, later.id)) ORDER BY a.id)
FROM evaluation_questions e
JOIN evaluation_sets s ON s.id = e.set_id AND (%(name)s::text IS NULL OR s.name = %(name)s)
JOIN evaluation_answers a ON a.question_id = e.id
LEFT JOIN documents own ON own.id = a.document_id AND own.deleted_at IS NULL
LEFT JOIN LATERAL (
    SELECT d.id FROM sources u JOIN documents d ON d.source_id = u.id AND d.path = a.path
    WHERE own.id IS NULL AND d.deleted_at IS NULL LIMIT 1
) later ON true
GROUP BY e.id
ORDER BY e.id

-- name: sets
SELECT s.name, count(e.id) AS questions,
       count(e.id) FILTER (WHERE e.split = 'tune') AS tune, count(e.id) FILTER (WHERE e.split = 'dev') AS dev,
       count(e.id) FILTER (WHERE e.split = 'test') AS test, count(e.id) FILTER (WHERE e.split = 'unused') AS unused,
       count(e.id) FILTER (WHERE NOT EXISTS (
           SELECT FROM evaluation_answers a
           WHERE a.question_id = e.id
             AND (EXISTS (SELECT FROM documents d WHERE d.id = a.document_id AND d.deleted_at IS NULL)
                  OR EXISTS (SELECT FROM sources u JOIN documents d ON d.source_id = u.id AND d.path = a.path
                             WHERE d.deleted_at IS NULL)))) AS gone,
       s.created_at
FROM evaluation_sets s LEFT JOIN evaluation_questions e ON e.set_id = s.id
GROUP BY s.id
ORDER BY s.name

-- name: drop_set
DELETE FROM evaluation_sets WHERE name = %(name)s

-- name: documents_named
WITH wanted AS (SELECT DISTINCT unnest(%(names)s::text[]) AS name)
SELECT w.name, d.id, d.path, d.collection
FROM (SELECT id, normalize(path, NFC) AS path, collection, regexp_replace(normalize(path, NFC), '^.*/', '') AS file
      FROM documents WHERE deleted_at IS NULL) d
JOIN wanted w ON w.name IN (d.path, d.file, regexp_replace(d.file, '\.[^.]+$', ''))
ORDER BY w.name, w.name <> d.path, w.name <> d.file, d.id

-- name: chunks_of
SELECT c.document_id, c.chunk_key, c.ordinal, c.content, c.page_number, c.page_end, d.collection, c.language
FROM chunks c JOIN documents d ON d.id = c.document_id
WHERE c.document_id = ANY(%(documents)s) AND d.deleted_at IS NULL
ORDER BY c.document_id, c.ordinal

-- name: sample
SELECT c.document_id, d.path, c.content
FROM chunks c JOIN documents d ON d.id = c.document_id AND d.deleted_at IS NULL
WHERE c.token_count >= 40
  AND NOT EXISTS (SELECT FROM evaluation_answers a
                  JOIN evaluation_questions q ON q.id = a.question_id AND q.provenance = 'synthetic'
                  JOIN evaluation_sets s ON s.id = q.set_id AND s.name = %(name)s
                  WHERE a.document_id = c.document_id)
ORDER BY md5(c.chunk_key || c.document_id), c.document_id, c.chunk_key
LIMIT %(count)s
