"""What an exchange would have used that was refused when it came: nobody knows, so it is estimated.

As the exchanges of the same account with the same model before it used on average, else as those of the model, else as
what it asked for.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.policy import Ask, Outcome, Usage

ASSUMED_OUTPUT: Final = 256
"""Tokens, where nothing is known and the caller states no cap."""
ASSUMED_SECONDS: Final = 2.0
PAIRS: Final = 200_000
MODELS: Final = 10_000


class _Sum:
    __slots__ = ("count", "output", "seconds")

    def __init__(self) -> None:
        self.count = 0
        self.output = 0
        self.seconds = 0.0


class Estimate(NamedTuple):
    outcome: Outcome
    seconds: float


class Expected:
    """Means, of what was seen so far."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], _Sum] = {}
        self._models: dict[str, _Sum] = {}

    def learn(self, account: str, model: str, usage: Usage, seconds: float) -> None:
        output = usage.output
        known = self._models.get(model)
        if known is None and len(self._models) < MODELS:
            known = self._models[model] = _Sum()
        pair = self._pairs.get((account, model))
        if pair is None and len(self._pairs) < PAIRS:
            pair = self._pairs[account, model] = _Sum()
        for found in (known, pair):
            if found is not None:
                found.count += 1
                found.output += output
                found.seconds += seconds

    def of(self, account: str, ask: Ask) -> Estimate:
        """Its input is what was read from the request: that is known."""
        if not ask.generates:
            return Estimate(Outcome(200), ASSUMED_SECONDS)
        found = self._pairs.get((account, ask.model)) or self._models.get(ask.model)
        cap = ask.output_cap
        if found is None:
            output = float(ASSUMED_OUTPUT if cap is None else min(cap, ASSUMED_OUTPUT))
            seconds = ASSUMED_SECONDS
        else:
            output, seconds = found.output / found.count, found.seconds / found.count
            output = output if cap is None else min(output, cap)
        return Estimate(Outcome(200, Usage(input=ask.input_tokens, output=round(output))), seconds)
