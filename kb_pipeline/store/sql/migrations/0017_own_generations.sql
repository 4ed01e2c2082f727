-- A collection may be served by a generation of its own; one generation is active for each, and one for the rest.

ALTER TABLE generations ADD COLUMN collection text;
COMMENT ON COLUMN generations.collection IS 'The one collection that it serves; null: all that have no generation of their own.';
DROP INDEX generations_active;
CREATE UNIQUE INDEX generations_active ON generations (coalesce(collection, '')) WHERE state = 'active';
CREATE INDEX search_events_generation ON search_events (generation_id, id);
