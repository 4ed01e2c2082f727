"""Readers that hand a file to another library. Each is an extra; `exchange` says how a site chooses one."""
