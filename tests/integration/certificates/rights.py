"""Who may read what, asked as that user."""

import json
import os
import subprocess
from pathlib import Path

import pytest

NOBODY = 65534

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


def may(user: int, *paths: Path) -> list[bool]:
    """Return for each path whether a user may read it (a folder: list it)."""
    program = (
        "import json, os, sys\n"
        "def may(path):\n"
        "    try: os.listdir(path) if os.path.isdir(path) else open(path).read()\n"
        "    except OSError: return False\n"
        "    return True\n"
        "print(json.dumps([may(path) for path in sys.argv[1:]]))"
    )
    asked = ["/usr/bin/python3", "-c", program, *map(str, paths)]  # not ours, whose folder may be nobody else's
    ran = subprocess.run(asked, user=user, group=user, extra_groups=[], capture_output=True, check=True)
    answers: list[bool] = json.loads(ran.stdout)
    return answers
