"""Schedules as hostess.yml writes them: a preset's name or five cron fields, in UTC."""

import re

from hostess.domain.hostess_yml.mistakes import WrongValue, quoted

_CRON_RANGES = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 6))
_CRON_ITEM = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?", re.ASCII)


def schedule(text: str, presets: tuple[str, ...]) -> str:
    """Return a schedule that is one of *presets* or five valid cron fields, single-spaced; WrongValue otherwise."""
    if text in presets:
        return text
    fields = text.split()
    if len(fields) != len(_CRON_RANGES):
        hint = f'use {", ".join(presets)} or five cron fields such as "0 2 * * *"'
        raise WrongValue(f"{quoted(text)} is not a schedule", hint)
    for words, (name, low, high) in zip(fields, _CRON_RANGES, strict=True):
        if not all(_cron_item_fits(item, low, high) for item in words.split(",")):
            raise WrongValue(f"{quoted(words)} is not a cron {name}", f"{low}-{high}, with *, lists, ranges and steps")
    return " ".join(fields)


def _cron_item_fits(item: str, low: int, high: int) -> bool:
    found = _CRON_ITEM.fullmatch(item)
    if found is None:
        return False
    first, last, step = found.groups()
    numbers = [int(number) for number in (first, last) if number is not None]
    within = all(low <= number <= high for number in numbers) and numbers == sorted(numbers)
    return within and step not in {"0", "00"}
