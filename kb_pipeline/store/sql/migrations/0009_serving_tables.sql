-- A serving table cannot hold a chunk twice, and how many rows it holds is known without counting them.

ALTER TABLE generations
    DROP COLUMN collections,
    DROP CONSTRAINT generations_state_check,
    ADD CHECK (state IN ('building', 'active', 'retired')),
    ADD COLUMN row_count   bigint NOT NULL DEFAULT 0,
    ADD COLUMN churn       bigint NOT NULL DEFAULT 0,
    ADD COLUMN retired_at  timestamptz;
COMMENT ON COLUMN generations.row_count IS 'Rows of the serving table; kept by the transactions that change it.';
COMMENT ON COLUMN generations.churn IS 'Rows that came or went since the lexemes were counted.';
UPDATE generations SET retired_at = now() WHERE state = 'retired';

DO $$
DECLARE
    generation record;
    serving text;
    rows bigint;
BEGIN
    FOR generation IN SELECT id FROM generations LOOP
        serving := format('generation_%s', generation.id);
        EXECUTE format('DELETE FROM %1$I t USING %1$I o WHERE o.document_id = t.document_id AND o.chunk_key = t.chunk_key '
                       'AND o.id < t.id', serving);
        EXECUTE format('CREATE UNIQUE INDEX %I ON %I (document_id, chunk_key)', serving || '_chunk', serving);
        EXECUTE format('DROP INDEX IF EXISTS %I', serving || '_document_id_idx');
        EXECUTE format('SELECT count(*) FROM %I', serving) INTO rows;
        UPDATE generations SET row_count = rows WHERE id = generation.id;
    END LOOP;
END $$;

CREATE INDEX search_events_created ON search_events (created_at);
