-- The ledger: what is done, pending, failed and live, beside the vectors themselves.
-- The extension `vector` is created by the migration runner, which checks its version first.

CREATE TABLE sources (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uri          text NOT NULL UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    scanned_at   timestamptz
);
COMMENT ON TABLE sources IS 'Folders and bucket prefixes that the knowledge base is kept in step with.';

CREATE TABLE documents (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id       bigint NOT NULL REFERENCES sources (id),
    path            text NOT NULL,
    shard_hash      char(2) NOT NULL,
    collection      text NOT NULL,
    size            bigint NOT NULL,
    modified_ns     bigint,
    etag            text,
    content_hash    bytea,
    chunks_version  text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    changed_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz,
    UNIQUE (source_id, path)
);
COMMENT ON COLUMN documents.path IS 'Relative to the source, as the file system spells it.';
COMMENT ON COLUMN documents.shard_hash IS 'First two hex digits of sha256(source uri, path); a shard is its first one or two.';
COMMENT ON COLUMN documents.content_hash IS 'sha256 of the bytes; null while they could not be read.';
COMMENT ON COLUMN documents.chunks_version IS 'What the rows in chunks were made from: content hash and stage fingerprints.';
COMMENT ON COLUMN documents.deleted_at IS 'Set when the file went away; the row goes once its chunks left the serving tables.';
CREATE INDEX documents_shard ON documents (shard_hash);
CREATE INDEX documents_content ON documents (content_hash);
CREATE INDEX documents_deleted ON documents (id) WHERE deleted_at IS NOT NULL;

CREATE TABLE elements (
    content_hash       bytea NOT NULL,
    parse_fingerprint  text NOT NULL,
    format             text NOT NULL,
    page_count         integer,
    element_count      integer NOT NULL,
    dropped_count      integer NOT NULL,
    privacy_counts     jsonb NOT NULL,
    warnings           text[] NOT NULL,
    payload            bytea NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (content_hash, parse_fingerprint)
);
COMMENT ON TABLE elements IS 'Cleaned and masked elements; payload is compressed JSON.';
ALTER TABLE elements ALTER COLUMN payload SET STORAGE EXTERNAL;

CREATE TABLE chunks (
    document_id    bigint NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    chunk_key      text NOT NULL,
    ordinal        integer NOT NULL,
    text_hash      bytea NOT NULL,
    content        text NOT NULL,
    page_number    integer,
    page_end       integer,
    section_path   text[] NOT NULL,
    language       text NOT NULL,
    token_count    integer NOT NULL,
    lexemes        tsvector NOT NULL,
    metadata       jsonb NOT NULL,
    PRIMARY KEY (document_id, chunk_key)
);
CREATE INDEX chunks_text_hash ON chunks (text_hash);

CREATE TABLE models (
    fingerprint       text PRIMARY KEY,
    name              text NOT NULL,
    native_dimension  integer NOT NULL,
    created_at        timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE embeddings (
    text_hash          bytea NOT NULL,
    model_fingerprint  text NOT NULL,
    embedding          halfvec NOT NULL,
    PRIMARY KEY (model_fingerprint, text_hash)
);
COMMENT ON TABLE embeddings IS 'Native vectors of norm 1; a text is embedded once per model, wherever it occurs.';
ALTER TABLE embeddings ALTER COLUMN embedding SET STORAGE EXTERNAL;

CREATE TABLE generations (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name               text NOT NULL UNIQUE,
    model_fingerprint  text NOT NULL REFERENCES models (fingerprint),
    dimension          integer NOT NULL,
    query_instruction  text NOT NULL,
    collections        text[],
    state              text NOT NULL CHECK (state IN ('building', 'ready', 'active', 'retired')),
    created_at         timestamptz NOT NULL DEFAULT now(),
    activated_at       timestamptz
);
COMMENT ON TABLE generations IS 'Each generation has a serving table of its own: generation_<id>.';
COMMENT ON COLUMN generations.collections IS 'The collections that it serves; null: all.';
CREATE UNIQUE INDEX generations_active ON generations (state) WHERE state = 'active';

CREATE TABLE generation_documents (
    generation_id   bigint NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
    document_id     bigint NOT NULL REFERENCES documents (id),
    chunks_version  text NOT NULL,
    path            text NOT NULL,
    chunk_count     integer NOT NULL,
    loaded_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (generation_id, document_id)
);
COMMENT ON TABLE generation_documents IS 'Which version of each document a serving table holds.';
CREATE INDEX generation_documents_document ON generation_documents (document_id);

CREATE TABLE generation_lexemes (
    generation_id       bigint NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
    lexeme              text NOT NULL,
    document_frequency  integer NOT NULL,
    PRIMARY KEY (generation_id, lexeme)
);
CREATE TABLE generation_statistics (
    generation_id  bigint PRIMARY KEY REFERENCES generations (id) ON DELETE CASCADE,
    row_count      bigint NOT NULL,
    mean_length    double precision NOT NULL,
    refreshed_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE generation_lexemes IS 'How many rows hold each lexeme, for BM25; refreshed when the table grew or shrank enough.';

CREATE TABLE failures (
    document_id   bigint NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
    stage         text NOT NULL,
    input_version text NOT NULL,
    error         text NOT NULL,
    reason        text NOT NULL,
    attempts      integer NOT NULL DEFAULT 1,
    failed_at     timestamptz NOT NULL DEFAULT now(),
    next_retry    timestamptz,
    PRIMARY KEY (document_id, stage)
);
COMMENT ON COLUMN failures.input_version IS 'What failed: content hash and fingerprint. A different input is tried at once.';
COMMENT ON COLUMN failures.next_retry IS 'When the same input is tried again; null: only when asked to.';

CREATE TABLE search_events (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at     timestamptz NOT NULL DEFAULT now(),
    query          text NOT NULL,
    mode           text NOT NULL,
    generation_id  bigint NOT NULL,
    hits           jsonb NOT NULL
);
COMMENT ON COLUMN search_events.query IS 'Masked with the same policy as the documents.';
