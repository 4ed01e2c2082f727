-- What people say of documents beside their text: in sidecars, manifests and the names of folders. Everything that was
-- read is kept as it was written, so that a field can be declared later without reading a file again.

CREATE TABLE sidecars (
    source_id  bigint NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('document', 'folder', 'manifest')),
    about      text NOT NULL,
    files      text[] NOT NULL,
    signature  text,
    given      jsonb NOT NULL DEFAULT '{}',
    error      text,
    reason     text,
    attempts   integer NOT NULL DEFAULT 0,
    read_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_id, kind, about)
);
COMMENT ON TABLE sidecars IS 'Files that describe documents and are none themselves: what they say, masked, by key.';
COMMENT ON COLUMN sidecars.about IS 'Path of the document; of the folder, with a slash at its end; of the manifest.';
COMMENT ON COLUMN sidecars.signature IS 'What the listing said of the files when they were read; null while the documents wait for it.';
COMMENT ON COLUMN sidecars.reason IS 'Why the files cannot be used; then given is what they said before.';
CREATE INDEX sidecars_failed ON sidecars (source_id) WHERE reason IS NOT NULL;

CREATE TABLE manifest_rows (
    source_id  bigint NOT NULL REFERENCES sources (id) ON DELETE CASCADE,
    manifest   text NOT NULL,
    path       text NOT NULL,
    given      jsonb NOT NULL,
    PRIMARY KEY (source_id, path, manifest)
);
COMMENT ON TABLE manifest_rows IS 'What manifests say of documents, masked, by key.';

ALTER TABLE sources ADD COLUMN sidecars_policy text, ADD COLUMN patterns text;
COMMENT ON COLUMN sources.sidecars_policy IS 'The policies under which every sidecar of the source was masked.';
COMMENT ON COLUMN sources.patterns IS 'The patterns and manifests by which its documents were last described.';

ALTER TABLE elements ADD COLUMN metadata jsonb;
COMMENT ON COLUMN elements.metadata IS 'What the file itself says, masked, by key; null where it is only in the payload.';

CREATE TABLE declared_fields (
    name      text PRIMARY KEY,
    type      text NOT NULL CHECK (type IN ('text', 'number', 'date', 'boolean', 'list of text')),
    position  integer NOT NULL,
    filled    boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE declared_fields IS 'The columns of document_fields, as [fields] of the settings declares them.';
COMMENT ON COLUMN declared_fields.filled IS 'Every document was given its value since the field was declared.';

CREATE TABLE document_fields (document_id bigint PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE);
COMMENT ON TABLE document_fields IS 'One typed, indexed column per declared field; valid in every generation at once.';
