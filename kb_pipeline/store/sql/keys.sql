-- name: insert
INSERT INTO api_keys (id, digest, name, groups, collections, rights, expires_at)
VALUES (%(id)s, %(digest)s, %(name)s, %(groups)s, %(collections)s, %(rights)s,
        now() + make_interval(secs => %(seconds)s))
RETURNING id, digest, name, groups, collections, rights, created_at, expires_at, revoked_at, last_used_at

-- name: all
SELECT id, digest, name, groups, collections, rights, created_at, expires_at, revoked_at, last_used_at
FROM api_keys ORDER BY created_at, id

-- name: exist
SELECT EXISTS (SELECT FROM api_keys)

-- name: revoke
UPDATE api_keys SET revoked_at = now()
WHERE (id = %(key)s OR name = %(key)s) AND revoked_at IS NULL
RETURNING id

-- name: used
-- Several servers may write of one key: only the first one within a minute does.
UPDATE api_keys SET last_used_at = now()
WHERE id = %(id)s AND (last_used_at IS NULL OR last_used_at < now() - make_interval(secs => %(seconds)s))
