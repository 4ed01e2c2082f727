-- Queries may go through an adapter that tuning made, while the vectors of documents stay as they are.

ALTER TABLE generations ADD query_adapter text, ADD query_adapter_folder text;
COMMENT ON COLUMN generations.query_adapter IS 'By which the embedding server knows the adapter; null: the model as it is.';
