"""Moments at which a program kills itself with -9: MORTAL_AT names one, "before" or "after" a step, or any that the program has."""

import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

AT = os.environ.get("MORTAL_AT", "")
Step = Callable[..., Awaitable[Any]]


def die(moment: str) -> None:
    """Die, if this is the moment."""
    if moment == AT:
        os.kill(os.getpid(), signal.SIGKILL)


def watched(name: str, step: Step) -> Step:
    """Return the step with two moments to die at."""

    async def wrapped(*args: object, **named: object) -> object:
        die(f"before {name}")
        result = await step(*args, **named)
        die(f"after {name}")
        return result

    return wrapped


def watch(kind: type, method: str, name: str) -> None:
    """Give a method the two moments."""
    setattr(kind, method, watched(name, getattr(kind, method)))
