"""A challenge of one entry, handed on to the entry that makes it something that a caller can pass.

Where it was passed, the same entry is asked again with that in the context, so that its other rules count. A policy
that does not look at what was passed is taken by its word: the challenge was all that it wanted.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from gateway.chain.entry import Entry
from gateway.policy import ALLOW, Action, Decision, Facts, challenged_by, note_facts
from gateway.tasks import spawn

if TYPE_CHECKING:
    from gateway.chain.chain import Asked


LET_ON: Final = Decision(Action.ALLOW, note="the challenge could not be put")


def hand_on(asked: Asked, entry: Entry, decision: Decision) -> bool:
    """Whether somebody took it, and all goes on from the answer. Else it stands as it is: nobody can pass it."""
    challenger = asked.chain.challenger
    if challenger is None or challenger.challenge is None or challenger is entry:
        return False
    if not challenger.enforced(asked.context):
        return False
    by = _name_of(entry, decision)
    if by in asked.context.passed:
        _go_on(asked, entry, decision, by, decision._replace(action=Action.ALLOW))
        return True
    try:
        answer = challenger.challenge(asked.context, by, decision)
    except Exception as error:  # noqa: BLE001 - as in Asked.run: the border at which a broken policy is a value
        answer = _broken(asked, challenger, by, error)
    if type(answer) is Decision:
        _go_on(asked, entry, decision, by, answer)
    else:
        waiting = _wait(asked, entry, challenger, decision, by, answer)  # type: ignore[arg-type]
        spawn(waiting, name=f"challenge by {entry.name}")
    return True


async def _wait(
    asked: Asked, entry: Entry, challenger: Entry, decision: Decision, by: str, awaitable: Awaitable[Decision]
) -> None:
    try:
        answer = await awaitable
        if type(answer) is not Decision:
            raise TypeError(f"{challenger.name} made {answer!r} of a challenge, which is no Decision")
    except Exception as error:  # noqa: BLE001 - as above
        answer = _broken(asked, challenger, by, error)
    _go_on(asked, entry, decision, by, answer)


def _broken(asked: Asked, challenger: Entry, by: str, error: Exception) -> Decision:
    """What its `on_failure` says. To let pass is not to have passed: later entries, and what is noted of the caller,
    must not take it for that.
    """
    answer = asked.chain.broken(challenger, error)
    if answer is not ALLOW or by in asked.context.passed:
        return answer
    note_facts(asked.context, Facts(passed=frozenset({by})))
    return LET_ON


def _go_on(asked: Asked, entry: Entry, decision: Decision, by: str, answer: Decision) -> None:
    if answer.action is not Action.ALLOW:
        asked.note(entry, answer._replace(matches=(*decision.matches, *answer.matches)))
    elif answer is LET_ON:
        asked.run()
    elif by in asked.context.passed:
        asked.resume(entry, answer)
    else:
        facts = answer.facts or Facts()
        note_facts(asked.context, facts._replace(captcha=True, passed=facts.passed | {by}))
        asked.run()


def _name_of(entry: Entry, decision: Decision) -> str:
    rules = [match.rule for match in decision.matches if match.enforced and match.action == Action.CHALLENGE.value]
    return challenged_by(entry.name, rules[-1] if rules else "")
