"""What the embedded PostgreSQL is told: how much memory it takes, and what it may log."""

from __future__ import annotations

import os
from pathlib import Path

# What is logged never holds a row's text: no statements, no parameters, no details, and no errors, whose
# first line may quote a value; the client gets those.
LOGGING = {
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


def tunable_settings(memory_bytes: int) -> dict[str, str]:
    """What postgresql.conf of a new cluster holds; its owner may change it there."""
    megabytes = memory_bytes >> 20
    return {
        "max_connections": "100",
        "shared_buffers": f"{min(8192, max(128, megabytes // 4))}MB",
        "effective_cache_size": f"{max(256, megabytes // 2)}MB",
        "maintenance_work_mem": f"{min(1024, max(64, megabytes // 16))}MB",
        "work_mem": "16MB",
        "max_wal_size": "4GB",
        "random_page_cost": "1.1",
        "huge_pages": "off",
        "jit": "off",
    }


def memory_bytes() -> int:
    """Memory of this machine, or of its container when that is limited."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no such controller, or "max"
        return machine
