"""Who is in a part of the accounts: always the same ones, on every worker, and more of them as the part grows."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from gateway.policy import Context

_STEPS = 1 << 32


def share_of(name: str, context: Context) -> float:
    """Where the caller stands in [0, 1) for the rule `name`: by account, and by address where nobody is known.

    Another rule has another order, so that it is not always the same accounts that try what is new.
    """
    principal = context.principal
    return _share(name, f"account={principal.account}" if principal is not None else context.client_address)


@lru_cache(maxsize=65_536)
def _share(name: str, caller: str) -> float:
    # An account that a token names may hold half of a surrogate pair: JSON can write one.
    digest = hashlib.blake2b(f"{name}\0{caller}".encode(errors="surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big") / _STEPS
