"""Arguments of questions on the control socket, checked."""

from collections.abc import Iterable, Mapping, Sequence

from hostess_proxy.control import wire


def targets(question: wire.Message) -> list[str]:
    """Return the targets that a question names."""
    found = question.get("targets")
    if not isinstance(found, list) or not all(isinstance(target, str) for target in found):
        raise wire.RemoteError("invalid-question", "expected a list of targets", "targets")
    return found


def seconds(question: wire.Message, name: str, default: float) -> float:
    """Return a number of seconds."""
    value = question.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise wire.RemoteError("invalid-question", "expected seconds", name)
    return float(value)


def count(question: wire.Message, name: str, most: int) -> int:
    """Return a number of things, at least one."""
    value = question.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
        raise wire.RemoteError("invalid-question", f"expected a number from 1 to {most}", name)
    return value


def sums(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sums of several answers' counts, by name."""
    total: dict[str, int] = {}
    for each in counts:
        for name, number in each.items():
            total[name] = total.get(name, 0) + number
    return total


def loads(answers: Iterable[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    """Return the sums of what several workers tell of each target: in flight, begun, seconds."""
    total: dict[str, list[float]] = {}
    for each in answers:
        for target, numbers in each.items():
            before = total.get(target)
            total[target] = [a + b for a, b in zip(before, numbers, strict=True)] if before else list(numbers)
    return total
