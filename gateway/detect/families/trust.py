"""What speaks for them."""

from __future__ import annotations

import numpy as np

from gateway.detect.evidence import Case, Sign
from gateway.detect.families.content import absence


def weigh(case: Case) -> list[Sign]:
    """An honest crowd has its share of trusted members, a campaign almost none."""
    nats = absence(case)
    if nats >= 0:
        return []
    share = float(np.mean(case.believed))
    return [Sign("trusted", nats, f"{share:.0%} of them are trusted, of all {case.everybody.share_trusted:.0%}")]
