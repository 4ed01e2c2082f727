-- How many live documents, chunks and tokens there are, kept as documents change: counting them took every run a look
-- at each document.
--
-- A statement that changes documents adds a row for what it changed and updates none, so that two runs at once never
-- wait for each other here. Those rows are added to the sums at the end of a stage; whoever reads adds both.

CREATE TABLE document_figures (
    shard_hash  char(2) NOT NULL,
    collection  text NOT NULL,
    documents   bigint NOT NULL,
    chunks      bigint NOT NULL,
    tokens      bigint NOT NULL,
    PRIMARY KEY (shard_hash, collection)
);
COMMENT ON TABLE document_figures IS 'Live documents, their chunks and tokens, without what document_figure_changes holds.';

CREATE TABLE document_figure_changes (LIKE document_figures);
COMMENT ON TABLE document_figure_changes IS 'By how much the figures changed since they were last added up.';

INSERT INTO document_figures
SELECT shard_hash, collection, count(*), sum(chunk_count), sum(token_count)
FROM documents WHERE deleted_at IS NULL GROUP BY 1, 2;

CREATE FUNCTION note_new_documents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO document_figure_changes
    SELECT shard_hash, collection, count(*), sum(chunk_count), sum(token_count)
    FROM after WHERE deleted_at IS NULL GROUP BY 1, 2;
    RETURN NULL;
END $$;

CREATE FUNCTION note_changed_documents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO document_figure_changes
    SELECT shard_hash, collection, sum(documents), sum(chunks), sum(tokens)
    FROM (SELECT shard_hash, collection, 1 AS documents, chunk_count AS chunks, token_count AS tokens
          FROM after WHERE deleted_at IS NULL
          UNION ALL
          SELECT shard_hash, collection, -1, -chunk_count, -token_count FROM before WHERE deleted_at IS NULL) d
    GROUP BY 1, 2
    HAVING sum(documents) <> 0 OR sum(chunks) <> 0 OR sum(tokens) <> 0;
    RETURN NULL;
END $$;

CREATE FUNCTION note_gone_documents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO document_figure_changes
    SELECT shard_hash, collection, -count(*), -sum(chunk_count), -sum(token_count)
    FROM before WHERE deleted_at IS NULL GROUP BY 1, 2;
    RETURN NULL;
END $$;

CREATE TRIGGER documents_inserted AFTER INSERT ON documents REFERENCING NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION note_new_documents();
CREATE TRIGGER documents_updated AFTER UPDATE ON documents REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION note_changed_documents();
CREATE TRIGGER documents_deleted AFTER DELETE ON documents REFERENCING OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION note_gone_documents();
