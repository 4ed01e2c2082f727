-- Feedback is only worth something with all that the search knew: the vector that was asked with, so that it can be
-- compared with passages once the model or its instruction has changed.

ALTER TABLE search_events ADD COLUMN query_vector halfvec;
COMMENT ON COLUMN search_events.query_vector IS 'Of the masked query, in the space of the generation; null where none was needed.';
COMMENT ON COLUMN search_events.hits IS
    'rank, score, document_id and chunk_key of every hit; where two rankings were fused, also its rank and score in each.';
