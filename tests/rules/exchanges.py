"""Conditions of every sort, and exchanges for which they hold and do not: for properties."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from gateway.expressions.expression import Condition, ExpressionFailed
from gateway.feeds.kinds import ListKind
from gateway.policy import NO_TAGS, Context, Facts, Location, Principal, Profile, note_facts
from gateway.testing import NOON, context

LISTS = {"blocked": frozenset({"192.0.2.66"}), "embargoed": frozenset({"XA"}), "accounts": frozenset({"7"})}
LIST_KINDS = {"blocked": ListKind.NETWORKS, "embargoed": ListKind.COUNTRIES, "accounts": ListKind.ACCOUNTS}
ATOMS = [
    *('account.tier == "pro"', 'account.tier != "free"', 'account.tier in ["free", "pro"]', 'account.tier < "g"'),
    *('"free" == account.tier', 'request.model >= "m-2"', 'request.model == "m-1"', 'request.model.startsWith("m")'),
    *("risk.score >= 20", "risk.score < 21", "19 < risk.score", "risk.score == 20", '"student" in tags'),
    *("request.streaming", "captcha.passed", "captcha.passed == false", "client.country in lists.embargoed"),
    *("client.address in lists.blocked", 'client.country == "XA"', "account.billing_country == client.country"),
    *('account.age < duration("48h")', 'account.age >= duration("24h")', "int(account.id) > 5", "true", "false"),
    *('"tools" in request.features', 'request.features.exists(f, f == "vision")', "request.items > 1"),
]
CONDITION = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
    ),
    max_leaves=4,
)


def _context(chosen: random.Random) -> Context:
    made = context(
        account=None,
        model=chosen.choice(["m-1", "m-2", "m-10", "", "x"]),
        streaming=chosen.random() < 0.5,
        location=Location(chosen.choice(["", "XA", "DE"])),
        client_address=chosen.choice(["192.0.2.1", "192.0.2.66"]),
        features=chosen.choice([(), ("tools",), ("vision",), ("tools", "vision")]),
        items=chosen.choice([1, 2]),
    )
    tags = chosen.choice([NO_TAGS, frozenset({"student"})])
    note_facts(made, Facts(None, chosen.choice([0, 15, 19, 20, 21, 100]), tags, chosen.random() < 0.5))
    if chosen.random() < 0.9:
        created = chosen.choice([0.0, NOON - 3600, NOON - 36 * 3600, NOON - 1e6])
        profile = Profile(created, billing_country=chosen.choice(["", "XA", "DE"]))
        account, tier = chosen.choice(["acme", "7", "3"]), chosen.choice(["free", "pro", "g", "a", "zzz"])
        note_facts(made, Facts(Principal(account, tier=tier, profile=profile)))
    return made


CONTEXTS = [_context(random.Random(seed)) for seed in range(400)]


def truth(holds: Condition, made: Context) -> bool | None:
    """The answer; None where there is none."""
    try:
        return bool(holds(made))
    except ExpressionFailed:
        return None
