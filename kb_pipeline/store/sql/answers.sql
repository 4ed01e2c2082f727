-- Answers, each with the search that found its passages.

-- name: insert
INSERT INTO answers (event_id, state, sentences, dropped, note_code, model, seconds)
SELECT id, %(state)s, %(sentences)s, %(dropped)s, %(note_code)s, %(model)s, %(seconds)s
FROM search_events WHERE id = %(event)s
