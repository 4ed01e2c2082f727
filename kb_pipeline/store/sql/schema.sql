-- name: lock
SELECT pg_advisory_xact_lock(%s)

-- name: migrations_table_exists
SELECT to_regclass('kb_migrations')

-- name: create_migrations_table
CREATE TABLE IF NOT EXISTS kb_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())

-- name: applied_migrations
SELECT name FROM kb_migrations

-- name: record_migration
INSERT INTO kb_migrations (name) VALUES (%s)

-- name: create_extension
CREATE EXTENSION IF NOT EXISTS vector

-- name: installed_pgvector
SELECT extversion FROM pg_extension WHERE extname = 'vector'

-- name: recorded_key
SELECT key_id FROM privacy_key

-- name: record_key
INSERT INTO privacy_key (key_id) VALUES (%(key_id)s) ON CONFLICT DO NOTHING

-- name: replace_key
INSERT INTO privacy_key (key_id) VALUES (%(key_id)s)
ON CONFLICT (singleton) DO UPDATE SET key_id = excluded.key_id, recorded_at = now()
