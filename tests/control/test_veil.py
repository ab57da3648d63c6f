"""What stands in lists is not told to whoever may look, and not see people."""

from __future__ import annotations

import pytest

from gateway.control.access.roles import Role
from tests.control.whole_port import WholePort

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("role", list(Role))
async def test_a_wrong_list_of_accounts_names_none(whole: WholePort, role: Role) -> None:
    """On no page that a viewer or an author may open; that it is wrong, and where, is for all."""
    status, found = await whole.ask("POST", "/policies/reload")
    folder = whole.folder / "policies"
    (folder / "people.txt").write_text("acme corp\n")
    (folder / "feeds.yaml").write_text("lists:\n  held: {kind: accounts, path: people.txt}\n")
    status, found = await whole.ask("POST", "/policies/reload")
    assert status == 422 and "acme" in str(found["problems"])
    sees = role in {Role.OPERATOR, Role.ANALYST, Role.ADMIN}
    pages = [("GET", "/policies"), ("GET", "/health")]
    if role in {Role.AUTHOR, Role.ADMIN}:
        pages.append(("POST", "/policies/reload"))
    for method, page in pages:
        _, found = await whole.ask(method, page, whole.tokens[role])
        assert "list `held`" in str(found), page
        assert ("acme" in str(found)) is sees, page


async def test_a_stream_is_not_asked_for_without_its_content(whole: WholePort) -> None:
    """Else it would stand on the connection as the beginning of the next answer."""
    assert (await whole.ask("HEAD", "/audit/export"))[0] == 405
    assert (await whole.ask("HEAD", "/audit"))[0] == 200
