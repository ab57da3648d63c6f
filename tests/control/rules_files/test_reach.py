"""Who may write rules reads no other file of the machine by that, and sends no secret of it elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.control.access.roles import Role
from tests.control.rules_files.world import FILES, Worked, worked

SECRET = "admin-token-of-the-machine"
HERE = "lists:\n  beside: {kind: networks, path: ../beside.txt}\n"
HERE += "  bought: {kind: networks, source: {url: 'https://a.example/l', bearer: '${BOUGHT}'}}\n"
LIST = "lists:\n  x: {kind: networks, "


@pytest.mark.parametrize(
    "feeds",
    [
        pytest.param(LIST + "path: ../tidegate.yaml}\n", id="beside the folder"),
        pytest.param(LIST + "path: lists/../../tidegate.yaml}\n", id="with a detour"),
        pytest.param(LIST + "path: /etc/hostname}\n", id="anywhere"),
        pytest.param("a: &a {kind: networks, path: ../tidegate.yaml}\nlists: {x: *a}\n", id="by an alias"),
        pytest.param("databases: [{name: x, path: ../tidegate.yaml}]\n", id="a database"),
        pytest.param(LIST + "source: {file: ../tidegate.yaml}}\n", id="a copy"),
        pytest.param(LIST + "source: {npm: null, file: ../tidegate.yaml}}\n", id="a copy, and no package"),
        pytest.param(LIST + "source: {url: 'https://b.example', bearer: '${BOUGHT}'}}\n", id="a secret, elsewhere"),
        pytest.param(LIST + "source: {url: 'https://a.example/l', bearer: '${OTHER}'}}\n", id="another secret"),
        pytest.param(
            LIST + "source: {url: 'https://a.example/l', checksum_url: 'https://b.example', bearer: '${BOUGHT}'}}\n",
            id="a secret, by the checksum",
        ),
        pytest.param(
            LIST + "source: {url: 'https://a.example/l', bearer: 'file:///run/secret'}}\n", id="a file as a secret"
        ),
    ],
)
async def test_a_draft_reaches_for_nothing_new(tmp_path: Path, feeds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and nothing of what stands there; it is not saved either, and tests do not run."""
    monkeypatch.setenv("BOUGHT", SECRET)
    monkeypatch.setenv("OTHER", SECRET)
    async with worked(tmp_path) as here:
        _beside(here)
        before = (here.folder / "feeds.yaml").read_bytes()
        for path in ("check", "test"):
            asked = {"files": {"feeds.yaml": feeds}}
            status, said = await here.ask("POST", f"/policies/{path}", asked, role=Role.AUTHOR)
            assert status == 200 and said["ok"] is False
            assert any("from here" in one["message"] for one in said["problems"]), said
            assert SECRET not in str(said)
        status, said = await here.save("feeds.yaml", feeds, role=Role.AUTHOR)
        assert status == 422 and SECRET not in str(said)
        assert (here.folder / "feeds.yaml").read_bytes() == before


async def test_what_is_reached_for_already_stays_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An author may move it, say how fresh it has to be, and add a list in the folder."""
    monkeypatch.setenv("BOUGHT", SECRET)
    async with worked(tmp_path) as here:
        _beside(here)
        feeds = (here.folder / "feeds.yaml").read_text().replace("path: ../", "stale_after: 2d, path: ../")
        asked = {"files": {"feeds.yaml": feeds + "  more: {kind: networks, path: lists/more.txt}\n"}}
        _, said = await here.ask("POST", "/policies/check", asked, role=Role.AUTHOR)
        assert not any("from here" in one["message"] for one in said["problems"]), said


def _beside(here: Worked) -> None:
    """What the machine's keeper has put there."""
    (here.folder.parent / "tidegate.yaml").write_text(f"admin_token: {SECRET}\n")
    (here.folder.parent / "beside.txt").write_text("192.0.2.0/24\n")
    (here.folder / "feeds.yaml").write_text(FILES["feeds.yaml"] + HERE.partition("\n")[2])
