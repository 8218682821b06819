"""Run a program where there is the user hostess and its program: `python -m tests.system.with_login_user PROGRAM ...`.

LOGIN_USER names a folder with `passwd`, `group` and `shadow`, which are seen in place of those of /etc, and `mnt`, which is seen as /mnt:
sshd wants the way to a command that it starts to be root's alone, which a folder for temporary files is not. Nobody else sees any of
this (mount_namespaces(7)).
"""

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWNS = 0x00020000
MS_BIND = 4096
MS_REC_PRIVATE = 16384 | (1 << 18)


def main() -> None:
    """Become the program."""
    folder = os.fsencode(os.environ["LOGIN_USER"])
    library = ctypes.CDLL(None, use_errno=True)
    must(library.unshare(CLONE_NEWNS), "unshare")
    must(library.mount(b"none", b"/", None, MS_REC_PRIVATE, None), "mount --make-rprivate /")
    for name, seen in (
        (b"passwd", b"/etc/passwd"),
        (b"group", b"/etc/group"),
        (b"shadow", b"/etc/shadow"),
        (b"mnt", b"/mnt"),
    ):
        must(library.mount(folder + b"/" + name, seen, None, MS_BIND, None), f"mount {seen.decode()}")
    os.execvp(sys.argv[1], sys.argv[1:])


def must(result: int, what: str) -> None:
    """Raise OSError when a call of the C library failed."""
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def prepare(folder: Path, launcher: str, hooks: Path) -> None:
    """Fill *folder*: a user as systemd-sysusers makes it, in no other group, and the hooks' program with Debian's own Python."""
    (folder / "passwd").write_text(Path("/etc/passwd").read_text() + "hostess:x:64321:64321::/:/bin/sh\n")
    (folder / "group").write_text(Path("/etc/group").read_text() + "hostess:x:64321:\n")
    (folder / "shadow").write_text("root:*:19000::::::\nsshd:!:19000::::::\nhostess:!*:19000::::::\n")
    package = folder / "mnt" / "hostess_hooks"
    package.mkdir(parents=True)
    for path in hooks.glob("*.py"):
        (package / path.name).write_bytes(path.read_bytes())
    program = folder / "mnt" / "hostess-ssh"
    program.write_text(launcher)
    program.chmod(0o755)


if __name__ == "__main__":
    main()
