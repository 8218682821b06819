"""Every operation is tried with what its description allows, and with what it does not: schemathesis, against a whole daemon."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from hostess.doors.api.app import OPERATIONS
from hostess.doors.api.operation import Operation
from hostess.doors.api.problems import STATUSES
from hostess.doors.api.uploads import MEDIA
from tests.archives import tree
from tests.integration.api.stage import FILE, Stage

EXAMPLES = 4
"""Requests per operation and kind of data."""
WITHIN = 25.0
ALWAYS: list[Any] = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
THERE = {"project": "shop", "environment": "production", "service": "web", "name": "GREETING"}
"""What the paths may name that is really there; the rest is made up."""
GOES = {"delete_project", "delete_environment", "destroy_service"}
"""Operations after which THERE is not: they come last."""
CHANGE_NOTHING = {"verify_backup", "add_secret"}
"""Operations that need not have changed anything when they succeed: a secret that is there is kept."""
TOO_LARGE = 413

for media in MEDIA:
    openapi.media_type(media, st.binary(max_size=100) | st.just(tree({"hostess.yml": FILE})))


class Trial:
    """Sends requests to a daemon, with an owner's token, and looks at each answer; blocking."""

    def __init__(self, stage: Stage) -> None:
        self.url = stage.url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {stage.token}"
        self.answered = 0

    def run(self, operation: Operation, case: Callable[[Any], Any]) -> None:
        """Send what is drawn."""

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.data())
        def sent(data: Any) -> None:
            drawn: Case[Any] = data.draw(case(data))
            if isinstance(drawn.query, dict):
                drawn.query.pop("follow", None)  # that has no end
            words = drawn.body.get("command") if isinstance(drawn.body, dict) else None
            if isinstance(words, list) and words and isinstance(words[0], str):
                words[0] = "print"  # the stand-in's other programs run for ever
            changes = operation.method != "GET" and operation.name not in CHANGE_NOTHING
            before = self.newest() if changes else 0
            answer = drawn.call(base_url=self.url, session=self.session, timeout=WITHIN)
            self.answered += 1
            bodies = [] if operation.in_query or answer.status_code == TOO_LARGE else [checks.negative_data_rejection]
            drawn.validate_response(answer, checks=[*ALWAYS, *bodies])
            done = changes and answer.status_code < 300
            assert not done or self.newest() > before, "nobody wrote down who did it"

        sent()

    def newest(self) -> int:
        """Return the id of the newest row of the audit log."""
        found = self.session.get(f"{self.url}/v1/events?kind=audit&limit=1", timeout=WITHIN).json()
        return int(found["next"])


@pytest.mark.timeout(600)  # half a minute of work, on a host that may be busy
@pytest.mark.filterwarnings("default")  # those of schemathesis are its own
async def test_every_operation_is_as_it_is_described(stage: Stage) -> None:
    """No answer is a 500, none has a status, type, header or body that the document does not say; changes are in the audit log.

    A body that does not fit its schema is never taken. (Of queries that is not asked: a list of one is a text there.)
    """
    await stage.live()
    document = await stage.get("/v1/openapi.json")
    document.pop("security")  # who may do what is asked in test_access
    for described in (each for methods in document["paths"].values() for each in methods.values()):
        described["parameters"] = [
            each for each in described["parameters"] if each["in"] != "header"
        ]  # and keys in test_repeats
    operations = [result.ok() for result in openapi.from_dict(document).get_all_operations() if isinstance(result, Ok)]
    found = {each.definition.raw["operationId"]: each for each in operations}
    table = {operation.name: operation for operation in OPERATIONS}
    assert set(found) == set(table)
    trial, problems = Trial(stage), []

    for name in sorted(found, key=lambda name: (name in GOES, name)):
        there = {each: value for each, value in THERE.items() if f"{{{each}}}" in table[name].path}
        for mode in GenerationMode:

            def case(data: Any, described: Any = found[name], there: Any = there, mode: Any = mode) -> Any:
                named = there if there and data.draw(st.booleans()) else None
                return described.as_strategy(generation_mode=mode, path_parameters=named)

            try:
                await asyncio.to_thread(trial.run, table[name], case)
            except Unsatisfiable:
                continue  # there is nothing in it that could be wrong
            except Exception as error:  # noqa: BLE001 -- each is told, with the others
                problems.append(
                    f"{name} ({mode.value}): {type(error).__name__} {error} {getattr(error, 'exceptions', '')}"
                )

    assert not problems, "\n\n".join(problems)
    assert trial.answered > EXAMPLES * len(table)


async def test_every_status_of_a_problem_is_described(stage: Stage) -> None:
    """Whatever code a problem has, its status is among those that each operation lists."""
    document = await stage.get("/v1/openapi.json")
    statuses = {str(status) for status in STATUSES.values()} | {"404", "422"}

    for path, methods in document["paths"].items():
        for method, described in methods.items():
            assert statuses <= set(described["responses"]), (method, path)
