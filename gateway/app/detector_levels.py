"""What the rules in force make of clusters: for the status and the metrics. Workers decide for themselves."""

from __future__ import annotations

import logging
from pathlib import Path

from gateway.campaigns.verdict import Level, Verdict
from gateway.detect.told import Cluster
from gateway.policies.risk.campaigns import Response
from gateway.policies.risk.config import RiskConfig
from gateway.rules.build import policy_kinds
from gateway.rules.problems import Problems
from gateway.rules.ruleset import load
from gateway.rules.whole import pointed

log = logging.getLogger(__name__)


class Levels:
    """Without rules everything is only observed."""

    def __init__(self, wholes: Path | None) -> None:
        """`wholes` is the folder that points at the rules in force."""
        self._wholes = wholes
        self._folder: Path | None = None
        self._response: Response | None = None

    def look(self) -> None:
        """Reads them where others came into force. The last that could be read stay."""
        if self._wholes is None:
            return
        try:
            folder = pointed(self._wholes)
            if folder == self._folder:
                return
            ruleset = load(folder / "policies", policy_kinds())
        except (OSError, Problems) as error:
            log.error("the rules in force cannot be read, levels are shown by the last ones: %s", error)
            return
        self._folder, self._response = folder, None
        for entry in ruleset.entries:
            if isinstance(entry.config, RiskConfig) and entry.config.campaigns is not None:
                self._response = Response(entry.config.campaigns, entry.name)
                return

    def of(self, cluster: Cluster) -> Level:
        """Of most of its accounts: tiers may hold some of them lower."""
        if self._response is None:
            return Level.OBSERVE
        verdict = Verdict(
            "", cluster.id, cluster.score, cluster.families, size=cluster.accounts, most=cluster.most
        )  # fmt: skip
        return self._response.level(verdict, "")
