"""A setup that dies on purpose: it does some steps, as many as MORTAL_AT says, and kills itself with -9.

`python -m tests.system.mortal_setup setup ...`
"""

from itertools import count

from hostess.adapters.installation.changing import Host
from hostess.cli.main import main
from hostess.domain.installation.plan import Step
from tests.system.dying import die


def do(host: Host, step: Step) -> None:
    """Do a step, and die after the last one."""
    done(host, step)
    die(str(next(numbers)))


done, numbers = Host.do, count(1)

if __name__ == "__main__":
    setattr(Host, "do", do)  # noqa: B010 -- a method of a class that is not the test's
    main()
