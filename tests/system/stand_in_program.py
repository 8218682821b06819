#!/usr/bin/python3
"""Stands in for `hostess` where the units are tried: it does with systemd what daemon and proxy do, and tells what it may.

Runs inside a container with Debian's Python and nothing else.
"""

import json
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

DATA = Path("/var/lib/hostess")
CERTIFICATE = DATA / "certs" / "shop.example.org-0123456789abcdef" / "key.pem"
AUTHORITY = DATA / "certs" / "internal" / "authority.pem"


def daemon() -> None:
    """Write keys as the daemon does, tell systemd that all is ready, and wait."""
    for key in (DATA / "key", CERTIFICATE, AUTHORITY):
        key.parent.mkdir(mode=0o700, exist_ok=True)
        key.touch(mode=0o600)
        key.write_text("secret", encoding="utf-8")
    shutil.chown(CERTIFICATE, "hostess-proxy", "hostess-proxy")
    shutil.chown(CERTIFICATE.parent, "root", "hostess-proxy")
    CERTIFICATE.parent.chmod(0o750)
    say_ready()
    signal.pause()


def say_ready() -> None:
    """Tell systemd that all is ready."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier:
        notifier.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
        notifier.send(b"READY=1")


def may(act: str, path: Path) -> bool:
    """Whether this process may read or write there."""
    try:
        if act == "read":
            path.read_bytes()
        else:
            path.write_text("", encoding="utf-8")
    except OSError:
        return False
    return True


def proxy() -> None:
    """Answer each connection on the socket that systemd holds with what this process is and may."""
    names = os.environ["LISTEN_FDNAMES"].split(":")  # in the order in which systemd began to hold them: any
    facts = {
        "pid": os.getpid(),
        "uid": os.getuid(),
        "names": sorted(names),
        "reads_key": may("read", DATA / "key"),
        "reads_certificate": may("read", CERTIFICATE),
        "writes_certificate": may("write", CERTIFICATE),
        "reads_authority": may("read", AUTHORITY),
        "writes_run": may("write", DATA / "run" / "proxy.json"),
        "writes_table": may("write", DATA / "proxy" / "table.json"),
        "writes_log": may("write", DATA / "logs" / "access.log"),
        "writes_data": may("write", DATA / "hostess.db"),
    }
    body = json.dumps(facts).encode()
    listener = socket.socket(fileno=3 + names.index("http"))
    say_ready()
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


{"daemon": daemon, "proxy": proxy}[sys.argv[1]]()
