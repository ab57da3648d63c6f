"""What is observed of one exchange: its shape, never its text. docs/events.md says what each member means.

The same schema is read from a file by `tidegate detect backtest`, in JSON lines or Parquet: what a row does not state
has its default, what this version does not know is left out.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

SCHEMA: Final = 1
"""The version that this code writes, and the newest that it reads."""

Sketch = npt.NDArray[np.uint64]
"""A FracMinHash of word shingles: distinct keyed hashes, ascending, all below a bound (`gateway.campaigns.sketch`)."""

EMPTY: Final[Sketch] = np.empty(0, np.uint64)


class Minted(NamedTuple):
    """An id that we gave in an answer to one account, and that came back from another."""

    account: str
    """The tag of the account for which it was made (`minted.tag`), or in a file its name."""
    id: int
    """Keyed hash of the id: two different ones say more than one."""


class Event(NamedTuple):
    """One exchange. Empty, 0 and () mean unknown."""

    exchange: str
    time: float
    """Unix time in seconds at which the request was complete."""
    account: str
    organisation: str = ""
    key: str = ""
    tier: str = ""
    verification: int = 0
    """How far its owner was verified: steps of the ladder, 0 is not at all."""
    created: float = 0.0
    """Of the account: Unix time."""
    address: str = ""
    """Keyed hash of the client's address."""
    network: str = ""
    """Keyed hash of its /24 or /56."""
    asn: int = 0
    country: str = ""
    network_kinds: tuple[str, ...] = ()
    """Of `policy.NetworkKind`."""
    ja4: str = ""
    headers: str = ""
    """Hash of the names of the request fields in their order."""
    sdk: str = ""
    """Hash of what the client says of its software: User-Agent, X-Stainless-*."""
    dialect: str = ""
    route: str = ""
    model: str = ""
    streaming: bool = False
    features: tuple[str, ...] = ()
    """Of tools, vision, audio, reasoning, structured_output, batch, web_search; sorted."""
    input_tokens: int = 0
    """Asked: estimated."""
    output_cap: int = 0
    """Asked: the most; 0 where that was not capped."""
    usage_input: int = 0
    """Used, with what was cached."""
    usage_output: int = 0
    status: int = 0
    action: str = "allow"
    """What the chain said: allow, challenge, throttle, deny."""
    reason: str = ""
    seconds: float = 0.0
    """From the request to the end of the answer."""
    system: Sketch = EMPTY
    """Of the system prompt."""
    prompt: Sketch = EMPTY
    """Of the last turn of the user."""
    prompt_words: int = 0
    """Words of the last turn, before any bound on size."""
    prompt_hash: int = 0
    """Keyed hash of system prompt and last turn together, spaces and case apart; 0 where there is no text."""
    turns: tuple[int, ...] = ()
    """Keyed hashes of long assistant turns that the request brought back: the last two of at least 64 words."""
    minted: tuple[Minted, ...] = ()
    """Ids that were minted for another account."""


NAMES: Final = Event._fields
