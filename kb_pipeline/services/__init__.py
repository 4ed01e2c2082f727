"""The local processes that a KB_HOME owns: the embedded PostgreSQL, the CPU embedding server, and SGLang."""
