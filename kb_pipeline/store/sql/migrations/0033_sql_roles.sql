-- Roles of PostgreSQL that read with SQL what their groups may; see store.roles.

CREATE TABLE sql_roles (
    name         text PRIMARY KEY,
    groups       text[] NOT NULL,
    collections  text[],
    is_ours      boolean NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN sql_roles.collections IS 'Those that it may read; null: all.';
COMMENT ON COLUMN sql_roles.is_ours IS 'It was made by kb and goes with its access.';
