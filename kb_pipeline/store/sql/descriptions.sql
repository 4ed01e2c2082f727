-- Sidecars, manifests and what they say of documents.

-- name: signatures
-- In sixteen pieces, so that a million sidecars do not become one huge value. A path never holds an empty component, so
-- the separator cannot occur in it.
SELECT string_agg(kind || E'\t' || about || E'\t' || coalesce(signature, ''), E'\n//\n')
FROM sidecars WHERE source_id = %(source)s GROUP BY hashtext(about) & 15

-- name: note
-- `signature` is null until the documents follow.
INSERT INTO sidecars (source_id, kind, about, files, signature, given, error, reason, attempts)
SELECT %(source)s, r.kind, r.about, r.files, r.signature, r.given, r.error, r.reason, (r.reason IS NOT NULL)::integer
FROM jsonb_to_recordset(%(rows)s) AS r(kind text, about text, files text[], signature text, given jsonb, error text, reason text)
ON CONFLICT (source_id, kind, about) DO UPDATE
SET files = excluded.files, signature = excluded.signature, error = excluded.error, reason = excluded.reason, read_at = now(),
    given = excluded.given,
    attempts = CASE WHEN excluded.reason IS NULL THEN 0 ELSE sidecars.attempts + 1 END

-- name: given
SELECT kind, about, given, signature IS NOT NULL FROM sidecars
WHERE source_id = %(source)s AND (kind, about) IN (SELECT * FROM unnest(%(kinds)s::text[], %(abouts)s::text[]))

-- name: given_to
SELECT about, array_to_string(files, ' and '), given FROM sidecars
WHERE source_id = %(source)s AND kind = %(kind)s AND about = ANY(%(paths)s) AND given <> '{{}}'

-- name: given_by_manifests
SELECT path, manifest, given FROM manifest_rows WHERE source_id = %(source)s AND path = ANY(%(paths)s)

-- name: settle
UPDATE sidecars s SET signature = r.signature
FROM unnest(%(kinds)s::text[], %(abouts)s::text[], %(signatures)s::text[]) AS r(kind, about, signature)
WHERE s.source_id = %(source)s AND s.kind = r.kind AND s.about = r.about

-- name: empty
-- Of files that are gone: nothing is said any more, and the row goes when the documents followed.
UPDATE sidecars s SET given = '{{}}', signature = NULL
FROM unnest(%(kinds)s::text[], %(abouts)s::text[]) AS r(kind, about)
WHERE s.source_id = %(source)s AND s.kind = r.kind AND s.about = r.about

-- name: remove
DELETE FROM sidecars s USING unnest(%(kinds)s::text[], %(abouts)s::text[]) AS r(kind, about)
WHERE s.source_id = %(source)s AND s.kind = r.kind AND s.about = r.about

-- name: manifest_rows
SELECT path, given FROM manifest_rows WHERE source_id = %(source)s AND manifest = %(manifest)s

-- name: remove_manifest_rows
DELETE FROM manifest_rows WHERE source_id = %(source)s AND manifest = %(manifest)s AND path = ANY(%(paths)s)

-- name: store_manifest_rows
INSERT INTO manifest_rows (source_id, manifest, path, given)
SELECT %(source)s, %(manifest)s, r.path, r.given FROM jsonb_to_recordset(%(rows)s) AS r(path text, given jsonb)
ON CONFLICT (source_id, path, manifest) DO UPDATE SET given = excluded.given

-- name: documents
SELECT id, source_id, path FROM documents WHERE source_id = %(source)s AND deleted_at IS NULL ORDER BY id

-- name: read_again
-- Those that could not be used, and manifests: what a field is declared as decides what is wrong with them.
UPDATE sidecars SET signature = NULL WHERE reason IS NOT NULL OR kind = 'manifest'

-- name: retry
UPDATE sidecars SET signature = NULL WHERE reason IS NOT NULL

-- name: usable
SELECT source_id, kind, about, given FROM sidecars WHERE reason IS NULL AND kind <> 'manifest' AND given <> '{{}}'

-- name: refuse
UPDATE sidecars s SET error = 'BadSidecar', reason = r.reason, attempts = 1
FROM unnest(%(sources)s::bigint[], %(kinds)s::text[], %(abouts)s::text[], %(reasons)s::text[]) AS r(source, kind, about, reason)
WHERE s.source_id = r.source AND s.kind = r.kind AND s.about = r.about

-- name: set_policy
UPDATE sources SET sidecars_policy = %(policy)s, patterns = %(patterns)s WHERE id = %(source)s

-- name: failures
SELECT s.uri, array_to_string(c.files, ' and ') AS path, c.about, c.error, c.reason, c.attempts, c.read_at
FROM sidecars c JOIN sources s ON s.id = c.source_id
WHERE c.reason IS NOT NULL ORDER BY c.read_at DESC, c.about LIMIT %(limit)s

-- name: count_failures
SELECT count(*) FROM sidecars WHERE reason IS NOT NULL
