"""What is true of a world, and no detector may read: who is of a campaign, and which exchanges were distillation.

Exchange number n of the events has the id `x` and nine digits of n.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import orjson


class AccountTruth(NamedTuple):
    """Of one account."""

    account: str
    label: str
    """`benign`, `campaign`, or the name of a hard negative."""
    lab: str = ""
    """Of a campaign: for whom it works."""
    party: str = ""
    """Who is behind it: accounts of one party are one customer."""


@dataclass(slots=True)
class Truth:
    """Of one world."""

    options: dict[str, Any]
    """What it was made from."""
    began: float
    """Unix time of the period's first moment."""
    ends: float
    release: float
    """When the new model came out."""
    accounts: list[AccountTruth] = field(default_factory=list)
    kinds: npt.NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))
    """Of each exchange: `columns.Kind`."""
    new: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    """Whether it asked the new model."""
    of: npt.NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    """Number of the account in `accounts`."""
    times: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0, np.float64))

    def write(self, folder: Path) -> None:
        plain = {
            "options": self.options,
            "began": self.began,
            "ends": self.ends,
            "release": self.release,
            "accounts": [list(account) for account in self.accounts],
        }
        (folder / "truth.json").write_bytes(orjson.dumps(plain))
        np.savez_compressed(folder / "truth.npz", kinds=self.kinds, new=self.new, of=self.of, times=self.times)

    @classmethod
    def read(cls, folder: Path) -> Self:
        plain = orjson.loads((folder / "truth.json").read_bytes())
        accounts = [AccountTruth(*entry) for entry in plain.pop("accounts")]
        with np.load(folder / "truth.npz") as arrays:
            return cls(**plain, accounts=accounts, **{name: arrays[name] for name in arrays.files})

    def labels(self) -> npt.NDArray[np.str_]:
        return np.array([account.label for account in self.accounts])
