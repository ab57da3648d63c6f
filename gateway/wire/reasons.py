"""Every reason that a refusal can have: stable codes, part of the API.

docs/reasons.md is written from this table: `python -m gateway.wire.reasons > docs/reasons.md`.
A stranger's policy, and a rule, may have reasons of its own: those have the link that their author gives, or none.
"""

from __future__ import annotations

import sys
from typing import Final, NamedTuple


class Reason(NamedTuple):
    """What a code means, and what its reader can do."""

    status: str
    meaning: str
    remedy: str


_REQUEST = "Send a well-formed HTTP/1.1 request; any maintained HTTP client does."
_LATER = "Try again; the official SDKs do so by themselves."

REASONS: Final[dict[str, Reason]] = {
    # The request itself.
    "malformed_request": Reason("400", "The request is not well-formed, or could be read in two ways.", _REQUEST),
    "incomplete_request": Reason("400", "The connection was closed before the request was whole.", _REQUEST),
    "malformed_content": Reason(
        "400", "The JSON of the request cannot be read, or a field has a wrong type.", "Mend what the message names."
    ),
    "ambiguous_content": Reason(
        "400",
        "A field stands in the JSON twice, is spelled with escapes, or stands in the query, too; or the JSON is said "
        "to be coded. So two readers may see two things.",
        "State each field once, in the JSON, in plain letters, and leave Content-Encoding out.",
    ),
    "method_not_allowed": Reason(
        "405", "The gateway does not pass this method on.", "Use the method of the API's reference."
    ),
    "request_timeout": Reason(
        "408", "The request did not come in time.", "Send it without pauses, on a steadier line."
    ),
    "content_too_large": Reason(
        "413", "The content is larger than this gateway accepts.", "Send less, or smaller images."
    ),
    "content_too_complex": Reason(
        "413",
        "The JSON of the request has too many objects, lists or commas to be read in time.",
        "Send smaller requests.",
    ),
    "expectation_failed": Reason(
        "417", "The only expectation understood is 100-continue.", "Leave the Expect field out."
    ),
    "head_too_large": Reason(
        "431", "The request line and fields are too large together.", "Send fewer or shorter fields."
    ),
    "version_not_supported": Reason("505", "Only HTTP/1.1 and HTTP/1.0 are spoken here.", _REQUEST),
    "out_of_memory_budget": Reason("503", "Too many large requests are under way at once.", _LATER),
    # Who is asking.
    "missing_credentials": Reason(
        "401", "There is no API key in the request.", "Send it as `Authorization: Bearer KEY` or `x-api-key: KEY`."
    ),
    "directory_unavailable": Reason("503", "Accounts cannot be looked up at the moment.", _LATER),
    "ambiguous_credentials": Reason(
        "401", "Two different credentials came with one request.", "Send one of Authorization and x-api-key."
    ),
    "invalid_credentials": Reason("401", "The API key or token is not valid.", "Check it, or make a new one."),
    "expired_credentials": Reason("401", "The API key or token has expired.", "Make a new one."),
    "revoked_key": Reason("401", "The API key was revoked.", "Make a new one; ask your administrator why."),
    "unknown_issuer": Reason(
        "401", "Tokens of this issuer are not accepted here.", "Use a token of an accepted issuer."
    ),
    "unknown_account": Reason(
        "403", "The token is valid, but its account is not known here.", "Ask the operator of this API for an account."
    ),
    "suspended_account": Reason("403", "The account is suspended.", "Ask the operator of this API."),
    "model_not_in_scope": Reason("403", "This key may not use this model.", "Use another key, or widen its scope."),
    "feature_not_in_scope": Reason("403", "This key may not use this feature.", "Use another key, or widen its scope."),
    # What the operator's own rules say.
    "rule_denied": Reason("403", "A rule of this API's operator refuses the request.", "Ask the operator of this API."),
    "no_rule_allows": Reason(
        "403", "No rule of this API's operator allows the request.", "Ask the operator of this API."
    ),
    "challenge_required": Reason(
        "403",
        "A challenge has to be passed before the request is answered: `challenge_url` is for a person with a browser, "
        "`puzzle_url`, where there is one, for a program, `status_url` says when it was passed, and `expires_at` until "
        "when it can be.",
        "Open `challenge_url`, or ask the owner of the account to; or solve the puzzle. Then send the request again.",
    ),
    "challenge_unavailable": Reason("503", "Whether a challenge was passed cannot be looked up at the moment.", _LATER),
    "suspicion_throttled": Reason(
        "429",
        "The account behaves unusually, so it gets fewer requests for a while. Nothing was charged.",
        "Wait as Retry-After says. It ends by itself when the account behaves as usual.",
    ),
    "rule_throttled": Reason(
        "429", "A rule of this API's operator allows only so many requests of this sort.", "Wait as Retry-After says."
    ),
    # What is found of many accounts together.
    "cluster_budget_exhausted": Reason(
        "429",
        "The use of the account looks like that of a group of accounts that act as one. Such a group shares one budget "
        "of requests, and that is used up for the moment. Nothing was charged.",
        "Wait as Retry-After says. If the account is on its own, its owner can ask for a review on the account's page.",
    ),
    "cluster_paced": Reason(
        "429",
        "The use of the account looks like that of a group of accounts that act as one, so now and then one of its "
        "requests is asked to come some seconds later. Nothing was charged.",
        "Wait the seconds that Retry-After says; the official SDKs do so by themselves. The same request passes then.",
    ),
    "temporarily_withheld": Reason(
        "403",
        "The use of the account looks like that of a group of accounts that act as one, so some features or models "
        "wait until somebody has looked at it: `withheld` names them. All other requests go on.",
        "Send the request without what is withheld. The owner of the account can ask for a review at "
        "`verification_url`: one click, and a person looks at it.",
    ),
    # From where.
    "country_not_allowed": Reason(
        "403 or 451",
        "The API is not offered in the country that the request came from, as the geo databases know it.",
        "Call from where it is offered. If the country is wrong, tell the operator of this API your address.",
    ),
    "network_not_allowed": Reason(
        "403",
        "Requests from this network, or from this kind of network (hosting, VPN, Tor, proxy, relay), are not accepted.",
        "Call without the VPN or proxy, or ask the operator of this API.",
    ),
    "location_unknown": Reason(
        "403",
        "No database knows from where the request came, and that is required here.",
        "Call from another network, or ask the operator of this API.",
    ),
    "location_mismatch": Reason(
        "403",
        "The country that the request came from, or the one in which the account pays, does not fit the account.",
        "If you travel, pass the challenge where one is offered; else ask the operator of this API.",
    ),
    "impossible_travel": Reason(
        "403",
        "The account is used in two places that are too far apart for the time between.",
        "Keep your key to yourself: make a new one if others may have it. Else ask the operator of this API.",
    ),
    "too_many_countries": Reason(
        "403",
        "The account is used in many countries within a short time.",
        "Keep your key to yourself: make a new one if others may have it. Else ask the operator of this API.",
    ),
    # What the account has earned.
    "verification_required": Reason(
        "403",
        "A higher tier is needed, which an account has by verification: `required_tier` names it; or the account "
        "behaves unusually, or as one of a group. `missing` says what is still to be shown, and `verification_url` is "
        "where its owner shows it (it works once, and expires).",
        "Open `verification_url`, or ask the owner of the account to. The next request after it succeeds.",
    ),
    "tier_insufficient": Reason(
        "403",
        "The account's tier does not have this model, feature or country, and no verification changes that.",
        "Ask the operator of this API.",
    ),
    "payment_reversed": Reason(
        "403",
        "A payment of the account was taken back (a chargeback), and its tier went with it.",
        "The owner of the account can settle it, or appeal, at `verification_url`. Else ask the operator of this API.",
    ),
    "verification_reversed": Reason(
        "403",
        "A provider has taken a verification of the account back, and its tier went with it.",
        "The owner of the account can appeal, or be verified again, at `verification_url`.",
    ),
    "account_under_review": Reason(
        "403",
        "Somebody looks at the account. Until then it stands on a lower tier, or its requests are refused.",
        "The owner of the account can appeal at `verification_url`, where it is stated. Else ask the operator.",
    ),
    # How much.
    "quota_exceeded": Reason(
        "429",
        "A quota is used up for the moment. Nothing was charged.",
        "Wait as long as Retry-After says. The x-ratelimit-*, anthropic-ratelimit-* and RateLimit fields say the rest.",
    ),
    "concurrency_exceeded": Reason(
        "429", "Too many requests of yours run at once. Nothing was charged.", "Wait until one has ended."
    ),
    "no_quota": Reason(
        "403", "No quota is set for this account and model, and nothing is unlimited.", "Ask the operator of this API."
    ),
    "quota_frozen": Reason(
        "429",
        "Such requests are stopped for now: by a limit of zero, or by an operator.",
        "Ask the operator of this API.",
    ),
    # Us, and what stands behind us.
    "policy_unavailable": Reason("503", "A check that the request needs is out of order.", _LATER),
    "quota_store_unavailable": Reason("503", "Quotas cannot be counted at the moment.", _LATER),
    "upstream_unreachable": Reason("503", "The inference API cannot be reached.", _LATER),
    "upstream_busy": Reason("503", "The inference API takes no more requests at the moment.", _LATER),
    "upstream_failed": Reason("502", "The inference API broke its answer off, or gave none.", _LATER),
    "upstream_timeout": Reason("504", "The inference API did not answer in time.", _LATER),
}

_HEAD: Final = """\
# Reasons

A refusal names its reason: `error.code` in the OpenAI dialect, `error.reason` in the Anthropic one. Its message ends in
a link to the reason's page, which the gateway itself serves under `/tidegate/reasons/`. The codes are part of the API:
they are added to, and never change their meaning. Access lines and metrics use the same words.

This page is written from `gateway/wire/reasons.py`: `python -m gateway.wire.reasons > docs/reasons.md`.

| reason | status | |
|---|---|---|
"""


def page() -> str:
    """docs/reasons.md: a table, and a section a reason."""
    rows = [f"| [`{code}`](#{code}) | {reason.status} | {reason.meaning} |\n" for code, reason in REASONS.items()]
    sections = [
        f"\n## {code}\n\nStatus {reason.status}. {reason.meaning}\n\n{reason.remedy}\n"
        for code, reason in REASONS.items()
    ]
    return _HEAD + "".join(rows + sections)


if __name__ == "__main__":
    sys.stdout.write(page())
