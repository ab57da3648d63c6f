"""Proof of work by ALTCHA, version 2: puzzles for browsers and for programs, checked in a fraction of a millisecond.

A puzzle is a nonce and a salt; a counter is to be found for which PBKDF2 of (nonce, counter) begins with 16 given
bytes. We choose the counter when we make it ("deterministic mode"), derive its key once and sign that: whoever has the
other 16 bytes has done the work, and to see that, nothing is derived again (altcha.org/docs/v2/proof-of-work).

What it withstands:

- Work done beforehand, or for another puzzle: nonce and salt are random for each, and signed.
- An answer brought elsewhere: the challenge's token is in `parameters.data`, signed with the rest.
- An easier puzzle: algorithm, cost and prefix are signed; of many puzzles of one challenge, none can be told to be the
  easy one, because the counter is uniform and not known.
- An answer brought twice: not found here. A challenge is passed once in the fleet (`gateway.challenges.ladder.Passed`).

It shows that somebody paid for some seconds of a processor, never that somebody is a person: farms are faster.
"""

from __future__ import annotations

import binascii
import hmac
import json
from base64 import b64decode
from collections.abc import Callable
from secrets import randbelow
from typing import Any, Final

import altcha

from gateway.accounts.secrets import Secrets
from gateway.challenges.token import Challenge

ALGORITHM: Final = "PBKDF2/SHA-256"
"""It is native in every browser, in Python and in Node: a solver of our own has no great lead on the widget, as it has
with single SHA-256, where the widget mostly waits for promises. Argon2id and scrypt would need WebAssembly, which a
strict policy of the page forbids."""
COST: Final = 500
"""Iterations of one try: enough that what a browser spends on promises around each stays the smaller part, few enough
that making a puzzle, which is one try, stays far below a millisecond."""
TRIES: Final = 600
"""The most that a difficulty of 1 takes; half of it on the average."""
HARDEST: Final = 8.0
"""Whatever adds up: an honest phone is not kept for longer than so many times."""
LASTS: Final = 600.0
"""Seconds that a puzzle is good for, at most: a page left open fetches a new one."""
LONGEST_ANSWER: Final = 6144
"""Characters. The longest token that is made (2,900) makes 4,800; a usual one (300) makes 1,200."""

_SIGNS: Final = "work-puzzle"
_SIGNS_KEY: Final = "work-key"
_KEY_DIGITS: Final = 64
_NAMES: Final = frozenset(
    {"algorithm", "cost", "data", "expiresAt", "keyLength", "keyPrefix", "keySignature", "nonce", "salt"}
)
"""Of the parameters of a puzzle of ours."""


class BadWork(Exception):
    """No answer to a puzzle of ours. `reason` is malformed, forged, expired or wrong."""

    def __init__(self, reason: str, token: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.token = token
        """Of the challenge, where the puzzle was ours (expired, wrong); empty otherwise."""


class Load:
    """By how much harder puzzles get because so many are asked for in this process: 1 to `most`.

    Counted are challenges, each once in a window, so that nobody makes puzzles harder for others by asking for his own
    again and again; it gets harder for him. Times in seconds; `clock` need not be the time of day.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        window: float = 30.0,
        calm: int = 100,
        often: int = 4,
        most: float = 4.0,
        kept: int = 10_000,
    ) -> None:
        """`calm`: so many challenges a window are nothing unusual. `often`: nor are so many puzzles of one challenge: a
        page is loaded anew, a client was cut off. `kept`: the most challenges that are remembered of a window.
        """
        self._clock = clock
        self._window = window
        self._calm = calm
        self._often = often
        self._most = most
        self._kept = kept
        self._began = clock()
        self._now: dict[str, int] = {}
        self._before: dict[str, int] = {}

    def asked(self, challenge: str) -> float:
        """A puzzle is asked for, for the challenge with that id: what its difficulty is to be multiplied by."""
        self._turn()
        if challenge in self._now or len(self._now) < self._kept:
            self._now[challenge] = self._now.get(challenge, 0) + 1
        times = self._now.get(challenge, 0) + self._before.get(challenge, 0)
        challenges = max(len(self._now), len(self._before))
        return min(self._most, max(1.0, challenges / self._calm) * max(1.0, times / self._often))

    def _turn(self) -> None:
        passed = self._clock() - self._began
        if passed >= self._window:
            self._before = self._now if passed < 2 * self._window else {}
            self._now = {}
            self._began += passed


class Work:
    """Makes puzzles and checks answers. Which challenge a puzzle is for stands in it, signed."""

    def __init__(self, secrets: Secrets, load: Load | None = None, *, cost: int = COST, tries: int = TRIES) -> None:
        """`load` makes puzzles harder while many are asked for."""
        self._secrets = secrets
        self._load = load
        self._cost = cost
        self._tries = tries

    def puzzle(self, challenge: Challenge, token: str, difficulty: float, now: float) -> dict[str, Any]:
        """`{parameters, signature}` as the ALTCHA widget and its libraries know it; `parameters.data.challenge` is the
        token. A difficulty of 1 takes a phone less than two seconds, and one on the average; 2 twice as long. It is
        kept between 1 and HARDEST. Costs about half a millisecond.
        """
        if self._load is not None:
            difficulty *= self._load.asked(challenge.id)
        tries = round(self._tries * min(max(difficulty, 1.0), HARDEST))
        made = altcha.create_challenge(
            ALGORITHM,
            self._cost,
            counter=randbelow(tries),
            expires_at=int(min(challenge.until, now + LASTS)),
            data={"challenge": token, "secret": self._secrets.newest},
            hmac_secret=self._secrets.key(_SIGNS),
            hmac_key_secret=self._secrets.key(_SIGNS_KEY),
        )
        puzzle: dict[str, Any] = made.to_dict()
        return puzzle

    def check(self, answer: str, now: float) -> str:
        """The token of the challenge to which this is the answer: base64 of the widget's payload. Costs less than a
        millisecond, whatever it is. Raises BadWork.

        As `altcha.verify_solution` with a key signature decides, by a given time instead of the system's, and without
        its canonical JSON in Python: that takes a sender's content apart before it knows whose it is.
        """
        parameters, signature, found = _read(answer)
        try:
            secret = parameters["data"]["secret"]
            key = self._secrets.key(_SIGNS, secret) if secret and isinstance(secret, str) else b""
        except (KeyError, TypeError):
            raise BadWork("forged") from None
        if not key or not _like_ours(parameters) or not _signed(key, _canonical(parameters), signature):
            raise BadWork("forged")
        # From here on the parameters are what we made: the text that was signed is written by nothing else.
        token: str = parameters["data"]["challenge"]
        if now >= parameters["expiresAt"]:
            raise BadWork("expired", token)
        if not _signed(self._secrets.key(_SIGNS_KEY, secret), found, parameters["keySignature"]):
            raise BadWork("wrong", token)
        return token


def _read(answer: str) -> tuple[dict[str, Any], str, bytes]:
    """(parameters, their signature, the key that was found), none of it believed."""
    if len(answer) > LONGEST_ANSWER:
        raise BadWork("malformed")
    try:
        content = json.loads(b64decode(answer, validate=True))
        parameters, signature = content["challenge"]["parameters"], content["challenge"]["signature"]
        digits = content["solution"]["derivedKey"]
        found = bytes.fromhex(digits) if len(digits) == _KEY_DIGITS else b""
    except (binascii.Error, ValueError, KeyError, TypeError, RecursionError):
        raise BadWork("malformed") from None
    if type(parameters) is not dict or type(signature) is not str:
        raise BadWork("malformed")
    return parameters, signature, found


def _like_ours(parameters: dict[str, Any]) -> bool:
    """Whether it has the shape of what we sign: flat but for `data`. Spares us from writing down what is not."""
    data = parameters["data"]
    return (
        parameters.keys() == _NAMES
        and len(data) == 2
        and all(type(value) in (int, str) or value is data for value in parameters.values())
        and all(type(value) is str for value in data.values())
    )


def _canonical(parameters: dict[str, Any]) -> bytes:
    """ALTCHA's canonical JSON, for what we sign: names in order, no spaces, ASCII (`canonicalJSON` of altcha-lib). For
    anything else it is another text, which nobody has signed.
    """
    return json.dumps(parameters, sort_keys=True, separators=(",", ":")).encode()


def _signed(key: bytes, content: bytes, signature: str) -> bool:
    expected = hmac.digest(key, content, "sha256").hex()
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass"))
