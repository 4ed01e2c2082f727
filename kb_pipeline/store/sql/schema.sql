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

-- name: iterative_scan
SELECT coalesce(current_setting('hnsw.iterative_scan', true), 'off') <> 'off'
-- name: recorded_key
SELECT key_id FROM privacy_key

-- name: record_key
INSERT INTO privacy_key (key_id) VALUES (%(key_id)s) ON CONFLICT DO NOTHING

-- name: replace_key
INSERT INTO privacy_key (key_id) VALUES (%(key_id)s)
ON CONFLICT (singleton) DO UPDATE SET key_id = excluded.key_id, recorded_at = now()

-- name: role_rights
-- What the role of this connection may do; `owns`: build an index on the tables there are.
SELECT current_user AS role,
       has_schema_privilege(current_schema(), 'CREATE') AS may_create,
       has_database_privilege(current_database(), 'TEMPORARY') AS may_stage,
       pg_has_role(current_user, c.relowner, 'USAGE') AS owns,
       pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS only_reads,
       ARRAY(SELECT DISTINCT t.relname::text
             FROM pg_class t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS wanted
             WHERE t.relnamespace = c.relnamespace AND t.relowner = c.relowner AND t.relkind = 'r'
               AND NOT has_table_privilege(t.oid, wanted)
             ORDER BY 1) AS closed_tables
FROM pg_class c
WHERE c.oid = 'documents'::regclass

-- name: time_limits
-- Milliseconds after which the server ends what a run may need longer for.
SELECT name, setting::bigint FROM pg_settings
WHERE name IN ('statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout',
               'idle_session_timeout')
  AND setting::bigint > 0
ORDER BY name
