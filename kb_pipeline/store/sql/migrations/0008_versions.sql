-- What was made from what, as columns: the index, and not a look at every row, finds what is to be done.

ALTER TABLE elements ADD COLUMN extension text NOT NULL DEFAULT '', ADD COLUMN unused_since timestamptz;
ALTER TABLE elements DROP CONSTRAINT elements_pkey;
DROP VIEW document_elements;
UPDATE elements SET extension = split_part(parse_fingerprint, '.', 2), parse_fingerprint = split_part(parse_fingerprint, '.', 1);
ALTER TABLE elements ALTER COLUMN extension DROP DEFAULT, ADD PRIMARY KEY (content_hash, extension, parse_fingerprint);
COMMENT ON COLUMN elements.extension IS 'Of the file: decides with the bytes how it is parsed.';
COMMENT ON COLUMN elements.unused_since IS 'When the nightly sweep first found no document that needs it; null while there is one.';
CREATE INDEX elements_created ON elements (created_at);

CREATE VIEW document_elements AS
SELECT d.id AS document_id, d.path, d.collection, d.shard_hash, d.changed_at, e.*
FROM documents d
CROSS JOIN LATERAL (
    SELECT * FROM elements e
    WHERE e.content_hash = d.content_hash AND e.extension = d.extension
    ORDER BY e.created_at DESC LIMIT 1
) e
WHERE d.deleted_at IS NULL;
COMMENT ON VIEW document_elements IS 'The newest elements of each live document.';

ALTER TABLE embeddings ADD COLUMN unused_since timestamptz;
COMMENT ON COLUMN embeddings.unused_since IS 'When the nightly sweep first found no chunk with this text; null while there is one.';

ALTER TABLE documents
    ADD COLUMN chunked_hash         bytea,
    ADD COLUMN chunked_extension    text,
    ADD COLUMN chunked_parse        text,
    ADD COLUMN chunked_fingerprint  text,
    ADD COLUMN chunked_at           timestamptz,
    ADD COLUMN chunk_count          integer NOT NULL DEFAULT 0,
    ADD COLUMN token_count          bigint NOT NULL DEFAULT 0,
    ADD COLUMN revision             bigint NOT NULL DEFAULT 0,
    ADD COLUMN loaded_generation    bigint,
    ADD COLUMN loaded_revision      bigint;
ALTER TABLE generation_documents ADD COLUMN revision bigint NOT NULL DEFAULT 0;

-- A failure names what failed; that of an embedding was the old version of the chunks, then the model.
UPDATE failures f
SET input_version = '1' || substr(f.input_version, length(d.chunks_version) + 1)
FROM documents d
WHERE d.id = f.document_id AND f.stage = 'embeddings' AND starts_with(f.input_version, d.chunks_version || ':');

UPDATE generation_documents g SET revision = 1
FROM documents d WHERE d.id = g.document_id AND d.chunks_version = g.chunks_version;

UPDATE documents d
SET chunked_hash = decode(split_part(d.chunks_version, ':', 1), 'hex'),
    chunked_parse = split_part(split_part(d.chunks_version, ':', 2), '.', 1),
    chunked_extension = split_part(split_part(d.chunks_version, ':', 2), '.', 2),
    chunked_fingerprint = split_part(d.chunks_version, ':', 3),
    chunked_at = d.changed_at, revision = 1, chunk_count = c.chunks, token_count = c.tokens
FROM (SELECT d.id, count(c.chunk_key) AS chunks, coalesce(sum(c.token_count), 0) AS tokens
      FROM documents d LEFT JOIN chunks c ON c.document_id = d.id GROUP BY d.id) c
WHERE c.id = d.id AND d.chunks_version IS NOT NULL;

UPDATE documents d SET loaded_generation = g.generation_id, loaded_revision = g.revision
FROM generation_documents g JOIN generations a ON a.id = g.generation_id AND a.state = 'active'
WHERE g.document_id = d.id AND g.path = d.path;

ALTER TABLE generation_documents ALTER COLUMN revision DROP DEFAULT, DROP COLUMN chunks_version;
COMMENT ON COLUMN generation_documents.revision IS 'The revision of the document that the serving table holds.';
CREATE INDEX generation_documents_loaded ON generation_documents (generation_id, loaded_at);

ALTER TABLE documents
    DROP COLUMN chunks_version,
    ADD COLUMN to_chunk boolean NOT NULL GENERATED ALWAYS AS (
        deleted_at IS NULL AND content_hash IS NOT NULL
        AND (chunked_hash IS DISTINCT FROM content_hash
             OR chunked_extension IS DISTINCT FROM lower(coalesce(substring(path FROM '[.]([^./]*)$'), '')))) STORED,
    ADD COLUMN to_load boolean NOT NULL GENERATED ALWAYS AS (
        deleted_at IS NOT NULL OR revision <> coalesce(loaded_revision, 0)) STORED;
COMMENT ON COLUMN documents.chunked_hash IS 'Of the bytes that the rows in chunks were made from, with chunked_extension.';
COMMENT ON COLUMN documents.chunked_parse IS 'The parse fingerprint that the rows in chunks were made under.';
COMMENT ON COLUMN documents.chunked_fingerprint IS 'The chunk fingerprint that the rows in chunks were made under.';
COMMENT ON COLUMN documents.revision IS 'How often its chunks were made; 0: never.';
COMMENT ON COLUMN documents.loaded_revision IS
    'What the serving table of loaded_generation is known to hold of it. Only a note, so that an index finds the others; '
    'the truth is in generation_documents.';
COMMENT ON COLUMN documents.to_chunk IS 'Its bytes or its extension are not those of its chunks.';
COMMENT ON COLUMN documents.to_load IS 'The serving table of loaded_generation may not hold it as it is.';

-- The order of shards is that of hex digits in every collation, so a range of shards is a range of this index.
DROP INDEX documents_shard;
CREATE INDEX documents_shard ON documents (shard_hash, collection) INCLUDE (chunk_count, token_count) WHERE deleted_at IS NULL;
CREATE INDEX documents_to_chunk ON documents (shard_hash) WHERE to_chunk;
CREATE INDEX documents_to_load ON documents (shard_hash) WHERE to_load;
CREATE INDEX documents_chunked_as ON documents (collection, chunked_parse, chunked_fingerprint)
    WHERE deleted_at IS NULL AND revision > 0;
CREATE INDEX documents_loaded ON documents (loaded_generation) WHERE loaded_generation IS NOT NULL;
CREATE INDEX documents_changed ON documents (changed_at) WHERE deleted_at IS NULL;
CREATE INDEX documents_chunked ON documents (chunked_at) WHERE deleted_at IS NULL;

ALTER TABLE documents ADD CHECK (shard_hash ~ '^[0-9a-f]{2}$');
ALTER TABLE failures ADD CHECK (stage IN ('raw_documents', 'cleaned_elements', 'chunks', 'embeddings'));
ALTER TABLE search_events ADD CHECK (mode IN ('hybrid', 'vector', 'lexical'));
