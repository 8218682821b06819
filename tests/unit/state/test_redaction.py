"""The redactor: no known value leaves in any of the forms in which programs pass it on."""

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostess.domain.ports import Redactor
from hostess.domain.redaction import HIDDEN, SecretRedactor, forms

VALUE = 'p@ss w/rd"1\\2é???'


def knowing(*values: str) -> Redactor:
    """Return a redactor that knows these values."""
    redactor = SecretRedactor()
    redactor.learn(values)
    return redactor


def test_text_without_secrets_stays() -> None:
    """Text without a known value is returned as it is, also when nothing is known yet."""
    assert knowing().hide("nothing here") == "nothing here"
    assert knowing(VALUE).hide("nothing here") == "nothing here"
    assert knowing(VALUE).hide("") == ""


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        quote(VALUE),
        quote(VALUE, safe=""),
        quote_plus(VALUE),
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
        base64.b64encode(VALUE.encode()).decode(),
        base64.urlsafe_b64encode(VALUE.encode()).decode().rstrip("="),
    ],
)
def test_every_form_is_hidden(form: str) -> None:
    """A value is hidden plain, quoted for URLs and JSON, and in base64."""
    hidden = knowing(VALUE).hide(f"url=x://u:{form}@host {form}")

    assert "[hidden]" in hidden
    assert form not in hidden
    assert hidden.startswith("url=x://u:[hidden]")


@given(before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_a_value_inside_base64_is_hidden(before: bytes, after: bytes) -> None:
    """A value is hidden where it is only a part of what was put into base64, as in an Authorization header."""
    text = base64.b64encode(before + b"hunter2!hunter2!" + after).decode()

    hidden = knowing("hunter2!hunter2!").hide(f"Authorization: Basic {text}")

    assert "[hidden]" in hidden
    assert len(hidden.replace("[hidden]", "")) <= len("Authorization: Basic ") + 4 * 8


@given(st.lists(st.text(min_size=6, max_size=20), max_size=5), st.text(max_size=20), st.text(max_size=20))
def test_no_known_value_is_left(values: list[str], before: str, after: str) -> None:
    """Whatever the values and the text around them, what stood for a value is gone."""
    redactor = knowing(*values)

    for value in values:
        assert value not in redactor.hide(f"{before}{value}{after}").replace("[hidden]", "")


def test_the_longest_value_wins() -> None:
    """Of two values that begin alike the longer one is hidden whole."""
    assert knowing("secret", "secret-and-more").hide("a secret-and-more b") == "a [hidden] b"


@given(st.lists(st.text("ab", min_size=6, max_size=9), max_size=5), st.text("ab", max_size=40))
def test_what_is_hidden_is_the_first_and_the_longest(values: list[str], text: str) -> None:
    """From left to right the longest form that stands at a place is hidden, and what is left of the text stays."""
    known = sorted({form for value in values for form in forms(value)}, key=len, reverse=True)
    pattern = "|".join(map(re.escape, known)) or "(?!)"

    assert knowing(*values).hide(text) == re.sub(pattern, HIDDEN, text)


def test_many_values_and_lines_that_begin_as_they_do() -> None:
    """However many values are known, one more is soon learnt, and a line of their beginnings soon read.

    The limit on tests ends what takes for ever.
    """
    values = [f"{number:06}-a-value-of-somebody" for number in range(5_000)]
    redactor = knowing(*values)
    for number in range(20):
        redactor.learn([f"one-more-{number}"])
    text = "".join(value[:8] for value in values)

    for _ in range(20):
        assert redactor.hide(text) == text


def test_short_values_are_left_out() -> None:
    """A value shorter than 6 characters would hide half of every line, and is not hidden."""
    assert knowing("12345", "").hide("12345 ok") == "12345 ok"


def test_lines_of_a_value_are_hidden_one_by_one() -> None:
    """A value of several lines is hidden in a log that comes line by line, indented or not."""
    redactor = knowing("-----BEGIN KEY-----\nMIIEvQIBADANBg\n  kqhkiG9w0BAQ\n")

    assert redactor.hide("  MIIEvQIBADANBg") == "  [hidden]"
    assert redactor.hide("kqhkiG9w0BAQ") == "[hidden]"


def test_what_was_learnt_stays_known() -> None:
    """Learning more forgets nothing."""
    redactor = knowing("first-value")
    redactor.learn(["second-value"])
    redactor.learn(["second-value"])

    assert redactor.hide("first-value second-value") == "[hidden] [hidden]"


def test_threads_may_learn_at_once() -> None:
    """Values learnt in several threads at once are all known afterwards."""
    redactor = SecretRedactor()
    values = [f"value-number-{number}" for number in range(100)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda value: redactor.learn([value]), values))

    assert all(redactor.hide(value) == "[hidden]" for value in values)
