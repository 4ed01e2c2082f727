-- What documents hold, for those who may read it. A document can be read while a serving table holds a passage of it
-- that passes the condition; the condition is asked of one passage, since it is about documents.

-- name: collections
SELECT p.collection, count(*), sum(g.chunk_count), sum(d.size)::bigint, min(d.created_at)
FROM generation_documents g
JOIN documents d ON d.id = g.document_id
CROSS JOIN LATERAL (SELECT collection FROM {table} WHERE document_id = g.document_id AND {condition} LIMIT 1) p
WHERE g.generation_id = %(generation)s
GROUP BY p.collection ORDER BY p.collection

-- name: documents
SELECT d.id, p.source_file, p.collection, d.size, d.changed_at, g.loaded_at, g.chunk_count AS chunks
FROM generation_documents g
JOIN documents d ON d.id = g.document_id
CROSS JOIN LATERAL (
    SELECT source_file, collection FROM {table} WHERE document_id = g.document_id AND {condition} LIMIT 1) p
WHERE g.generation_id = %(generation)s AND g.document_id > %(after)s
ORDER BY g.document_id LIMIT %(most)s

-- name: document
SELECT d.id, p.source_file, p.collection, d.size, d.changed_at, g.loaded_at, g.chunk_count AS chunks,
       e.format, e.page_count, coalesce(e.warnings, '{{}}') AS warnings,
       coalesce((SELECT jsonb_strip_nulls(to_jsonb(f) - 'document_id') FROM document_fields f
                 WHERE f.document_id = d.id), '{{}}') AS fields
FROM generation_documents g
JOIN documents d ON d.id = g.document_id
CROSS JOIN LATERAL (
    SELECT source_file, collection FROM {table} WHERE document_id = g.document_id AND {condition} LIMIT 1) p
LEFT JOIN elements e ON e.content_hash = d.chunked_hash AND e.extension = d.chunked_extension
                    AND e.parse_fingerprint = d.chunked_parse
WHERE g.generation_id = %(generation)s AND g.document_id = %(document)s

-- name: chunks
SELECT chunk_key, ordinal, content, page_number, page_end, section_title, section_path, language, token_count, metadata
FROM {table}
WHERE document_id = %(document)s AND ordinal > %(after)s AND {condition}
ORDER BY ordinal LIMIT %(most)s

-- name: ordinal
SELECT ordinal FROM {table} WHERE document_id = %(document)s AND chunk_key = %(chunk_key)s AND {condition}

-- name: placed
SELECT p.*
FROM unnest(%(documents)s::bigint[], %(chunks)s::text[]) AS w(document, chunk)
CROSS JOIN LATERAL (
    SELECT document_id, chunk_key, source_file, collection, page_number, page_end, section_path, content
    FROM {table} WHERE document_id = w.document AND chunk_key = w.chunk AND {condition}) p

-- name: elements
SELECT e.payload
FROM documents d
JOIN elements e ON e.content_hash = d.chunked_hash AND e.extension = d.chunked_extension
               AND e.parse_fingerprint = d.chunked_parse
WHERE d.id = %(document)s AND EXISTS (SELECT FROM {table} WHERE document_id = d.id AND {condition})

-- name: origin
SELECT s.uri AS source, d.path, d.chunked_hash AS content_hash
FROM documents d JOIN sources s ON s.id = d.source_id
WHERE d.id = %(document)s AND d.deleted_at IS NULL AND d.chunked_hash IS NOT NULL
