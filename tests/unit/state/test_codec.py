"""The codec: what the journal keeps can be read back, by a somewhat older or newer version, too."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.domain.codec import CodecError, from_json, to_json
from hostess.domain.hostess_yml.stack import Health, Hook, OnFailure, ServiceType
from hostess.domain.releases.release import Deployment, Kind, Release, State, Workload

TEXT = st.text(max_size=12)
WORDS = st.lists(TEXT, max_size=3).map(tuple)
MOMENTS = st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- hypothesis wants naive bounds
DURATIONS = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=366))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
HOOKS = st.builds(Hook, command=WORDS, timeout=DURATIONS, on_failure=st.sampled_from(OnFailure))
HEALTHS = st.builds(Health, http=st.none() | TEXT, command=WORDS, interval=DURATIONS, timeout=DURATIONS)
WORKLOADS = st.builds(
    Workload,
    name=TEXT,
    type=st.sampled_from(ServiceType),
    image=TEXT,
    spec=TEXT,
    sealed_env=TEXT,
    replicas=st.integers(0, 99),
    cpu=st.floats(0, 64),
    memory=st.integers(0, 2**50),
    singleton=st.booleans(),
    command=st.none() | WORDS,
    entrypoint=st.none() | WORDS,
    ports=st.lists(st.integers(1, 65535), max_size=3).map(tuple),
    hosts=st.dictionaries(st.integers(1, 65535), WORDS, max_size=3),
    health=st.none() | HEALTHS,
    volumes=st.dictionaries(TEXT, TEXT, max_size=2),
    depends_on=WORDS,
    migrate=st.none() | HOOKS,
    init=st.none() | HOOKS,
)
RELEASES = st.builds(
    Release,
    project=TEXT,
    environment=TEXT,
    number=st.integers(1),
    commit=TEXT,
    created_at=MOMENTS,
    workloads=st.dictionaries(TEXT, WORKLOADS, max_size=2),
    file=TEXT,
)
DEPLOYMENTS = st.builds(
    Deployment,
    id=TEXT,
    project=TEXT,
    environment=TEXT,
    kind=st.sampled_from(Kind),
    state=st.sampled_from(State),
    commit=TEXT,
    ref=TEXT,
    previous=TEXT,
    actor=TEXT,
    created_at=MOMENTS,
    release=st.none() | st.integers(1),
    problem=st.none() | st.dictionaries(TEXT, PLAIN, max_size=3),
    finished_at=st.none() | MOMENTS,
    seconds=st.dictionaries(TEXT, st.floats(0, 1e6), max_size=3),
    cancel=st.booleans(),
)


class Colour(StrEnum):
    """An enumeration for these tests."""

    RED = "red"


@dataclass(frozen=True, slots=True)
class Inner:
    """A value inside another."""

    number: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One field of each kind that can go wrong."""

    number: int
    colour: Colour = Colour.RED
    parts: tuple[int, ...] = ()
    table: Mapping[int, Inner | None] | None = None


def through_text(value: object) -> object:
    """Return the value as JSON text makes it."""
    return json.loads(json.dumps(to_json(value), allow_nan=False))


@given(RELEASES)
def test_releases_survive(release: Release) -> None:
    """A release that is written as JSON text and read back is the same release."""
    assert from_json(Release, through_text(release)) == release


@given(DEPLOYMENTS)
def test_deployments_survive(deployment: Deployment) -> None:
    """A deployment that is written as JSON text and read back is the same deployment."""
    assert from_json(Deployment, through_text(deployment)) == deployment


def test_unknown_keys_are_passed_over() -> None:
    """A record of a newer version, with fields nobody here knows, is read without them."""
    assert from_json(Sample, {"number": 1, "shade": "dark"}) == Sample(1)


def test_absent_keys_take_defaults() -> None:
    """A record of an older version, without a field added since, is read with its default."""
    assert from_json(Sample, {"number": 1}) == Sample(1, Colour.RED, (), None)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "Sample without number"),
        ([], "an object is expected, not list"),
        ({"number": "1"}, "number: str is not expected here"),
        ({"number": True}, "number: bool is not expected here"),
        ({"number": 1, "colour": "blue"}, "colour: 'blue' is not a valid Colour"),
        ({"number": 1, "parts": [1, "x"]}, "parts.[1]: str is not expected here"),
        ({"number": 1, "parts": "12"}, "parts: a list is expected, not str"),
        ({"number": 1, "table": {"2": {"number": None}}}, "table.2.number: NoneType is not expected here"),
        ({"number": 1, "table": {"two": None}}, "table.two: invalid literal for int() with base 10: 'two'"),
    ],
)
def test_misfits_are_named(data: object, message: str) -> None:
    """A record that does not fit is refused with the path to the fault."""
    with pytest.raises(CodecError) as caught:
        from_json(Sample, data)

    assert str(caught.value) == message


def test_what_has_no_json_form_is_refused() -> None:
    """A value without a JSON form is a mistake of ours, and not written as something else."""
    with pytest.raises(TypeError, match="set has no JSON form"):
        to_json({"a": {1, 2}})


@pytest.mark.parametrize("kind", [int | str, tuple[int, str], set[int], bytes])
def test_unsupported_annotations_are_refused(kind: type) -> None:
    """A field whose annotation cannot be read from JSON is refused, whatever the record says."""
    with pytest.raises(TypeError, match="can"):
        from_json(kind, None)
