"""A program that does one thing to certificates again and again, each time in a folder of its own, and each time dies one step later.

`python -m tests.integration.certificates.mortal_store ACT FOLDER`: FOLDER gets `1`, `2`, ..., each a copy of `before`. In the n-th a
child does the act and kills itself (SIGKILL) right before its n-th step on a file there: opening, making, renaming, removing, changing
rights. It ends when a child lived to the end. Acts: `save` keeps chain.pem and key.pem of FOLDER, `remove` removes all certificates,
`root` has a root made.
"""

import asyncio
import itertools
import os
import shutil
import signal
import sys
from pathlib import Path

from hostess.adapters.certificates.authority_internal import FileAuthority
from hostess.adapters.certificates.store import FileCertificates
from hostess.adapters.clock_system import SystemClock
from hostess.domain.certificates.certificate import Source

STEPS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.chown", "shutil.rmtree"})


def die_at(step: int, folder: Path) -> None:
    """Make this process die right before its *step*-th step below *folder*."""
    steps = itertools.count(1)

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if event in STEPS and str(folder) in str(arguments[0]) and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hear)


async def do(act: str, folder: Path, given: Path) -> None:
    """Do it."""
    store = FileCertificates(folder, SystemClock())
    if act == "save":
        chain, key = ((given / name).read_text() for name in ("chain.pem", "key.pem"))
        await store.save(chain, key, Source.IMPORTED)
    elif act == "remove":
        for certificate in await store.all():
            await store.remove(certificate)
    else:
        await FileAuthority(folder / "internal", SystemClock(), ["example.org"]).root()


def main(act: str, folder: Path) -> None:
    """Try every step."""
    for step in itertools.count(1):
        own = folder / str(step)
        shutil.copytree(folder / "before", own)
        child = os.fork()
        if not child:
            die_at(step, own)
            asyncio.run(do(act, own, folder))
            os._exit(0)
        _, ended = os.waitpid(child, 0)
        if not os.WIFSIGNALED(ended):
            sys.exit(os.waitstatus_to_exitcode(ended))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
