-- Declared fields: the columns of document_fields. What the statements name is quoted by psycopg.

-- name: declared
SELECT name, type, filled FROM declared_fields ORDER BY position

-- name: hold_declared
SELECT name, type FROM declared_fields ORDER BY position FOR KEY SHARE

-- name: are_filled
SELECT NOT EXISTS (SELECT FROM declared_fields WHERE NOT filled)

-- name: forget
DELETE FROM declared_fields WHERE name = ANY(%(names)s)

-- name: declare
INSERT INTO declared_fields (name, type, position)
SELECT f.name, f.type, f.place + (SELECT coalesce(max(position), 0) FROM declared_fields)
FROM unnest(%(names)s::text[], %(types)s::text[]) WITH ORDINALITY AS f(name, type, place)

-- name: note_filled
UPDATE declared_fields SET filled = true WHERE name = ANY(%(names)s)

-- name: drop_column
ALTER TABLE document_fields DROP COLUMN {column}

-- name: add_column
ALTER TABLE document_fields ADD COLUMN {column} {type};
CREATE INDEX ON document_fields USING {method} ({column});

-- name: view_grants
-- As statements, because a view that loses a column has to be made anew and keeps its readers.
SELECT format('GRANT %%s%%s ON %%I TO %%s%%s', a.privilege_type, coalesce(' (' || a.names || ')', ''), %(view)s::text,
              CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
              CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM (
    SELECT c.relowner, x.grantee, x.privilege_type, x.is_grantable, NULL AS names
    FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) x WHERE c.oid = to_regclass(quote_ident(%(view)s::text))
    UNION ALL
    SELECT c.relowner, x.grantee, x.privilege_type, x.is_grantable, string_agg(quote_ident(t.attname), ', ')
    FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid CROSS JOIN LATERAL aclexplode(t.attacl) x
    WHERE c.oid = to_regclass(quote_ident(%(view)s::text)) AND t.attname <> ALL(%(lost)s)
    GROUP BY 1, 2, 3, 4
) a
WHERE a.grantee <> a.relowner

-- name: drop_view
DROP VIEW IF EXISTS {of_readers};
DROP VIEW IF EXISTS {view};

-- name: documents
-- Live documents in order of id, from the one behind `after` on.
SELECT id, source_id, path FROM documents WHERE deleted_at IS NULL AND id > %(after)s ORDER BY id LIMIT %(limit)s

-- name: documents_by_id
SELECT id, source_id, path FROM documents WHERE deleted_at IS NULL AND id = ANY(%(ids)s) ORDER BY id

-- name: said_by_files
-- What the bytes say that the document's chunks were made of.
SELECT d.id, e.metadata
FROM documents d
JOIN elements e ON e.content_hash = d.chunked_hash AND e.extension = d.chunked_extension
               AND e.parse_fingerprint = d.chunked_parse
WHERE d.id = ANY(%(ids)s) AND e.metadata IS NOT NULL

-- name: packed_elements
-- Elements that were stored before their metadata was a column.
SELECT content_hash, extension, parse_fingerprint, payload FROM elements WHERE metadata IS NULL
ORDER BY content_hash, extension, parse_fingerprint LIMIT %(limit)s

-- name: unpack_metadata
UPDATE elements e SET metadata = w.metadata
FROM unnest(%(content_hashes)s::bytea[], %(extensions)s::text[], %(parse_fingerprints)s::text[], %(metadata)s::jsonb[])
         AS w(content_hash, extension, parse_fingerprint, metadata)
WHERE (e.content_hash, e.extension, e.parse_fingerprint) = (w.content_hash, w.extension, w.parse_fingerprint)

-- name: store
-- A row that says what it said stays as it is.
INSERT INTO document_fields AS f (document_id{columns})
SELECT r.document_id{values} FROM jsonb_to_recordset(%(rows)s) AS r(document_id bigint{types})
JOIN documents d ON d.id = r.document_id
ON CONFLICT (document_id) DO UPDATE SET {updates}
WHERE {differences}

-- name: passes
-- The column in front is the serving table's, whatever the statement around calls that table.
document_id IN (SELECT f.document_id FROM document_fields f WHERE {condition})

-- name: facets
-- How many documents with a passage that passes have each value, the most frequent first; with no name how many
-- there are. The table is read once, whatever the number of facets.
WITH passing AS MATERIALIZED ({passing}),
     counted AS ({counted})
SELECT name, value, documents
FROM (SELECT *, row_number() OVER (PARTITION BY name ORDER BY documents DESC, value) AS place FROM counted) c
WHERE place <= %(most)s
ORDER BY name, place

-- name: passing
-- The collection is the one that a search would show, which may be another than the ledger's while a document moves.
SELECT p.document_id, (SELECT t.collection FROM {table} t WHERE t.document_id = p.document_id LIMIT 1) AS collection
FROM (SELECT DISTINCT document_id FROM {table} WHERE {condition}) p

-- name: passing_documents
SELECT NULL AS name, NULL::jsonb AS value, count(*) AS documents FROM passing

-- name: facet
SELECT {facet}, to_jsonb(v.value), count(*) FROM ({values}) v WHERE v.value IS NOT NULL GROUP BY v.value

-- name: values_of_field
SELECT {column} AS value FROM passing JOIN document_fields f USING (document_id)

-- name: values_of_list
-- Once for each document, however often its list holds it.
SELECT DISTINCT document_id, unnest({column}) AS value FROM passing JOIN document_fields f USING (document_id)

-- name: values_of_collection
SELECT collection AS value FROM passing

-- name: counts
SELECT {counts} FROM document_fields
