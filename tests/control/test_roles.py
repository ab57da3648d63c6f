"""Every operation of the whole port, by every role: the table of roles is what holds, over real HTTP."""

from __future__ import annotations

import re

import pytest

from gateway.control.access.roles import MAY, Permission, Role
from gateway.control.access.routes import FEED, SAFE
from gateway.control.admin import application, port
from gateway.control.operations import Operation
from tests.control.whole_port import WholePort

pytestmark = pytest.mark.asyncio(loop_scope="module")
REFUSED = (401, 403)


def operations(whole: WholePort) -> list[Operation]:
    return list(port(whole.port.operations(), whole.port.access))


def path_of(one: Operation) -> str:
    """With a name in the place of each parameter that there is nothing of."""
    return re.sub(r"\{(\w+)[^}]*\}+", "nothing", one.path)


async def ask(whole: WholePort, one: Operation, token: str) -> int:
    """A request that is wrong in all but who asks: its query has what no operation takes, so whoever may is told 422,
    and nothing is done.
    """
    status, _ = await whole.ask(one.method, f"{path_of(one)}?no_such_parameter=1", token)
    return status


async def test_every_operation_by_every_role(whole: WholePort) -> None:
    """Who may is heard; who may not is refused with 403; who is nobody with 401. None is left out."""
    wrong = []
    there = operations(whole)
    for one in there:
        if one.needs is None:
            continue
        if (status := await ask(whole, one, "")) != 401:
            wrong.append(f"{one.method} {one.path} by nobody: {status}")
        for role in Role:
            status = await ask(whole, one, whole.tokens[role])
            if (status not in REFUSED) != (one.needs in MAY[role]) or status == 401:
                wrong.append(f"{one.method} {one.path} needs {one.needs}, by {role}: {status}")
            if status not in (*REFUSED, 422):
                wrong.append(f"{one.method} {one.path} by {role} was not stopped by its query: {status}")
    assert wrong == []
    assert len(there) > 40


async def test_every_route_is_an_operation(whole: WholePort) -> None:
    """Nothing is on the port that the guard, the document and this table do not know."""
    known = {(one.method, one.path) for one in operations(whole)}
    for route in application(whole.port.operations(), whole.port.access).router.routes():
        assert route.resource is not None
        method = "GET" if route.method == "HEAD" else route.method
        named = {re.sub(r"\{(\w+):[^/]*\}", r"{\1}", path) for asked, path in known if asked == method}
        assert re.sub(r"\{(\w+):[^/]*\}", r"{\1}", route.resource.canonical) in named


async def test_what_is_open_is_known(whole: WholePort) -> None:
    """Probes, sign-in and the console's files: nothing else is for whoever reaches the port."""
    opened = sorted({one.path.split("{")[0] for one in operations(whole) if one.needs is None})
    assert [path for path in opened if not path.startswith(("/session", "/console"))] == [
        "/", "/healthz", "/metrics", "/readyz",
    ]  # fmt: skip


async def test_what_changes_needs_more_than_to_look(whole: WholePort) -> None:
    """But signing in, and one's own jobs."""
    for one in operations(whole):
        if not one.own and one.method not in SAFE and not one.path.startswith("/session"):
            assert one.needs not in (None, Permission.LOOK), one.path


async def test_feeds_are_few_and_known(whole: WholePort) -> None:
    """They are left out of what looks at whole answers."""
    assert all(one.path.startswith("/live/") for one in operations(whole) if one.media == FEED)


@pytest.mark.parametrize("role", list(Role))
async def test_a_refusal_says_who_may(whole: WholePort, role: Role) -> None:
    """So that people know whom to ask."""
    for one in operations(whole):
        if one.needs is not None and one.needs not in MAY[role]:
            status, said = await whole.ask(one.method, path_of(one), whole.tokens[role])
            assert status == 403
            assert said["roles"] and all(one.needs in MAY[Role(named)] for named in said["roles"])
            break
