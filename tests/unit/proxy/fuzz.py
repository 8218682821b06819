"""Fuzz both sides of the proxy, guided by what the bytes make it do. Needs atheris, which the test suite does without.

    python -m tests.unit.proxy.fuzz requests FOLDER -max_total_time=600
    python -m tests.unit.proxy.fuzz responses FOLDER -runs=100000

FOLDER begins with the corpus and keeps what was found; what shows a fault belongs into tests/corpus/http1, with its expected fate.
"""

import hashlib
import sys
from itertools import pairwise
from pathlib import Path

from tests.integration.proxy.corpus import request_cases, response_cases

_CUTS = 4


def _pieces(data: bytes) -> list[bytes]:
    """Take the first bytes for the places at which the rest is cut."""
    message = data[_CUTS:]
    marks = sorted({0, len(message), *(mark for mark in data[:_CUTS] if mark < len(message))})
    return [message[start:end] for start, end in pairwise(marks)]


def main() -> None:
    """Fuzz until libFuzzer's limits are reached; a fault ends the program, with its bytes on disk."""
    import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]  # noqa: PLC0415 -- everything of the proxy has to be loaded under its eyes

    with atheris.instrument_imports(include=["hostess_proxy"]):
        from tests.unit.proxy.fuzzing import check_request, check_response  # noqa: PLC0415 -- the same

    side, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    seeds = (
        [case.sent for case in request_cases().values()]
        if side == "requests"
        else [case.said for case in response_cases().values()]
    )
    for seed in seeds:
        (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(bytes(_CUTS) + seed)

    def once(data: bytes) -> None:
        if side == "requests":
            check_request(_pieces(data))
        else:
            check_response(_pieces(data), b"GET")

    atheris.Setup([sys.argv[0], str(folder), "-max_len=4096", *sys.argv[3:]], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
