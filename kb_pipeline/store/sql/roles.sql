-- Roles that read with SQL. All of them are members of one, `readers`, to which everything is granted that they may look
-- at; which rows of it each sees is said by one policy of its own on document_access, on which all other policies rest.

-- name: all
SELECT name, groups, collections, is_ours, created_at FROM sql_roles ORDER BY name

-- name: known
SELECT name, groups, collections, is_ours, created_at FROM sql_roles WHERE name = %(name)s FOR UPDATE

-- name: exist
SELECT EXISTS (SELECT FROM sql_roles)

-- name: record
INSERT INTO sql_roles (name, groups, collections, is_ours) VALUES (%(name)s, %(groups)s, %(collections)s, %(is_ours)s)
ON CONFLICT (name) DO UPDATE SET groups = excluded.groups, collections = excluded.collections

-- name: forget
DELETE FROM sql_roles WHERE name = %(name)s

-- name: place
SELECT current_database(), current_schema()

-- name: role_exists
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %(name)s)

-- name: bypasses
-- Whether no policy holds for a role.
SELECT r.rolsuper OR r.rolbypassrls OR pg_has_role(r.oid, c.relowner, 'MEMBER')
FROM pg_roles r, pg_class c WHERE r.rolname = %(name)s AND c.oid = 'documents'::regclass

-- name: open_relations
-- What a role may read already, by a grant to it, to a role that it is a member of, or to PUBLIC.
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
  AND c.relowner = (SELECT relowner FROM pg_class WHERE oid = 'documents'::regclass)
  AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'kb_others')
  AND (has_table_privilege(%(name)s, c.oid, 'SELECT') OR has_any_column_privilege(%(name)s, c.oid, 'SELECT'))
ORDER BY c.relname

-- name: create_role
CREATE ROLE {role} LOGIN PASSWORD {password}

-- name: create_readers
CREATE ROLE {readers} NOLOGIN

-- name: join
GRANT {readers} TO {role}

-- name: leave
REVOKE {readers} FROM {role}

-- name: drop_role
DROP ROLE {role}

-- name: set_path
ALTER ROLE {role} IN DATABASE {database} SET search_path = {schema}, {tables}

-- name: create_schema
CREATE SCHEMA IF NOT EXISTS {schema};
GRANT USAGE ON SCHEMA {schema}, {tables} TO {readers};

-- name: schema_exists
SELECT to_regnamespace({schema}) IS NOT NULL

-- name: is_protected
SELECT EXISTS (SELECT FROM pg_policy WHERE polrelid = {table}::regclass AND polname = 'kb_others')

-- name: protect
-- Nothing changes for other roles: what they were granted they see whole.
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY kb_others ON {table} USING (NOT pg_has_role({readers_name}, 'MEMBER'));

-- name: let_read_by_document
-- A subquery that is asked row by row: the nearest few are found before all documents could be looked through.
CREATE POLICY kb_readers ON {table} FOR SELECT TO {readers}
USING ((SELECT true FROM document_access a WHERE a.document_id = {table}.document_id));

-- name: grant
GRANT SELECT ON {table} TO {readers}

-- name: grant_ids
GRANT SELECT (document_id) ON document_access TO {readers}

-- name: withdraw
REVOKE ALL ON {table} FROM {readers}

-- name: role_policy
CREATE POLICY {policy} ON document_access FOR SELECT TO {role} USING (groups && {groups}::text[] AND {granted})

-- name: drop_policy
DROP POLICY IF EXISTS {policy} ON document_access

-- name: other_generations
SELECT id FROM generations WHERE state <> 'active'
