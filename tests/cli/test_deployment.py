"""What is wrong with a deployment although each file is right by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.directories import Folder

WEB = "public_url: https://api.example.com\n"
LONG = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        pytest.param("directory: {url: 'mysql://u:hidden@h/d'}\n", "must be sqlite or postgresql", id="database"),
        pytest.param("directory: {url: 'postgresql://u:hidden@h/d'}\n", "PostgreSQL needs secrets", id="no-secrets"),
        pytest.param("directory: {secrets: {s1: hidden}}\n", "must have at least 32 bytes", id="short-secret"),
        pytest.param(
            WEB + "mail: {smtp: 'http://u:hidden@h', sender: a@b.example}\n", "`mail.smtp` must be smtp://", id="smtp"
        ),
        pytest.param(
            WEB + "notices: {url: 'https://h.example/x', secret: short}\n", "`notices.secret` must have", id="notices"
        ),
        pytest.param(WEB + "mail: {smtp: 'smtp://h', sender: nobody}\n", "`mail.sender` must be", id="sender"),
        pytest.param("public_url: api.example.com\n", "`public_url` must be an address", id="no-scheme"),
        pytest.param("public_url: 'https://u:hidden@api.example.com'\n", "`public_url` must be", id="password"),
    ],
)
@pytest.mark.parametrize("command", ["check", "serve"])
def test_what_would_end_every_worker_is_one_sentence(command: str, stated: str, said: str, tmp_path: Path) -> None:
    """By `check`, and by `serve` before anything serves: with its line, and without a password."""
    shown = Folder(tmp_path, directory=stated).bad(command)

    assert said in shown
    assert "tidegate.yaml:" in shown
    assert "hidden" not in shown


@pytest.mark.parametrize(
    "stated",
    [
        pytest.param(WEB + "mail: {smtp: 'smtps://u:p@h:465', sender: 'Gate <a@b.example>'}\n", id="mail"),
        pytest.param("public_url: http://127.0.0.1:8080/gate\n", id="path"),
        pytest.param(
            f"directory: {{url: 'postgresql://u:p@h/d', secrets: {{s1: {LONG}}}}}\n", id="a database that is away"
        ),
    ],
)
def test_what_is_right_is_not_alarmed_about(stated: str, tmp_path: Path) -> None:
    """Nobody is asked, either."""
    found = Folder(tmp_path, directory=stated).data("check")["problems"]
    assert {problem["path"] for problem in found} == {str(tmp_path / "policies" / "tiers.yaml")}, "its own warning"


@pytest.mark.parametrize(
    ("keep", "said"),
    [pytest.param("2d", "the exchange log keeps 2 days", id="short"), pytest.param("7d", "", id="a week")],
)
def test_refusals_that_could_not_be_explained_for_a_week(keep: str, said: str, tmp_path: Path) -> None:
    """A warning with its line; a week is enough."""
    shown = Folder(tmp_path, directory=f"exchange_log: {{keep: {keep}}}\n").well("check")
    assert (said in shown and "tidegate.yaml:" in shown) if said else "exchange log" not in shown


@pytest.mark.parametrize("stated", ["", "detector: {}\n"], ids=["no-detector", "detector"])
def test_campaigns_without_a_detector(stated: str, tmp_path: Path) -> None:
    """A warning with its line: nothing would come of it, and nobody would notice."""
    folder = Folder(tmp_path, directory=stated)
    policies = folder.path / "policies"
    (policies / "risk.yaml").write_text("refused: {}\ncampaigns:\n  budget: {}\n")
    first = "{name: auth, kind: auth, on_failure: deny}"
    (policies / "chain.yaml").write_text(f"chain: [{first}, {{name: risk, kind: risk, on_failure: allow}}]\n")

    shown = folder.well("check")

    assert (f"{policies / 'risk.yaml'}:3:" in shown and "states no `detector`" in shown) is not bool(stated)


PROVIDERS = "providers: [{name: identity, kind: veriff, key: abcdefgh, secret: abcdefgh}]\n"


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        pytest.param("email: {provider: identiy}", "names no provider of tidegate.yaml: there are identity", id="name"),
        pytest.param("phone: {provider: identity}", "whose approval is no `phone`", id="gives"),
    ],
)
def test_a_ladder_whose_provider_gives_nothing(evidence: str, said: str, tmp_path: Path) -> None:
    """Nobody could climb it: a warning with its line."""
    folder = Folder(tmp_path, directory=PROVIDERS)
    tiers = folder.path / "policies" / "tiers.yaml"
    tiers.write_text(f"{tiers.read_text()}evidence:\n  {evidence}\n")

    shown = folder.well("check")

    assert f"{tiers}:8:" in shown
    assert said in shown
    assert folder.run("check", "--strict").exit_code == 1


def test_a_file_that_nobody_reads(tmp_path: Path) -> None:
    """A ladder without an entry holds nobody: with the configuration, and of a folder alone."""
    folder = Folder(tmp_path)
    assert "changes nothing" not in folder.well("check")
    (folder.path / "policies" / "chain.yaml").write_text("chain: [{name: auth, kind: auth, on_failure: deny}]\n")

    for words in ((), (folder.path / "policies",)):
        assert "tiers.yaml:1:1: no entry of chain.yaml reads this file" in folder.well("check", *words)
