"""What differs between providers, as data: where they are asked, what they state, what their codes mean.

A code is the caller's fault (wrong, expired, duplicate, action), ours (OURS: no verdict), or either's (EITHER): a code
that our settings can cause, and an answer that somebody brings from elsewhere as well. Either's is ours as long as the
provider has never passed anybody by these settings, and the caller's from then on: otherwise whoever sends such answers
could make a provider look broken that is not. A code that stands in no table is ours.

Sources, October 2026: developers.cloudflare.com/turnstile/get-started/server-side-validation; docs.hcaptcha.com
("Verify the user response server side"); developers.google.com/recaptcha/docs/verify and /docs/v3;
docs.cloud.google.com/recaptcha/docs/create-assessment-website and its TokenProperties.InvalidReason;
developer.friendlycaptcha.com/docs/v2/api/siteverify.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from pydantic import SecretStr

from gateway.wire.untrusted import check_base

OURS: Final = "ours"
EITHER: Final = "either"
DUPLICATE: Final = "duplicate"


class Vendor(NamedTuple):
    """One kind. Times in seconds."""

    base: str
    """Of its API."""
    target: str
    """The path that answers are validated at; `{project}` in it is the entry's."""
    field: str
    """The form field of its widget."""
    look: str
    """The class of its element."""
    script: str
    """Of its widget."""
    sources: Mapping[str, tuple[str, ...]]
    """As in `contract.Widget`."""
    codes: Mapping[str, str]
    lasts: float
    """How old an answer may be by what it states. The provider bounds it as well, more narrowly where `at` is when a
    challenge was loaded."""
    longest: int
    """Characters of an answer."""
    names_host: bool = True
    """It always says where an answer was given."""
    scores: bool = False
    again: bool = False
    """It may be asked again about the same answer: it gives the same verdict for the same idempotency key."""


_SITEVERIFY: Final[Mapping[str, str]] = {
    "missing-input-secret": OURS,
    "invalid-input-secret": OURS,
    "missing-input-response": "wrong",
    "invalid-input-response": "wrong",
    "bad-request": OURS,
}

TURNSTILE: Final = Vendor(
    base="https://challenges.cloudflare.com",
    target="/turnstile/v0/siteverify",
    field="cf-turnstile-response",
    look="cf-turnstile",
    script="https://challenges.cloudflare.com/turnstile/v0/api.js",
    sources={
        "script-src": ("https://challenges.cloudflare.com",),
        "frame-src": ("https://challenges.cloudflare.com",),
    },
    codes={
        **_SITEVERIFY,
        "invalid-widget-id": EITHER,
        "invalid-parsed-secret": OURS,
        "timeout-or-duplicate": DUPLICATE,
        "internal-error": OURS,
    },
    lasts=330.0,
    longest=2048,
    again=True,
)

_HCAPTCHA: Final = ("https://hcaptcha.com", "https://*.hcaptcha.com")

HCAPTCHA: Final = Vendor(
    base="https://api.hcaptcha.com",
    target="/siteverify",
    field="h-captcha-response",
    look="h-captcha",
    script="https://js.hcaptcha.com/1/api.js",
    sources={"script-src": _HCAPTCHA, "frame-src": _HCAPTCHA, "style-src": _HCAPTCHA, "connect-src": _HCAPTCHA},
    codes={
        **_SITEVERIFY,
        "expired-input-response": "expired",
        "already-seen-response": DUPLICATE,
        "invalid-or-already-seen-response": DUPLICATE,
        # Its test answers, which anybody can send.
        "not-using-dummy-secret": "wrong",
        "not-using-dummy-passcode": OURS,
        "sitekey-secret-mismatch": EITHER,
        "invalid-sitekey": OURS,
        "missing-remoteip": OURS,
        "invalid-remoteip": OURS,
    },
    lasts=600.0,
    longest=8192,
    scores=True,
)

_GOOGLE_SOURCES: Final[Mapping[str, tuple[str, ...]]] = {
    "script-src": ("https://www.google.com/recaptcha/", "https://www.gstatic.com/recaptcha/"),
    "frame-src": ("https://www.google.com/recaptcha/", "https://recaptcha.google.com/recaptcha/"),
    "connect-src": ("https://www.google.com/recaptcha/",),
}

RECAPTCHA: Final = Vendor(
    base="https://www.google.com",
    target="/recaptcha/api/siteverify",
    field="g-recaptcha-response",
    look="g-recaptcha",
    script="https://www.google.com/recaptcha/api.js",
    sources=_GOOGLE_SOURCES,
    codes={
        **_SITEVERIFY,
        "timeout-or-duplicate": DUPLICATE,
        "browser-error": "wrong",
        "invalid-keys": EITHER,
    },
    # `challenge_ts` is when the challenge was loaded: who is slow is no robot. The answer lasts two minutes by itself.
    lasts=1800.0,
    longest=8192,
    scores=True,
)

RECAPTCHA_ENTERPRISE: Final = Vendor(
    base="https://recaptchaenterprise.googleapis.com",
    target="/v1/projects/{project}/assessments",
    field="g-recaptcha-response",
    look="g-recaptcha",
    script="https://www.google.com/recaptcha/enterprise.js",
    sources=_GOOGLE_SOURCES,
    codes={
        "INVALID_REASON_UNSPECIFIED": OURS,
        "UNKNOWN_INVALID_REASON": "wrong",
        "MALFORMED": "wrong",
        "EXPIRED": "expired",
        "DUPE": DUPLICATE,
        "SITE_MISMATCH": EITHER,
        "MISSING": "wrong",
        # "Could easily be simulated by an attacker."
        "BROWSER_ERROR": "wrong",
        "UNEXPECTED_ACTION": "action",
    },
    lasts=330.0,
    longest=16_384,
    scores=True,
)

FRIENDLY: Final = Vendor(
    base="https://global.frcapi.com",
    target="/api/v2/captcha/siteverify",
    field="frc-captcha-response",
    look="frc-captcha",
    script="https://cdn.jsdelivr.net/npm/@friendlycaptcha/sdk@0.1/site.min.js",
    sources={
        "script-src": ("https://cdn.jsdelivr.net/npm/@friendlycaptcha/",),
        "frame-src": ("https://*.frcapi.com",),
        "connect-src": ("https://*.frcapi.com",),
    },
    codes={
        "auth_required": OURS,
        "auth_invalid": OURS,
        "sitekey_invalid": OURS,
        "bad_request": OURS,
        "response_missing": "wrong",
        "response_invalid": "wrong",
        "response_timeout": "expired",
        "response_duplicate": DUPLICATE,
    },
    lasts=1800.0,
    longest=16_384,
    names_host=False,
)

VENDORS: Final[Mapping[str, Vendor]] = {
    "turnstile": TURNSTILE,
    "hcaptcha": HCAPTCHA,
    "recaptcha": RECAPTCHA,
    "recaptcha_enterprise": RECAPTCHA_ENTERPRISE,
    "friendly": FRIENDLY,
}
"""Kind, as `captchas` of tidegate.yaml has it."""


class Entry(Protocol):
    """An entry under `captchas` of tidegate.yaml (`gateway.rules.gateway_file.CaptchaFile`)."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def site_key(self) -> str: ...
    @property
    def secret(self) -> SecretStr: ...
    @property
    def project(self) -> str: ...
    @property
    def score(self) -> float | None: ...
    @property
    def hostnames(self) -> Sequence[str]: ...
    @property
    def url(self) -> str | None: ...
    @property
    def timeout(self) -> float: ...


def complaint(entry: Entry) -> str:
    """What is wrong with the entry for its kind, with the name of the key; empty where nothing is."""
    vendor = VENDORS[entry.kind]
    if bool(entry.project) != ("{project}" in vendor.target):
        needs = "needs it" if not entry.project else "has none"
        return f"`project`: a captcha of kind `{entry.kind}` {needs}"
    if entry.score is not None and not vendor.scores:
        return f"`score` has no meaning for a captcha of kind `{entry.kind}`"
    if not entry.secret.get_secret_value():
        return "`secret` is empty"
    try:
        check_base(entry.url or vendor.base)
    except ValueError as problem:
        return f"`url` {problem}"
    return ""
