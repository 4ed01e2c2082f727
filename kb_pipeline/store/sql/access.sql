-- Who may read a document.

-- name: passes
-- The column in front is the serving table's. A document without a row passes for nobody.
document_id IN (SELECT a.document_id FROM document_access a WHERE a.groups && {groups}::text[])

-- name: store
-- A row that says what it said stays as it is.
INSERT INTO document_access AS a (document_id, collection, groups)
SELECT d.id, d.collection, ARRAY(SELECT jsonb_array_elements_text(r.groups))
FROM jsonb_to_recordset(%(rows)s) AS r(document_id bigint, groups jsonb)
JOIN documents d ON d.id = r.document_id
ON CONFLICT (document_id) DO UPDATE SET collection = excluded.collection, groups = excluded.groups
WHERE (a.collection, a.groups) IS DISTINCT FROM (excluded.collection, excluded.groups)
