"""A program that saves a certificate again and again, each time in a folder of its own, and each time dies one step later.

`python -m tests.integration.certificates.mortal_store FOLDER`: FOLDER has chain.pem and key.pem, and gets `1`, `2`, ..., each a copy of
`before`. In the n-th a child saves the pair and kills itself (SIGKILL) right before its n-th act on a file there: opening, making,
renaming, removing, changing rights. It ends when a child lived to the end.
"""

import asyncio
import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

from hostess.adapters.certificates_files import FileCertificates
from hostess.adapters.clock_system import SystemClock
from hostess.domain.certificate import Source

ACTS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.chown", "shutil.rmtree"})


def die_at(step: int, folder: Path) -> None:
    """Make this process die right before its *step*-th act below *folder*."""
    acts = itertools.count(1)

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if event in ACTS and str(folder) in str(arguments[0]) and next(acts) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)


def main(folder: Path) -> None:
    """Try every step."""
    chain, key = ((folder / name).read_text() for name in ("chain.pem", "key.pem"))
    for step in itertools.count(1):
        own = folder / str(step)
        shutil.copytree(folder / "before", own)
        child = os.fork()
        if not child:
            die_at(step, own)
            asyncio.run(FileCertificates(own, SystemClock()).save(chain, key, Source.IMPORTED))
            os._exit(0)
        _, ended = os.waitpid(child, 0)
        if not os.WIFSIGNALED(ended):
            sys.exit(os.waitstatus_to_exitcode(ended))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
