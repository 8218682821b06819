"""A recovery that dies on purpose: kill -9 of `hostess host recover` at one moment. `python -m tests.system.mortal_recovery host ...`.

MORTAL_AT names the moment: "before" or "after" a step (put, rebuilt, repair, swap, bring_back), or "in put": no state is there then.
"""

from hostess.adapters import host_laydown
from hostess.adapters.recovery_file import RecoveryFile
from hostess.cli.main import main
from hostess.domain.host_bundle import Recovery
from hostess.services.backups.restore_postgres import PostgresRestore
from hostess.services.backups.restores import Restores
from hostess.services.deploying.rebuilding import Rebuilding
from hostess.services.keeping.repairs import Repairs
from tests.system.dying import die, watch


def put(*arguments: object) -> None:
    """Put a bundle in place, with two moments to die at."""
    die("before put")
    put_in_place(*arguments)  # type: ignore[arg-type]
    die("after put")


def write(file: RecoveryFile, recovery: Recovery) -> None:
    """Write how far it has come; the first time all but the journal has its place."""
    write_down(file, recovery)
    die("in put")


put_in_place, write_down = host_laydown.put_in_place, RecoveryFile.write

if __name__ == "__main__":
    setattr(host_laydown, "put_in_place", put)  # noqa: B010 -- a function of a module that is not the test's
    setattr(RecoveryFile, "write", write)  # noqa: B010 -- the same
    for kind, name in (
        (Rebuilding, "rebuilt"),
        (Repairs, "repair"),
        (PostgresRestore, "swap"),
        (Restores, "bring_back"),
    ):
        watch(kind, name, name)
    main()
