"""What each release has answered so far: for whoever compares a canary with the release beside it."""

from hostess_proxy.telemetry.counting import BUCKETS, Numbers


def answers(by_names: Numbers) -> list[dict[str, object]]:
    """Return for each key of names how many requests, how many answers 5xx, and how many requests within each of the bounds of seconds.

    *within* has one number more than there are *bounds*: those that took longer.
    """
    found = []
    for names, numbers in by_names.items():
        requests: dict[str, int] = numbers.get("requests", {})
        within = [0] * (len(BUCKETS) + 1)
        for histogram in numbers.get("seconds", {}).values():
            within = [a + int(b) for a, b in zip(within, histogram[: len(within)], strict=True)]
        errors = sum(count for both, count in requests.items() if both.endswith(" 5xx"))
        found.append({"names": names, "count": sum(requests.values()), "errors": errors, "within": within})
    return found
