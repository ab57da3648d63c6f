"""The OpenAPI document of the whole port is valid, and the port does what it says: schemathesis finds nothing."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

import hypothesis
import jsonschema
import pytest
import requests
import schemathesis
from schemathesis import Case, GenerationMode
from schemathesis.checks import (
    not_a_server_error,
)
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.specs.openapi.definitions import OPENAPI_31

from gateway.control import admin
from gateway.control.access.routes import FEED
from tests.control.whole_port import ADMIN_TOKEN, WholePort, whole_port

EXAMPLES: Final = int(os.environ.get("TIDEGATE_EXAMPLES", "1"))
"""Of each operation, in each of two ways: as its shapes say, and not as they say. More find more, in minutes."""
CHECKS: Final[list[Callable[..., Any]]] = [
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
LEFT_OUT: Final = {
    "get_session_oidc_back": "Takes whatever a provider sends along.",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> Iterator[WholePort]:
    """On a loop in a thread: schemathesis asks, and waits."""
    folder: Path = tmp_path_factory.mktemp("port")
    opened: Future[WholePort] = Future()
    loop = asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        async with whole_port(folder, valkey_url) as port:
            opened.set_result(port)
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    yield opened.result(30)
    loop.call_soon_threadsafe(done.set)
    thread.join(30)
    loop.close()


@pytest.fixture(scope="module")
def document(whole: WholePort) -> dict[str, Any]:
    answer = requests.get(f"{whole.url}/openapi.json", headers=bearer(), timeout=10)
    found: dict[str, Any] = answer.json()
    return found


def bearer() -> dict[str, str]:
    return {"Authorization": f"Bearer {ADMIN_TOKEN}"}


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    """By the schema of OpenAPI 3.1 itself."""
    jsonschema.Draft202012Validator(OPENAPI_31).validate(document)


def test_every_operation_is_in_it(whole: WholePort, document: dict[str, Any]) -> None:
    """With its permission; each has an id of its own."""
    there = list(admin.port(whole.port.operations(), whole.port.access))
    described = [(method, one) for path in document["paths"].values() for method, one in path.items()]
    assert len(described) == len(there)
    assert len({one["operationId"] for _, one in described}) == len(there)
    assert sum("x-permission" in one for _, one in described) == sum(one.needs is not None for one in there)


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    """Every name that is used is there."""
    known = set(document["components"]["schemas"])

    def look(at: Any) -> None:
        if isinstance(at, dict):
            if isinstance(stated := at.get("$ref"), str):
                assert stated.rpartition("/")[2] in known
            for one in at.values():
                look(one)
        elif isinstance(at, list):
            for one in at:
                look(one)

    look(document)


def test_the_port_does_as_the_document_says(whole: WholePort, document: dict[str, Any]) -> None:
    """No 500, no status, type or shape that is not stated, and nothing taken that the shapes do not allow."""
    schema = schemathesis.openapi.from_dict(document)
    found: dict[str, str] = {}
    for result in schema.get_all_operations():
        operation: Any = result.ok()  # type: ignore[union-attr]
        stated = operation.definition.raw
        named = stated["operationId"]
        if named in LEFT_OUT or FEED in str(stated["responses"].get("200")):
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                _tried(operation.as_strategy(generation_mode=mode), whole.url)
            except (FailureGroup, Failure) as error:
                found[f"{named} {mode.value}"] = "\n".join(str(one) for one in getattr(error, "exceptions", [error]))
            except hypothesis.errors.Unsatisfiable:
                continue  # Nothing can be wrong with what takes nothing.
    assert found == {}, "\n\n".join(f"== {name}\n{said}" for name, said in found.items())


def _tried(strategy: Any, url: str) -> None:
    session = requests.Session()
    session.headers.update(bearer())

    @hypothesis.given(case=strategy)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    def ask(case: Case[Any]) -> None:
        answer = case.call(base_url=url, session=session, allow_redirects=False, timeout=20)
        # What is away is said so: 503 is no fault of ours. A 500 is.
        checks: list[Any] = CHECKS if answer.status_code == 503 else [not_a_server_error, *CHECKS]
        case.validate_response(answer, checks=checks)

    try:
        ask()
    finally:
        session.close()
