"""What is wrong with a deployment although each file is right by itself: told before anything serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from email.utils import parseaddr
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.app.configuration import Configuration
from gateway.challenges.deliveries import secret_of
from gateway.control.mail import mail_server
from gateway.rules.campaigns import unheard
from gateway.rules.directory_file import stated
from gateway.rules.ladders import unprovided
from gateway.rules.problems import Problem, Problems
from gateway.rules.read import Loc, parse
from gateway.rules.ruleset import Ruleset
from gateway.rules.suspicious import KEEPING

WEEK: Final = 7 * 86_400.0
"""Seconds for which a refusal should be explicable."""


def faults(configuration: Configuration) -> list[Problem]:
    """Of tidegate.yaml: what would end every worker in turn, or send people to nowhere. Without the lines themselves:
    they may hold passwords.
    """
    file, found = configuration.file, []
    try:
        stated(configuration)
    except Problems as wrong:
        found.extend(wrong.problems)

    def ask(loc: Loc, question: Callable[[], object]) -> None:
        try:
            question()
        except ValueError as error:
            name = ".".join(str(step) for step in loc)
            found.append(_problem(configuration, loc, f"`{name}` {error}"))

    mail = file.mail
    if mail is not None:
        ask(("mail", "smtp"), lambda: mail_server(mail.smtp.get_secret_value()))
        ask(("mail", "sender"), lambda: _sender(mail.sender))
    notices = file.notices
    if notices is not None:
        ask(("notices", "secret"), lambda: secret_of(notices.secret.get_secret_value()))
    if file.public_url:
        ask(("public_url",), lambda: _web(file.public_url))
    return found


def doubts(configuration: Configuration, ruleset: Ruleset) -> list[Problem]:
    """Warnings about how the policies and tidegate.yaml fit together."""
    providers = {provider.name: frozenset(provider.gives) for provider in configuration.file.providers}
    return [*unprovided(ruleset, providers), *_forgetful(configuration), *_blind(configuration, ruleset)]


def _forgetful(configuration: Configuration) -> Iterator[Problem]:
    kept = configuration.file.exchange_log
    if kept is not None and kept.keep < WEEK:
        yield _problem(
            configuration,
            ("exchange_log", "keep"),
            f"the exchange log keeps {kept.keep / WEEK * 7:.3g} days: why a request was refused can be told no longer"
            " than that; 7d or more is usual",
        )


def _blind(configuration: Configuration, ruleset: Ruleset) -> Iterator[Problem]:
    if configuration.file.detector is None:
        for entry, place in unheard(ruleset):
            said = "follows what a detector says, and tidegate.yaml states no `detector`: nothing will come of it"
            yield ruleset.documents[entry.path].problem(place, f"`{place[0]}` {said}")


def unread(folder: Path, ruleset: Ruleset) -> list[Problem]:
    """Warnings about files that look like policies and that no entry asks for: a tier that nobody is held to."""
    if any(entry.kind.name not in KEEPING for entry in ruleset.entries):
        # A stranger's kind may read what it likes.
        return []
    known = {path.resolve() for path in ruleset.files}
    beside = sorted(path for path in folder.glob("*.yaml") if path.is_file() and not path.name.startswith("."))
    return [
        Problem(path, 1, 1, "no entry of chain.yaml reads this file: it changes nothing")
        for path in beside
        if path.resolve() not in known
    ]


def _problem(configuration: Configuration, loc: Loc, message: str) -> Problem:
    line, column = (1, 1)
    if configuration.source:
        line, column = parse(configuration.path, configuration.source).position(loc)
    return Problem(configuration.path, line, column, message)


def _sender(sender: str) -> None:
    """Raises ValueError."""
    before, at, domain = parseaddr(sender)[1].rpartition("@")
    if not (before and at and domain):
        raise ValueError("must be an e-mail address, maybe with a name: Tidegate <no-reply@example.com>")


def _web(url: str) -> None:
    """Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or "@" in url:
        raise ValueError("must be an address as a browser has it, such as https://api.example.com")
