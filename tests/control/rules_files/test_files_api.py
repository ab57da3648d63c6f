"""Files of the policies: what may be named, saved and seen, and what is in force afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.control.access.roles import Role
from gateway.control.fleet import Said
from tests.control.rules_files.world import RULES, Worked, worked

WRONG = RULES.replace("client.country", "client.contry")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Worked]:
    async with worked(tmp_path) as made:
        yield made


async def test_a_save_is_in_force_on_every_worker(here: Worked) -> None:
    """The answer says by which generation each serves, and the audit has both digests and the reason."""
    text, digest = await here.open("rules.yaml")
    status, answer = await here.save("rules.yaml", text.replace("8000", "4000"))
    assert status == 200 and (answer["outcome"], answer["generation"]) == ("applied", 2)
    assert [(one["generation"], one["in_force"]) for one in answer["workers"]] == [(2, True), (2, True)]
    assert {version[0] for version in here.crew.serves} == {2}
    assert "4000" in (here.folder / "rules.yaml").read_text() and here.etag == answer["digest"]
    who, did, subject, detail = here.notes[-1]
    assert (who, did, subject) == ("token:admin", "policies.write", "rules.yaml")
    assert detail == {
        "before": digest, "after": answer["digest"], "reason": "because", "outcome": "applied", "generation": 2,
    }  # fmt: skip


async def test_what_is_wrong_is_told_with_its_place_and_nothing_is_saved(here: Worked) -> None:
    """422 with line and column; the file, the mode and what is in force stay."""
    status, answer = await here.save("rules.yaml", WRONG)
    assert status == 422 and "nothing was saved" in answer["error"]
    [row] = answer["problems"]
    assert (row["path"], row["line"], row["column"]) == ("rules.yaml", 4, 11) and "client.country" in row["message"]
    assert (here.folder / "rules.yaml").read_text() == RULES
    assert here.rules.in_force.generation == 1 and here.notes == []


async def test_who_saves_second_is_told_what_stands_there_now(here: Worked) -> None:
    """412 with the other's text and digest; 428 where nobody says what they have seen."""
    text, digest = await here.open("rules.yaml")
    theirs = text.replace("8000", "7000")
    assert (await here.save("rules.yaml", theirs, digest))[0] == 200
    status, answer = await here.save("rules.yaml", text.replace("8000", "6000"), digest)
    assert status == 412 and answer["text"] == theirs and answer["digest"] == here.etag != digest
    put = {"text": text, "reason": "x"}
    assert (await here.ask("PUT", "/policies/files/rules.yaml", put))[0] == 428
    assert (here.folder / "rules.yaml").read_text() == theirs


async def test_what_a_worker_refuses_is_put_back(here: Worked) -> None:
    """The check lets it pass, a worker does not: the old text stands there again, and is what is in force."""
    here.crew.workers["worker-1"].says["prepare"] = Said.REFUSED
    status, answer = await here.save("rules.yaml", RULES.replace("8000", "4000"))
    assert status == 422 and "put back" in answer["error"] and "worker-1" in answer["problems"][0]["message"]
    assert (here.folder / "rules.yaml").read_text() == RULES
    assert here.rules.in_force.generation == 1 and here.rules.files == "in_force"
    assert here.notes[-1][3]["outcome"] == "refused"


async def test_a_rollback_does_not_keep_an_author_from_saving(here: Worked) -> None:
    """What was set aside comes into force again where somebody saves it on purpose."""
    changed = RULES.replace("8000", "4000")
    await here.save("rules.yaml", changed)
    await here.rules.rollback("token:admin")
    assert here.rules.files == "set_aside"
    status, answer = await here.save("rules.yaml", changed)
    assert (status, answer["outcome"]) == (200, "applied") and here.rules.files == "in_force"


@pytest.mark.parametrize(
    "path",
    [
        "../tidegate.yaml", "..%2ftidegate.yaml", "%2e%2e/tidegate.yaml", "..%252ftidegate.yaml", "lists/../../x.yaml",
        "/etc/passwd", "%2fetc%2fpasswd", ".hidden.yaml", "lists/.x.yaml", "rules.yaml%00.txt", "rules.py", "rules",
        "..%5ctidegate.yaml", "lists%2f..%2f..%2fx.yaml", "rules.yaml.", "C:x.yaml", "~/x.yaml", "a//b.yaml",
        "%c0%ae%c0%ae/x.yaml", "rules.yaml%0a", "%e2%80%a5/x.yaml", "a/b/c/d/e/f/g.yaml", "x" * 300 + ".yaml",
    ],
)  # fmt: skip
async def test_no_name_leads_out_of_the_folder(here: Worked, tmp_path: Path, path: str) -> None:
    """However it is written: nothing is read, and nothing is written."""
    (tmp_path / "tidegate.yaml").write_text("admin_token: secret\n")
    before = sorted(one for one in tmp_path.rglob("*") if "wholes" not in one.parts)
    status, answer = await here.ask("GET", "", raw=f"/policies/files/{path}")
    assert status in (400, 404) and "secret" not in str(answer)
    put = {"text": "rules: []\n", "reason": "x"}
    status, answer = await here.ask("PUT", "", put, raw=f"/policies/files/{path}", match="0" * 32)
    assert status in (400, 404) and "secret" not in str(answer)
    status, _ = await here.ask("POST", "/policies/files", {"path": path.replace("%2f", "/"), **put})
    assert status in (404, 422)
    assert sorted(one for one in tmp_path.rglob("*") if "wholes" not in one.parts) == before


async def test_links_that_lead_out_are_no_files(here: Worked, tmp_path: Path) -> None:
    """As if they were not there, in the list as well; one that stays inside is read, and not written."""
    (tmp_path / "secret.yaml").write_text("password: hunter2\n")
    (here.folder / "out.yaml").symlink_to(tmp_path / "secret.yaml")
    (here.folder / "away").symlink_to(tmp_path)
    (here.folder / "inside.yaml").symlink_to(here.folder / "auth.yaml")
    for path in ("out.yaml", "away/secret.yaml", "away/tidegate.yaml"):
        assert (await here.ask("GET", f"/policies/files/{path}"))[0] == 404
    _, tree = await here.ask("GET", "/policies/files")
    paths = {row["path"] for row in tree["files"]}
    assert "out.yaml" not in paths and "inside.yaml" in paths
    status, answer = await here.save("inside.yaml", "api_keys: true\n")
    assert status == 409 and "link" in answer["error"]


async def test_a_folder_that_is_read_only_is_said_in_words(here: Worked, monkeypatch: pytest.MonkeyPatch) -> None:
    """409; and what is asked of a draft works all the same."""
    monkeypatch.setattr("gateway.control.rules_files.folder._is_read_only", lambda _: True)
    status, answer = await here.save("rules.yaml", RULES.replace("8000", "4000"))
    assert status == 409 and "ConfigMap" in answer["error"]
    _, tree = await here.ask("GET", "/policies/files")
    assert tree["writable"] is False and "ConfigMap" in tree["refusal"]
    status, answer = await here.ask("POST", "/policies/check", {"files": {"rules.yaml": WRONG}})
    assert status == 200 and not answer["ok"]


async def test_each_file_is_told_what_it_is(here: Worked) -> None:
    """Whose config, whether it is in force, and what is there and nobody reads."""
    (here.folder / "spare.yaml").write_text("x: 1\n")
    (here.folder / "auth.yaml").write_text("api_keys: true  # edited\n")
    _, tree = await here.ask("GET", "/policies/files")
    rows = {row["path"]: row for row in tree["files"]}
    assert {path: (row["kind"], row["state"]) for path, row in rows.items()} == {
        "auth.yaml": ("auth", "differs"),
        "chain.yaml": ("chain", "in_force"),
        "feeds.yaml": ("feeds", "in_force"),
        "lists/office.txt": ("list", "beside"),
        "lists/suspected.txt": ("list", "beside"),
        "rules.yaml": ("rules", "in_force"),
        "spare.yaml": ("unread", "beside"),
        "tests/basic.yaml": ("tests", "beside"),
    }
    assert rows["lists/suspected.txt"]["people"] and not rows["lists/office.txt"]["people"]
    assert (await here.ask("GET", "/policies/files/auth.yaml"))[1]["in_force"] == "api_keys: true\n"


async def test_a_list_of_accounts_is_for_whoever_may_see_people(here: Worked) -> None:
    """Also as what stands there now, and as problems of a draft that calls the list something else."""
    author = Role.AUTHOR
    assert (await here.ask("GET", "/policies/files/lists/suspected.txt", role=author))[0] == 403
    put = {"text": "x\n", "reason": "x"}
    status, answer = await here.ask("PUT", "/policies/files/lists/suspected.txt", put, role=author, match="0" * 32)
    assert status == 403 and "acme-corp" not in str(answer)
    feeds = "lists:\n  suspected: {kind: countries, path: lists/suspected.txt}\n"
    for draft in ({"feeds.yaml": feeds}, {"feeds.yaml": feeds, "lists/suspected.txt": None}):
        _, answer = await here.ask("POST", "/policies/check", {"files": draft}, role=author)
        assert not answer["ok"] and "acme-corp" not in str(answer)
    assert (await here.ask("GET", "/policies/files/lists/suspected.txt"))[0] == 200


async def test_references_to_secrets_are_shown_as_written(here: Worked, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never what they mean."""
    monkeypatch.setenv("OUR_SECRET", "hunter2")
    (here.folder / "feeds.yaml").write_text(
        "lists:\n  far: {kind: networks, source: {url: 'https://example.com/x', bearer: '${OUR_SECRET}'}}\n"
    )
    text, _ = await here.open("feeds.yaml")
    assert "${OUR_SECRET}" in text
    _, checked = await here.ask("POST", "/policies/check", {"files": {}})
    _, lists = await here.ask("GET", "/lists")
    assert "hunter2" not in str(checked) + str(lists)


async def test_a_new_file_and_its_end(here: Worked) -> None:
    """Made where there is none, removed where nothing reads it."""
    new = {"path": "more.yaml", "text": "api_keys: true\n", "reason": "second door"}
    status, answer = await here.ask("POST", "/policies/files", new)
    assert (status, answer["outcome"]) == (201, "unchanged") and (here.folder / "more.yaml").exists()
    assert (await here.ask("POST", "/policies/files", new))[0] == 409
    status, _ = await here.ask("DELETE", "/policies/files/rules.yaml", {"reason": "x"}, match="0" * 32)
    assert status == 409 and (here.folder / "rules.yaml").exists()
    status, _ = await here.ask("DELETE", "/policies/files/more.yaml", {"reason": "x"}, match=answer["digest"])
    assert status == 200 and not (here.folder / "more.yaml").exists()
    assert [note[1] for note in here.notes] == ["policies.create", "policies.delete"]


async def test_a_test_that_no_longer_fits_is_told_and_keeps_nobody_from_saving(here: Worked) -> None:
    """Else a rule could never be renamed; a file of tests itself has to be one."""
    status, answer = await here.save("rules.yaml", RULES.replace("embargo", "sanctions"))
    assert status == 200 and [row["path"] for row in answer["warnings"] if row["in_tests"]] == ["tests/basic.yaml"]
    status, answer = await here.save("tests/basic.yaml", "tests: []\n")
    assert status == 422


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.ANALYST], ids=str)
async def test_files_are_for_authors(here: Worked, role: Role) -> None:
    """Who may not write rules reads none of their files."""
    assert (await here.ask("GET", "/policies/files", role=role))[0] == 403
