"""A repository with a working copy, from which tests push."""

import os
import subprocess
from pathlib import Path

from hostess.domain.ports import TreeLimits

LIMITS = TreeLimits()


class Source:
    """A working copy whose commits go straight into the project "shop", past any hook."""

    def __init__(self, folder: Path, target: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.target = target
        self.git("init", "-q", "-b", "main")
        for key, value in (("user.name", "a"), ("user.email", "a@example.org"), ("core.protectNTFS", "false")):
            self.git("config", key, value)

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run git here."""
        environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=environment, input=stdin, capture_output=True, check=True
        )
        return done.stdout.decode(errors="surrogateescape").strip()

    def commit(self, files: dict[str, str | bytes] | None = None, message: str = "m", *, loose: bool = True) -> str:
        """Commit files (a text that begins with "-> " is a symlink) and send the objects; return the commit's id."""
        for name, content in (files or {}).items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            if isinstance(content, str) and content.startswith("-> "):
                path.symlink_to(content[3:])
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.send(self.git("rev-parse", "HEAD"), loose=loose)

    def forged(self, *entries: str) -> str:
        """Commit a tree of raw entries ("mode type id<TAB>path"), which git would not add; return the commit's id."""
        tree = self.git("mktree", "-z", "--missing", stdin="\0".join(entries).encode())
        return self.send(self.git("commit-tree", "-m", "forged", tree))

    def send(self, commit: str, *, loose: bool = True) -> str:
        """Copy an object, and all that it needs, to the project, as loose objects or as a pack."""
        pack = subprocess.run(
            ["git", "pack-objects", "--revs", "--stdout", "-q"],
            cwd=self.folder,
            input=commit.encode(),
            capture_output=True,
            check=True,
        )
        subprocess.run(
            ["git", "unpack-objects", "-q"] if loose else ["git", "index-pack", "--stdin"],
            cwd=self.target,
            input=pack.stdout,
            check=True,
        )
        return commit
