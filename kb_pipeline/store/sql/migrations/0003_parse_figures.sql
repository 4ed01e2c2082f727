-- What parsing cost, and how much of a file's text it found again.

ALTER TABLE elements ADD COLUMN seconds real NOT NULL DEFAULT 0, ADD COLUMN coverage real;
COMMENT ON COLUMN elements.seconds IS 'Wall time of reading, cleaning and masking.';
COMMENT ON COLUMN elements.coverage IS
    'Visible characters among kept and dropped text, as a share of those in the file; null where not known.';

CREATE VIEW document_elements AS
SELECT d.id AS document_id, d.path, d.collection, d.shard_hash, d.changed_at, e.*
FROM documents d
CROSS JOIN LATERAL (
    SELECT * FROM elements e
    WHERE e.content_hash = d.content_hash AND split_part(e.parse_fingerprint, '.', 2) = d.extension
    ORDER BY e.created_at DESC LIMIT 1
) e
WHERE d.deleted_at IS NULL;
COMMENT ON VIEW document_elements IS 'The newest elements of each live document.';
