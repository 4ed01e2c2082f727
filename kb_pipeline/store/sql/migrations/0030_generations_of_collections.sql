-- Documents are loaded into the generation of their collection.

ALTER TABLE generations ADD COLUMN hands_back boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN generations.hands_back IS
    'Its collection is being loaded into the generation that others share, which serves it again afterwards.';

-- What another generation holds of a collection is found without a look at the others.
DROP INDEX documents_loaded;
CREATE INDEX documents_loaded ON documents (collection, loaded_generation) WHERE loaded_generation IS NOT NULL;
