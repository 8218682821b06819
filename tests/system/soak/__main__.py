"""The soak: one thing after the other fails while users act and clients ask, and after each all that must be true is looked at.

`scripts/soak` calls this inside a machine of its own. It prints the seed, each step, and a table at the end; the exit code is 1 when an
invariant broke.
"""

import argparse
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.system.host import SlowError
from tests.system.soak.actions import ACTIONS, Action, awaited
from tests.system.soak.faults import ALWAYS, FAULTS, Fault
from tests.system.soak.invariants import judged, settled
from tests.system.soak.world import PROJECTS, World, a_world, now

SETTLED_WITHIN = 90.0
MOST_TOLD = 20
LATEST = 6.0
"""Seconds from the beginning of a push to its end, about: until then a fault meets it."""
SECOND = 0.3
"""How often a second fault follows at once."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is done and what fails in one step, one fault after the other. *delay* is how many seconds after the actions the first comes."""

    actions: tuple[tuple[Action, str], ...]
    faults: tuple[Fault, ...]
    delay: float


@dataclass(frozen=True, slots=True)
class Survived:
    """One step that is over: what failed beside what, how long it took until all was well, how many requests failed."""

    fault: str
    beside: tuple[str, ...]
    detail: str
    seconds: float
    asked: int
    failed: int
    broken: tuple[str, ...]


def steps(chance: random.Random, chosen: Sequence[Fault], latest: float) -> Iterator[Step]:
    """Give steps without end: with the *chosen* faults in that order, else each comes before any comes again, and now and then none.

    A fault strikes *latest* seconds after the actions began, or sooner.
    """
    while True:
        faults: list[tuple[Fault, ...]] = [(fault,) for fault in chosen or FAULTS]
        if not chosen:
            faults += [(), ()]
            chance.shuffle(faults)
        for first in faults:
            # Now and then another one strikes before all is well again.
            fault = (*first, chance.choice(FAULTS)) if first and not chosen and chance.random() < SECOND else first
            projects = chance.sample(PROJECTS, chance.choice([0, 1, 1, 2] if fault else [1, 2]))
            actions = tuple((chance.choice(ACTIONS), project) for project in projects)
            yield Step(actions, fault, chance.uniform(0, latest))


def carried_out(world: World, step: Step) -> Survived:
    """Carry one step out and look at everything afterwards."""
    before = world.clients.news()
    world.ledger.write()
    begun = [action(world, project) for action, project in step.actions]
    time.sleep(step.delay if step.faults else 0)
    since = time.monotonic()
    struck = [fault(world) for fault in step.faults]
    ended = [awaited(one, bool(step.faults)) for one in begun]
    broken = [sentence for _, found, _ in ended for sentence in found]
    broken += settled(world, SETTLED_WITHIN)
    seconds = time.monotonic() - since
    if not broken:
        broken += [said for one, (code, _, _) in zip(begun, ended, strict=True) if (said := one.claim(code == 0))]
    over = now()
    outages = [replace(each, ended=over) if each.ended == ALWAYS else each for some in struck for each in some.outages]
    time.sleep(0.3)
    asked = [*before, *world.clients.news()]
    broken += judged(asked, outages, world.refused)
    beside = tuple(f"{one.what} ({code})" for one, (code, _, _) in zip(begun, ended, strict=True))
    name = " + ".join(fault.__name__.replace("_", "-") for fault in step.faults) or "nothing"
    detail = ", ".join(one.detail for one in struck if one.detail)
    failures = sum(one.status != 200 for one in asked)
    return Survived(name, beside, detail, seconds, len(asked), failures, tuple(broken))


def table(survived: list[Survived]) -> str:
    """Return what was survived, a line for each fault."""
    lines = [
        f"{'fault':<24} {'times':>5} {'median s':>8} {'most s':>7} {'asked':>7} {'failed':>7} {'broken':>7}  beside"
    ]
    for name in sorted({name for one in survived for name in one.fault.split(" + ")}):
        mine = [one for one in survived if name in one.fault.split(" + ")]
        times = sorted(one.seconds for one in mine)
        beside = sorted({what.rpartition(" (")[0] for one in mine for what in one.beside})
        lines.append(
            f"{name:<24} {len(mine):>5} {times[len(times) // 2]:>8.1f} {times[-1]:>7.1f} {sum(one.asked for one in mine):>7}"
            f" {sum(one.failed for one in mine):>7} {sum(bool(one.broken) for one in mine):>7}  {', '.join(beside)}"
        )
    return "\n".join(lines)


def told(text: str) -> None:
    """Print a line at once: whoever reads it may be waiting."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def faults_of(text: str) -> Sequence[Fault]:
    """Return the faults of these names."""
    known = {fault.__name__.replace("_", "-"): fault for fault in FAULTS}
    if unknown := set(text.split(",")) - known.keys():
        raise argparse.ArgumentTypeError(f"no such faults: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [known[name] for name in text.split(",")]


def asked() -> argparse.Namespace:
    """Return what the caller asks for."""
    words = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    words.add_argument("--minutes", type=float, default=30.0, help="how long (30)")
    words.add_argument("--steps", type=int, default=10**6, help="how many steps at most")
    words.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="of the sequence")
    words.add_argument(
        "--hold", type=float, default=30.0, help="seconds that a process is stopped or the disk full (30)"
    )
    words.add_argument("--faults", type=faults_of, default=(), help="these alone, in this order, with commas")
    words.add_argument("--go-on", action="store_true", help="do not stop at the first step that breaks something")
    words.add_argument("folder", type=Path)
    words.add_argument("images", type=Path)
    return words.parse_args()


def soaked(world: World, wanted: argparse.Namespace, survived: list[Survived]) -> None:
    """Carry out step after step, and add what became of each to *survived*."""
    ends = time.monotonic() + wanted.minutes * 60
    latest = min(LATEST, 1.5 * wanted.hold)
    for number, step in zip(
        range(1, wanted.steps + 1), steps(random.Random(wanted.seed), wanted.faults, latest), strict=False
    ):
        if time.monotonic() > ends:
            return
        one = carried_out(world, step)
        survived.append(one)
        beside = f" beside {', '.join(one.beside)}" if one.beside else ""
        detail = f" ({one.detail})" if one.detail else ""
        told(
            f"{number:>4} {one.fault}{detail}{beside}: {one.seconds:.1f} s, {one.failed} of {one.asked} requests failed"
        )
        for sentence in one.broken[:MOST_TOLD]:
            told(f"     BROKEN: {sentence}")
        if one.broken and not wanted.go_on:
            told(world.host.log())
            return


def main() -> int:
    """Run the soak."""
    wanted = asked()
    told(f"seed {wanted.seed}")
    survived: list[Survived] = []
    try:
        with a_world(wanted.folder, wanted.images, random.Random(wanted.seed), wanted.hold) as world:
            soaked(world, wanted, survived)
    except (SlowError, AssertionError, subprocess.SubprocessError) as error:
        told(f"     BROKEN: {error}")
        return 1
    finally:
        told(f"\n{table(survived)}\nseed {wanted.seed}")
    return any(one.broken for one in survived)


if __name__ == "__main__":
    sys.exit(main())
