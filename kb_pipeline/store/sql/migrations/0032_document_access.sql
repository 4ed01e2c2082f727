-- Who may read which document. A document without a row, or with no group, can be read by nobody but the owner.

CREATE TABLE document_access (
    document_id  bigint PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
    collection   text NOT NULL,
    groups       text[] NOT NULL
);
COMMENT ON TABLE document_access IS 'Who may read a document; valid in every generation at once.';
COMMENT ON COLUMN document_access.collection IS 'That of the document, for the policies of roles that read with SQL.';
COMMENT ON COLUMN document_access.groups IS 'Those that may read it; everyone stands for all, and none for nobody.';

-- Nothing had groups until now. Where files name some already, they count from the next scan on, and nobody reads
-- these sources before.
CREATE TEMPORARY TABLE sources_with_groups ON COMMIT DROP AS
SELECT source_id FROM sidecars WHERE given ? 'groups'
UNION SELECT source_id FROM manifest_rows WHERE given ? 'groups';

INSERT INTO document_access (document_id, collection, groups)
SELECT id, collection, CASE WHEN source_id IN (TABLE sources_with_groups) THEN '{}' ELSE '{everyone}'::text[] END
FROM documents;
CREATE INDEX document_access_groups ON document_access USING gin (groups);
UPDATE sources SET patterns = '' WHERE id IN (TABLE sources_with_groups);
