"""Reads metrics as strictly as Prometheus' text format (0.0.4) is written down: what is not exactly that is an AssertionError."""

import re
from dataclasses import dataclass, field

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
SUFFIXES = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}

Series = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(slots=True)
class Family:
    """Metrics of one name. *samples* are in order."""

    kind: str
    samples: dict[Series, float] = field(default_factory=dict)


def read(text: str) -> dict[str, Family]:
    """Return families by name."""
    assert text.endswith("\n")
    families: dict[str, Family] = {}
    name = ""
    lines = iter(text.removesuffix("\n").split("\n"))
    for line in lines:
        if line.startswith("# HELP "):
            name, _, meaning = line.removeprefix("# HELP ").partition(" ")
            assert re.fullmatch(NAME, name)
            assert meaning
            assert name not in families, f"{name} comes twice"
            kind = next(lines).removeprefix(f"# TYPE {name} ")
            assert kind in SUFFIXES, kind
            assert (kind == "counter") == name.endswith("_total"), name
            families[name] = Family(kind)
            continue
        series, value = _sample(line)
        family = families[name]
        assert series[0].removeprefix(name) in SUFFIXES[family.kind], line
        assert series not in family.samples, f"{line} comes twice"
        family.samples[series] = value
    for each, family in families.items():
        if family.kind == "histogram":
            _check_histogram(each, family)
    return families


def counters(text: str) -> dict[Series, float]:
    """Return what must never fall: counters, and all of histograms."""
    return {
        series: value
        for family in read(text).values()
        if family.kind != "gauge"
        for series, value in family.samples.items()
    }


def _sample(line: str) -> tuple[Series, float]:
    match = SAMPLE.fullmatch(line)
    assert match is not None, line
    labels = LABEL.findall(match[2] or "")
    assert ",".join(f'{name}="{value}"' for name, value in labels) == (match[2] or ""), line
    assert len({name for name, _ in labels}) == len(labels), line
    value = float(match[3])
    assert value >= 0, line
    return (match[1], tuple(sorted(labels))), value


def _check_histogram(name: str, family: Family) -> None:
    """Buckets grow up to +Inf, which is the count; each series has its sum and its count."""
    by_labels: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    for (part, labels), value in family.samples.items():
        if part.endswith("_bucket"):
            bound = float(dict(labels)["le"])
            by_labels.setdefault(tuple(each for each in labels if each[0] != "le"), []).append((bound, value))
    for labels, buckets in by_labels.items():
        assert buckets == sorted(buckets), name
        assert [count for _, count in buckets] == sorted(count for _, count in buckets), name
        assert buckets[-1] == (float("inf"), family.samples[f"{name}_count", labels])
        assert (f"{name}_sum", labels) in family.samples
    assert len(family.samples) == sum(len(buckets) + 2 for buckets in by_labels.values()), name
