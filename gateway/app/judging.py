"""Cases of campaigns on the operators' port."""

from __future__ import annotations

from typing import Any

from gateway.accounts.sql.database import Database
from gateway.app.accounts_admin import AccountsAdmin
from gateway.app.configuration import Configuration
from gateway.app.limits import AccountsFile
from gateway.control.cases.api import CasesApi
from gateway.control.cases.judging import Judging
from gateway.control.jobs import Jobs
from gateway.detect.settings import Settings


def cases_api(
    configuration: Configuration, database: Database, accounts: AccountsAdmin, jobs: Jobs, redis: Any
) -> CasesApi:
    """What a case would come to is told by the rules in force, of entries in shadow, too."""
    rules = accounts.rules
    return CasesApi(
        Judging(
            database,
            jobs,
            lambda: rules.campaigns,
            lambda: rules.ladder,
            AccountsFile(configuration.accounts),
            Settings().caps,
            redis,
        )
    )
