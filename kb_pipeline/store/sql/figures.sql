-- What pages show. `elements`: all_elements or recent_elements.

-- name: document_figures
SELECT left(shard_hash, %(digits)s) AS shard, collection, sum(documents)::bigint AS documents,
       sum(chunks)::bigint AS chunks, sum(tokens)::bigint AS tokens
FROM (SELECT * FROM document_figures WHERE shard_hash BETWEEN %(first)s AND %(last)s
      UNION ALL
      SELECT * FROM document_figure_changes WHERE shard_hash BETWEEN %(first)s AND %(last)s) f
GROUP BY 1, 2 HAVING sum(documents) > 0 ORDER BY 1, 2

-- name: document_count
SELECT coalesce(sum(documents), 0)::bigint
FROM (SELECT documents FROM document_figures UNION ALL SELECT documents FROM document_figure_changes) f

-- name: lock_figures
-- Readers and those who note changes do not wait.
LOCK TABLE document_figures IN EXCLUSIVE MODE

-- name: add_up_figures
WITH changes AS (DELETE FROM document_figure_changes RETURNING *)
INSERT INTO document_figures AS f
SELECT shard_hash, collection, sum(documents), sum(chunks), sum(tokens) FROM changes GROUP BY 1, 2
ON CONFLICT (shard_hash, collection) DO UPDATE
SET documents = f.documents + excluded.documents, chunks = f.chunks + excluded.chunks,
    tokens = f.tokens + excluded.tokens

-- name: figure_errors
-- By how much the figures differ from what a look at every document finds.
SELECT shard_hash, collection, sum(documents)::bigint AS documents, sum(chunks)::bigint AS chunks,
       sum(tokens)::bigint AS tokens
FROM (SELECT shard_hash, collection, 1 AS documents, chunk_count AS chunks, token_count AS tokens
      FROM documents WHERE deleted_at IS NULL
      UNION ALL
      SELECT shard_hash, collection, -documents, -chunks, -tokens FROM document_figures
      UNION ALL
      SELECT shard_hash, collection, -documents, -chunks, -tokens FROM document_figure_changes) f
GROUP BY 1, 2
HAVING sum(documents) <> 0 OR sum(chunks) <> 0 OR sum(tokens) <> 0

-- name: correct_figures
-- One snapshot for what was noted and what is counted: a change that is committed meanwhile is noted besides.
INSERT INTO document_figure_changes {figure_errors}

-- name: recent_documents
SELECT path, collection, size, changed_at
FROM documents
WHERE deleted_at IS NULL AND shard_hash BETWEEN %(first)s AND %(last)s
ORDER BY changed_at DESC LIMIT %(limit)s

-- name: all_elements
SELECT * FROM document_elements WHERE shard_hash BETWEEN %(first)s AND %(last)s

-- name: recent_elements
-- Those that were made within the last seconds.
SELECT d.path, d.collection, d.shard_hash, d.changed_at, e.*
FROM elements e JOIN documents d ON d.content_hash = e.content_hash AND d.extension = e.extension
WHERE e.created_at >= now() - make_interval(secs => %(seconds)s) AND d.deleted_at IS NULL
  AND d.shard_hash BETWEEN %(first)s AND %(last)s

-- name: elements_by_format
-- A document without pages counts as one page.
SELECT format, count(*) AS documents, sum(coalesce(page_count, 1)) AS pages, sum(element_count) AS elements,
       sum(dropped_count) AS dropped, sum(seconds) AS seconds,
       sum(seconds) / sum(greatest(coalesce(page_count, 1), 1)) AS seconds_per_page, min(coverage) AS least_coverage
FROM ({elements}) e
GROUP BY format ORDER BY 2 DESC, 1

-- name: shard_elements
SELECT left(shard_hash, %(digits)s) AS shard, format, count(*) AS documents, sum(coalesce(page_count, 1)) AS pages,
       sum(seconds) AS seconds, min(coverage) AS least_coverage
FROM ({elements}) e
GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2

-- name: privacy_counts
SELECT path, collection, privacy_counts AS counts FROM ({elements}) e ORDER BY path

-- name: shard_privacy
SELECT left(shard_hash, %(digits)s) AS shard, c.key AS entity, sum(c.value::bigint) AS count
FROM ({elements}) e, jsonb_each_text(privacy_counts) c
GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2

-- name: shard_failures
SELECT left(d.shard_hash, %(digits)s) AS shard, f.error, count(*) AS documents
FROM failures f JOIN documents d ON d.id = f.document_id
WHERE d.deleted_at IS NULL AND d.shard_hash BETWEEN %(first)s AND %(last)s AND f.stage = %(stage)s
GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2

-- name: warned_documents
SELECT path, unnest(warnings) AS warning
FROM ({elements}) e
WHERE cardinality(warnings) > 0
ORDER BY changed_at DESC, path LIMIT %(limit)s

-- name: newest_elements
SELECT d.path AS file, e.format, e.page_count AS pages, e.element_count AS elements, e.dropped_count AS dropped, e.coverage
FROM elements e JOIN documents d ON d.content_hash = e.content_hash AND d.extension = e.extension
WHERE d.deleted_at IS NULL AND d.shard_hash BETWEEN %(first)s AND %(last)s
ORDER BY e.created_at DESC LIMIT %(limit)s

-- name: newest_chunks
SELECT d.path AS file, max(c.page_end) AS pages, count(*) AS chunks, sum(c.token_count)::bigint AS tokens,
       max(c.token_count) AS longest, string_agg(DISTINCT c.language, ', ') AS languages
FROM (SELECT id, path, chunked_at FROM documents
      WHERE deleted_at IS NULL AND shard_hash BETWEEN %(first)s AND %(last)s AND chunked_at IS NOT NULL
      ORDER BY chunked_at DESC LIMIT %(limit)s) d
JOIN chunks c ON c.document_id = d.id
GROUP BY d.id, d.path, d.chunked_at ORDER BY d.chunked_at DESC, d.path

-- name: columns
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
       col_description(a.attrelid, a.attnum) AS description
FROM pg_attribute a
WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum

-- name: corpus
-- One look at all documents, for a page that adds up. Where a source does not say when a file was written, the scan
-- that found it changed does.
SELECT collection, extension AS format,
       CASE WHEN written > now() - interval '1 day' THEN 'day' WHEN written > now() - interval '7 days' THEN 'week'
            WHEN written > now() - interval '30 days' THEN 'month' WHEN written > now() - interval '90 days' THEN 'quarter'
            WHEN written > now() - interval '1 year' THEN 'year' ELSE 'older' END AS age,
       count(*) AS documents, sum(chunk_count)::bigint AS chunks, max(written) AS newest
FROM (SELECT collection, extension, chunk_count, coalesce(to_timestamp(modified_ns / 1e9), changed_at) AS written
      FROM documents WHERE deleted_at IS NULL) d
GROUP BY 1, 2, 3
