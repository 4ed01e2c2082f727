"""Real servers of files on this machine: SFTP (asyncssh), WebDAV (wsgidav) and SMB (Samba).

Each serves one folder to one user, as `SERVERS[kind](folder)`: a context with the URI of the folder, and for SFTP a
home folder whose known_hosts has the server's key.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "invented"
KINDS = ("sftp", "webdav", "smb")
NEEDED = {"sftp": ("sshfs", "asyncssh"), "webdav": ("webdav4", "wsgidav", "cheroot"), "smb": ("smbprotocol",)}


def skip_without(kind: str) -> None:
    """Skip the test where what it needs is not installed."""
    missing = [name for name in NEEDED[kind] if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed: pip install 'kb_pipeline[{kind}]' and the server")
    if kind == "smb" and shutil.which("smbd") is None:
        pytest.skip("smbd is not installed: apt-get install samba")


# A process of its own: the server's event loop ends with it, and with whatever is still connected.
SFTP_SERVER = """
import asyncio, asyncssh, sys

class Login(asyncssh.SSHServer):
    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return (username, password) == ("reader", sys.argv[1])

async def serve():
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(Login, "127.0.0.1", 0, server_host_keys=[key], sftp_factory=True)
    print(server.get_port(), key.export_public_key().decode().strip(), flush=True)
    await asyncio.Event().wait()

asyncio.run(serve())
"""


@contextmanager
def sftp_server(folder: Path) -> Iterator[tuple[str, Path]]:
    command = [sys.executable, "-c", SFTP_SERVER, PASSWORD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port, _, public = server.stdout.readline().strip().partition(" ")
        home = folder.parent / "home"
        (home / ".ssh").mkdir(parents=True)
        (home / ".ssh" / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}\n")
        yield f"sftp://reader@127.0.0.1:{port}{folder}", home
        server.kill()


@contextmanager
def webdav_server(folder: Path) -> Iterator[tuple[str, None]]:
    from cheroot import wsgi
    from wsgidav.wsgidav_app import WsgiDAVApp

    users = {"*": {"reader": {"password": PASSWORD}}}
    config = {
        "provider_mapping": {"/": str(folder.parent)},
        "simple_dc": {"user_mapping": users},
        "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
        "logging": {"enable": False},
        "verbose": 0,
    }
    server = wsgi.Server(("127.0.0.1", 0), WsgiDAVApp(config))
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    yield f"webdav://reader@127.0.0.1:{server.bind_addr[1]}/shared", None
    server.stop()
    thread.join()


@contextmanager
def smb_server(folder: Path) -> Iterator[tuple[str, None]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    state = folder.parent / "samba"
    state.mkdir()
    places = "\n".join(f"{name} directory = {state}" for name in ("private", "state", "cache", "lock", "pid"))
    config = state / "smb.conf"
    config.write_text(
        f"[global]\n{places}\nsmb ports = {port}\ninterfaces = lo\nbind interfaces only = yes\nlog file = {state}/log\n"
        f"server role = standalone server\npassdb backend = tdbsam\ndisable netbios = yes\n"
        f"[documents]\npath = {folder}\nread only = yes\n"
    )
    user = "root" if os.geteuid() == 0 else os.environ.get("USER", "reader")
    typed = f"{PASSWORD}\n{PASSWORD}\n"
    subprocess.run(["smbpasswd", "-c", str(config), "-a", "-s", user], input=typed, text=True, check=True)
    # In a session of its own: it ends by a signal to its whole process group.
    server = subprocess.Popen(["smbd", "--foreground", "--no-process-group", "-s", str(config)], start_new_session=True)
    while server.poll() is None:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                break
    yield f"smb://{user}@127.0.0.1:{port}/documents", None
    server.terminate()
    server.wait()


SERVERS: dict[str, Any] = {"sftp": sftp_server, "webdav": webdav_server, "smb": smb_server}
