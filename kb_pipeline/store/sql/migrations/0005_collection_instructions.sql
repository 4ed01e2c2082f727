-- A collection may have a query instruction of its own; it belongs to the generation, so that whatever searches or
-- evaluates one uses the same.

ALTER TABLE generations ADD COLUMN collection_instructions jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN generations.collection_instructions IS
    'Collection -> the instruction of a query that searches only this collection; else query_instruction.';
