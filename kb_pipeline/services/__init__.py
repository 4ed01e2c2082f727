"""The local processes that a KB_HOME owns: the embedded PostgreSQL and the CPU embedding server."""
