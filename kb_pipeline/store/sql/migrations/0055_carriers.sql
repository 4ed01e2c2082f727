-- Files that may carry others were never opened by a scan: no listing says of them what this does, so that the next one
-- takes them for changed and looks inside. Their bytes are the same, and nothing is read or embedded again for it.

UPDATE documents SET modified_ns = NULL, etag = 'not opened' WHERE deleted_at IS NULL AND path ~* '[.](zip|eml|msg)$';
