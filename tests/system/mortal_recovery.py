"""A recovery that dies on purpose: kill -9 of `hostess host recover` at one moment. `python -m tests.system.mortal_recovery host ...`.

MORTAL_AT names the moment: "before" or "after" a step (put, rebuilt, repair, swap, bring_back).
"""

from hostess.adapters import host_laydown
from hostess.cli.main import main
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


put_in_place = host_laydown.put_in_place

if __name__ == "__main__":
    setattr(host_laydown, "put_in_place", put)  # noqa: B010 -- a function of a module that is not the test's
    for kind, name in (
        (Rebuilding, "rebuilt"),
        (Repairs, "repair"),
        (PostgresRestore, "swap"),
        (Restores, "bring_back"),
    ):
        watch(kind, name, name)
    main()
