-- Bytes alone do not say how a file is parsed: notes.txt and notes.md are read differently. The extension is
-- part of every parse fingerprint from here on.

ALTER TABLE documents
    ADD COLUMN extension text NOT NULL GENERATED ALWAYS AS (lower(coalesce(substring(path FROM '[.]([^./]*)$'), ''))) STORED;
COMMENT ON COLUMN documents.extension IS 'In lower case, without the dot; decides with the bytes how the file is parsed.';
