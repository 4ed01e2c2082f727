"""What a parser process may not do, enforced by the kernel once it is confined.

It sees of the caller's environment only what programs need to run, never its secrets; it gains no rights by
starting programs; it writes no file larger than a document may unpack to; and it has no network: a filter of its
system calls (seccomp) refuses every socket that is not local. All of it holds for the programs it starts.
Memory and CPU time are limited in `worker` and `clock`.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import subprocess
import sys
from collections.abc import Mapping

ALLOWED_VARIABLES = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "PYTHONPATH", "PYTHONUTF8", "VIRTUAL_ENV"}
    | {"LD_LIBRARY_PATH", "SSL_CERT_FILE", "XDG_CACHE_HOME", "FONTCONFIG_PATH", "FONTCONFIG_FILE", "TESSDATA_PREFIX"}
    # Where models of readers lie; nothing is fetched.
    | {"HF_HOME", "HF_HUB_CACHE", "DOCLING_ARTIFACTS_PATH", "UNSTRUCTURED_DEFAULT_MODEL_NAME"}
)
_ALLOWED_PREFIXES = ("LC_",)

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 13  # EACCES, as without the right to it
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16  # in struct seccomp_data
_AF_UNIX = 1
_IO_URING_SETUP = 425  # could open sockets past the filter
_X32_CALLS = 0x40000000
# Machine -> (its AUDIT_ARCH, the number of socket(2)).
_MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def allowed_environment(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name in ALLOWED_VARIABLES or name.startswith(_ALLOWED_PREFIXES)
    }


def confine(*, file_mb: int) -> bool:
    """Confine this process for good; whether the kernel took the network from it. `file_mb`: of one file, in MiB."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_mb << 20, file_mb << 20))
    system = ctypes.CDLL(None, use_errno=True)
    system.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    code = _socket_filter(platform.machine())
    if code is None:
        return False
    program = _Program(len(code) // 8, code)
    return bool(system.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def can_close_network() -> bool:
    """Whether the kernel of this machine takes the network from a parser process; tried in a process of its own."""
    code = "import sys; from kb_pipeline.parsing.confinement import confine; sys.exit(not confine(file_mb=1))"
    return subprocess.run([sys.executable, "-c", code], check=False, env=_own_path()).returncode == 0


def _own_path() -> dict[str, str]:
    return {**allowed_environment(os.environ), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _socket_filter(machine: str) -> bytes | None:
    """A BPF program that refuses all but local sockets; None for a machine that it is not written for."""
    if machine not in _MACHINES:
        return None
    architecture, socket_call = _MACHINES[machine]
    refuse = 8  # the index of the instruction that refuses; jumps count from the one behind them
    return b"".join(
        (
            _instruction(_LOAD, _ARCHITECTURE_AT),
            _instruction(_EQUAL, architecture, otherwise=refuse - 2),
            _instruction(_LOAD, _NUMBER_AT),
            _instruction(_AT_LEAST, _X32_CALLS, then=refuse - 4),
            _instruction(_EQUAL, _IO_URING_SETUP, then=refuse - 5),
            _instruction(_EQUAL, socket_call, otherwise=refuse - 5),
            _instruction(_LOAD, _FIRST_ARGUMENT_AT),
            _instruction(_EQUAL, _AF_UNIX, then=1),
            _instruction(_RETURN, _REFUSE),
            _instruction(_RETURN, _ALLOW),
        )
    )


def _instruction(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, otherwise, value)
