-- Who may ask the search server, and for what. The keys themselves are stored nowhere.

CREATE TABLE api_keys (
    id            text PRIMARY KEY,
    digest        bytea NOT NULL CHECK (length(digest) = 32),
    name          text NOT NULL,
    groups        text[] NOT NULL,
    collections   text[],
    rights        text[] NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,
    revoked_at    timestamptz,
    last_used_at  timestamptz
);
COMMENT ON COLUMN api_keys.id IS 'The public part of the key.';
COMMENT ON COLUMN api_keys.digest IS 'SHA-256 of the whole key, whose secret part holds 256 random bits.';
COMMENT ON COLUMN api_keys.collections IS 'Those that it may search; null: all.';
COMMENT ON COLUMN api_keys.revoked_at IS 'The row stays: a server whose last key was revoked is not open again.';
COMMENT ON COLUMN api_keys.last_used_at IS 'Exact to a minute.';
CREATE UNIQUE INDEX api_keys_name ON api_keys (name) WHERE revoked_at IS NULL;
