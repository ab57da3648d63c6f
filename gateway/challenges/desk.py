"""What pages and answers do with a challenge: seen, answered, passed. Off the hot path.

An answer is looked at in this order, the cheap first: is the challenge ours, is its rule still there, do answers come
too fast, is it still open, does the provider believe the answer, does the same solver pass for too many. Only then is
it passed, and that is one change in the fleet: of many at once one makes a clearance.

What a browser is known by is kept as keyed hashes alone. Nothing of an answer or an address is logged.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple

from gateway.accounts.secrets import Secrets
from gateway.challenges.answers import Standing, Status, neighbourhood, standing
from gateway.challenges.interface import Escalations, Unavailable
from gateway.challenges.ladder import NOTHING_HELD, Held, Ladder, Passed, Step, Wrong
from gateway.challenges.providers.breaker import MayBeAway
from gateway.challenges.providers.contract import Answered, Captcha, ProviderUnavailable, Verdict, Widget
from gateway.challenges.steps import passed, suspicion
from gateway.challenges.terms import Terms
from gateway.challenges.token import BadChallenge, Challenge, Tokens
from gateway.challenges.turns import Turn
from gateway.challenges.work import Work
from gateway.pace import Pace, network
from gateway.tasks import spawn

log = logging.getLogger(__name__)

ALTCHA: Final = "altcha"
"""Our own provider: asks nobody, so it is never away."""
SHOWN_FIELD: Final = "tidegate-shown"
"""The form field that goes back with an answer: `Seen.shown`."""

ANSWERS: Final = (6, 12.0)
"""Answers to one challenge: so many at once, as many again in so many seconds. One more than are counted."""
ADDRESS: Final = (30, 60.0)
"""Answers from one address: an office has one for all."""
RESPONSE_AT_MOST: Final = 16_384
"""Characters of an answer: the longest of a provider's has some thousand."""
COOKIE_AT_MOST: Final = 256
NEIGHBOURS: Final = 4
"""A network is allowed so many times the subjects of one browser: an office or a carrier has one address for many."""
AWAY: Final = 60.0
"""Seconds for which a provider that gave no verdict on an answer is not shown for that challenge, if there is another.
For others it is away when its breaker says so."""
PASSED_OVER_AT_MOST: Final = 1_000
SHOWN_LASTS: Final = 1800.0
"""Seconds for which a page may be answered by the provider that it was made with."""
WAIT_AT_MOST: Final = 30.0
WAITING_AT_MOST: Final = 1_000
"""Requests that wait in one worker; beyond them an answer comes at once."""
LOOK: Final = 1.0
"""Seconds after which one who waits looks, although nothing was heard."""
NOT_COUNTED: Final = frozenset({"expired"})
"""What is wrong with an answer that an honest person gives: the page was left open for too long."""


class Browser(NamedTuple):
    """Who answers. None of it is kept or logged in the clear."""

    address: str
    """As trusted hops state it."""
    agent: str
    cookie: str
    """What our own cookie holds; empty where it has none."""
    host: str
    """Under which the page was shown."""


class Seen(NamedTuple):
    """A challenge, as a page shows it."""

    status: Status
    challenge: Challenge
    widget: Widget | None
    """Where it is open, and somebody can be asked."""
    expires: float
    """Unix time: of the clearance where it is passed, of the challenge otherwise."""
    subject: str
    provider: str = ""
    """Whose the widget is."""
    shown: str = ""
    """Goes back as SHOWN_FIELD: this page was made with that provider, signed."""


class Proof(NamedTuple):
    """What came of an answer."""

    status: Literal["passed", "wrong", "expired", "closed", "farmed", "away", "unavailable", "paced"]
    """`passed` also for the second of two answers to one challenge: it makes nothing. `away`: this provider gives no
    verdict, and the page shows another one now. `unavailable`: none does. `paced`: too many answers."""
    reason: str = ""
    """A code: what was wrong with it."""
    retry_after: float = 0.0
    """Seconds, where it is paced."""


class Desk:
    """One for a process."""

    def __init__(
        self,
        escalations: Escalations,
        tokens: Tokens,
        work: Work,
        providers: Mapping[str, Captcha],
        terms: Callable[[str], Terms | None],
        secrets: Secrets,
        now: Callable[[], float],
    ) -> None:
        """`terms` says on what terms a rule in force challenges; None where it is gone. Providers are the caller's to
        close.
        """
        self._escalations = escalations
        self._tokens = tokens
        self._work = work
        self._providers = providers
        self._terms = terms
        self._secrets = secrets
        self._now = now
        self._answers = Pace(*ANSWERS, now)
        self._addresses = Pace(*ADDRESS, now)
        self._passed_over: dict[tuple[str, str], float] = {}
        self._turns: dict[str, tuple[asyncio.Lock, int]] = {}
        self._waiting = 0
        self.counts: Counter[tuple[str, str]] = Counter()
        """(provider, or `member`; what came of it) -> answers."""

    def __repr__(self) -> str:
        return f"<Desk {', '.join(self._providers)}; {self._waiting} waiting>"

    async def seen(self, token: str) -> Seen:
        """Raises BadChallenge for one that is none, Unavailable where the fleet cannot be asked."""
        challenge = self._read(token)
        terms = self._terms(challenge.rule)
        held = await self._escalations.look(challenge.rule, challenge.subject)
        stands = self._stands(challenge, terms, held)
        names = self._names(challenge, terms)
        if stands.status != "open" or not names:
            return Seen(stands.status, challenge, None, stands.expires, challenge.subject)
        name = self._first(challenge, names)
        widget = self._providers[name].issue(challenge.id, token)
        shown = self._mark(challenge, name)
        return Seen("open", challenge, widget, stands.expires, challenge.subject, name, shown)

    async def wait(self, token: str, seconds: float) -> Seen:
        """As `seen`, as soon as it is not open any more, or when the time is over (WAIT_AT_MOST)."""
        seen = await self.seen(token)
        if self._waiting >= WAITING_AT_MOST:
            return seen
        clock = asyncio.get_running_loop().time
        end = clock() + min(seconds, WAIT_AT_MOST)
        self._waiting += 1
        try:
            while seen.status == "open" and (left := end - clock()) > 0:
                await self._escalations.wait(seen.challenge.rule, seen.subject, min(left, LOOK))
                seen = await self.seen(token)
        finally:
            self._waiting -= 1
        return seen

    def puzzle(self, token: str) -> dict[str, Any]:
        """For a program, or our own widget: from memory, it asks nobody. Raises BadChallenge: also `closed`, where it
        is not open any more, and `no_work`, where work cannot pass it. Costs half a millisecond: whoever
        calls it bounds how often.
        """
        challenge, now = self._read(token), self._now()
        terms = self._terms(challenge.rule)
        if challenge.until <= now:
            raise BadChallenge("expired")
        held = self._escalations.held.get((challenge.rule, challenge.subject), NOTHING_HELD)
        if terms is None or standing(held, challenge, now).status == "passed":
            raise BadChallenge("closed")
        if ALTCHA not in self._names(challenge, terms):
            raise BadChallenge("no_work")
        return self._work.puzzle(challenge, token, difficulty(terms.ladder, held, now), now)

    async def prove(self, token: str, form: Mapping[str, str], browser: Browser) -> Proof:
        """`form` is what the page sent: the provider's field and SHOWN_FIELD; what else is in it does not matter.
        Raises BadChallenge for a token that is none, Unavailable where the fleet cannot be asked: nothing is passed.

        Who leaves meanwhile is passed all the same: a provider takes an answer once, and who loads the page again must
        not stand there as one who sends it twice.
        """
        challenge = self._read(token)
        terms = self._terms(challenge.rule)
        if terms is None:
            return Proof("closed", "rule_gone")
        if challenge.until <= self._now():
            return Proof("expired")
        if wait := self._too_fast(challenge, browser.address):
            return Proof("paced", "too_many", wait)
        found = await asyncio.shield(spawn(self._proved(challenge, terms, token, form, browser), "an answer"))
        if isinstance(found, Unavailable):
            raise found
        return found

    async def _proved(
        self, challenge: Challenge, terms: Terms, token: str, form: Mapping[str, str], browser: Browser
    ) -> Proof | Unavailable:
        try:
            # A form that is sent twice is one answer.
            async with Turn(self._turns, challenge.id):
                name, proof = await self._judge(challenge, terms, token, form, browser)
        except Unavailable as away:
            return away
        self.counts[name, proof.status] += 1
        return proof

    async def vouch(self, token: str, account: str) -> Proof:
        """A member of `account` is signed in on the owner's pages, and says that it is theirs. Raises as `prove`."""
        challenge = self._read(token)
        terms = self._terms(challenge.rule)
        if terms is None:
            return Proof("closed", "rule_gone")
        if challenge.subject != account:
            # Counts against nobody: a link that was sent to the wrong colleague is no attack on the account.
            proof = Proof("wrong", "other_account")
        elif wait := self._answers.take(challenge.id):
            proof = Proof("paced", "too_many", wait)
        else:
            held = await self._escalations.look(challenge.rule, challenge.subject)
            stands = self._stands(challenge, terms, held)
            proof = await self._pass(challenge, terms) if stands.status == "open" else Proof(stands.status)
        self.counts["member", proof.status] += 1
        return proof

    # -- one answer ----------------------------------------------------------------------------------------------------

    async def _judge(
        self, challenge: Challenge, terms: Terms, token: str, form: Mapping[str, str], browser: Browser
    ) -> tuple[str, Proof]:
        held = await self._escalations.look(challenge.rule, challenge.subject)
        stands = self._stands(challenge, terms, held)
        names = self._names(challenge, terms)
        if stands.status != "open":
            return "", Proof(stands.status)
        if not names:
            return "", Proof("unavailable", "no_provider")
        name = self._shown(challenge, names, form.get(SHOWN_FIELD, "")) or self._first(challenge, names)
        provider = self._providers[name]
        response = form.get(provider.issue(challenge.id, token).field, "")
        if not response:
            return name, Proof("wrong", "empty")
        try:
            verdict = await self._verdict(name, challenge, response, browser)
        except ProviderUnavailable as error:
            log.warning("%s gives no verdict: %s", name, error)
            if error.healthy:
                return name, Proof("wrong", "lost")
            self._pass_over(challenge, name)
            return name, Proof("away" if self._there(challenge, names) else "unavailable")
        if not verdict.passed:
            log.info("%s: an answer is %s %s", name, verdict.reason, verdict.note)
            return name, await self._wrong(challenge, terms, verdict.reason or "wrong")
        farm = await self._farm(challenge, terms, browser)
        if farm:
            log.warning("a challenge of %s was solved by a %s that solves for too many", challenge.rule, farm)
            if farm == "browser":
                # Behind one network there may be a whole town: that is not held against the account.
                await self._wrong(challenge, terms, "farmed")
            return name, Proof("farmed", "farmed")
        return name, await self._pass(challenge, terms)

    async def _verdict(self, name: str, challenge: Challenge, response: str, browser: Browser) -> Verdict:
        """Raises ProviderUnavailable."""
        if len(response) > RESPONSE_AT_MOST:
            return Verdict(False, "malformed")
        answered = Answered(response, browser.address, browser.agent, challenge.id, browser.host)
        return await self._providers[name].validate(answered)

    async def _pass(self, challenge: Challenge, terms: Terms) -> Proof:
        rule, subject = challenge.rule, challenge.subject
        worth = terms.worth[challenge.step]
        event = Passed(challenge.id, worth.lasts, worth.exchanges)
        before, after = await self._escalations.change(rule, subject, terms.ladder, event)
        if passed(before, after, challenge.id):
            return Proof("passed")
        status = standing(after, challenge, self._now()).status
        return Proof("closed" if status == "open" else status)

    async def _wrong(self, challenge: Challenge, terms: Terms, reason: str) -> Proof:
        rule, subject = challenge.rule, challenge.subject
        if reason in NOT_COUNTED:
            return Proof("wrong", reason)
        _, after = await self._escalations.change(rule, subject, terms.ladder, Wrong(challenge.id))
        status = standing(after, challenge, self._now()).status
        # Somebody else may have passed it meanwhile: a page that was sent twice.
        return Proof("wrong" if status == "open" else status, "" if status == "passed" else reason)

    async def _farm(self, challenge: Challenge, terms: Terms, browser: Browser) -> Literal["", "browser", "network"]:
        """What solves for too many subjects; empty for none."""
        network = neighbourhood(browser.address)
        limits: tuple[tuple[Literal["browser", "network"], str, int], ...] = (
            ("browser", f"cookie={browser.cookie[:COOKIE_AT_MOST]}" if browser.cookie else "", terms.subjects_at_most),
            ("network", f"network={network}" if network else "", terms.subjects_at_most * NEIGHBOURS),
        )
        for what, solver, most in limits:
            if solver:
                hashed = self._secrets.hash("tg.solver", solver).digest.hex()
                if await self._escalations.solvers(hashed, challenge.subject, terms.within) > most:
                    return what
        return ""

    # -- what it stands on ---------------------------------------------------------------------------------------------

    def _read(self, token: str) -> Challenge:
        # One that is over is still ours: what became of it can be said.
        return self._tokens.read(token, 0.0)

    def _stands(self, challenge: Challenge, terms: Terms | None, held: Held) -> Standing:
        stands = standing(held, challenge, self._now())
        return stands._replace(status="closed") if terms is None and stands.status == "open" else stands

    def _too_fast(self, challenge: Challenge, address: str) -> float:
        wait = self._answers.take(challenge.id)
        return wait or (self._addresses.take(network(address)) if address else 0.0)

    def _names(self, challenge: Challenge, terms: Terms | None) -> tuple[str, ...]:
        """Who may be asked, in order."""
        if terms is None:
            return ()
        names = terms.providers if challenge.step is Step.CAPTCHA else (ALTCHA,)
        return tuple(name for name in names if name in self._providers)

    def _first(self, challenge: Challenge, names: tuple[str, ...]) -> str:
        """Who is shown. Where all are away, the first of all: it is back when it is back."""
        return self._there(challenge, names) or names[0]

    def _there(self, challenge: Challenge, names: tuple[str, ...]) -> str:
        """The first that is not away; empty where all are."""
        now = self._now()
        for name in names:
            provider = self._providers[name]
            if isinstance(provider, MayBeAway) and provider.away:
                continue
            if self._passed_over.get((challenge.id, name), 0.0) <= now:
                return name
        return ""

    def _pass_over(self, challenge: Challenge, name: str) -> None:
        """Who has just waited in vain is shown another one, also where nobody else is yet."""
        self._passed_over.pop((challenge.id, name), None)
        self._passed_over[challenge.id, name] = self._now() + AWAY
        if len(self._passed_over) > PASSED_OVER_AT_MOST:
            del self._passed_over[next(iter(self._passed_over))]

    def _mark(self, challenge: Challenge, name: str) -> str:
        until = int(self._now() + SHOWN_LASTS)
        return f"{name}.{until}.{self._secrets.hash('tg.shown', _shown(challenge, name, until)).digest.hex()}"

    def _shown(self, challenge: Challenge, names: tuple[str, ...], mark: str) -> str:
        """The provider that the page was made with; empty where that is not proven. Else everybody would choose whom
        they like best.
        """
        name, _, rest = mark.partition(".")
        until, _, digest = rest.partition(".")
        if name not in names or not until.isdecimal() or not until.isascii() or len(until) > 12:
            return ""
        if int(until) <= self._now():
            return ""
        signed = self._secrets.hashes("tg.shown", _shown(challenge, name, int(until)))
        given = digest.encode("utf-8", "surrogatepass")
        return name if any(hmac.compare_digest(one.digest.hex().encode(), given) for one in signed) else ""


def difficulty(ladder: Ladder, held: Held, now: float) -> float:
    """Of a puzzle: 1 where proof of work begins, twice as much at twice that suspicion."""
    begins = ladder.at.get(Step.WORK, 0.0)
    return max(1.0, suspicion(ladder, held, now) / begins) if begins > 0 else 1.0


def _shown(challenge: Challenge, name: str, until: int) -> str:
    return f"{name}\0{until}\0{challenge.id}"
