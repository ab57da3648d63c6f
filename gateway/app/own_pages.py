"""What a gateway serves by itself on the callers' port: reasons, owners' pages, and where providers tell their news."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from gateway.accounts import one_time
from gateway.accounts.directory import Directory as LiveAccounts
from gateway.accounts.one_time import Scope
from gateway.accounts.secrets import Secrets
from gateway.app.challenges import Challenging
from gateway.app.clocks import wall
from gateway.app.directory import Directory
from gateway.app.offers import Offers
from gateway.campaigns.verdict import Verdicts
from gateway.control import hooks, pages
from gateway.control.challenge import pages as challenge
from gateway.control.challenge.person import Members
from gateway.control.mail import MailServer, SmtpMailer, mail_server
from gateway.control.owner import pages as owner
from gateway.control.owner.place import link_path
from gateway.control.owner.sessions import Sessions
from gateway.rules.gateway_file import GatewayFile
from gateway.verification.desk import Desk
from gateway.verification.inbox import Inbox
from gateway.verification.provider import Provider
from gateway.verification.review import Manual
from gateway.wire.forwarded import TrustedHops

LINK_LASTS = 3600.0
"""Seconds for which a link in a refusal can be opened."""


def owner_link(secrets: Secrets, account: str) -> str:
    """A path of ours that works once: for whoever bears a key, to hand on to the account's owner."""
    return link_path(one_time.make(secrets, account, Scope.VERIFY, wall() + LINK_LASTS))


class OwnPages:
    """The application, and what is counted of it."""

    def __init__(
        self,
        file: GatewayFile,
        durable: Directory | None,
        accounts: LiveAccounts,
        providers: Mapping[str, Provider],
        offers: Callable[[], Offers],
        told: Callable[[], None],
        challenging: Challenging,
        verdicts: Verdicts | None,
    ) -> None:
        """`told` says to the clerk that there is something in the inbox."""
        self.application = pages.application()
        self.hooks: hooks.Hooks | None = None
        trusted = TrustedHops(file.trusted_hops)
        members = None
        if durable is not None:
            members = Members(Sessions(durable.database, durable.secrets, accounts), durable.secrets)
        challenge.add_to(
            self.application,
            desk=challenging.desk,
            now=wall,
            public_url=file.public_url,
            members=members,
            client=lambda request: _client(trusted, request),
        )
        if durable is None:
            return
        database, secrets = durable.database, durable.secrets
        inbox = Inbox(database, wall, told)
        self.hooks = hooks.Hooks(
            {name: one for name, one in providers.items() if not isinstance(one, Manual)}, inbox, wall
        )
        hooks.add_to(self.application, self.hooks)
        owner.add_to(
            self.application,
            database=database,
            secrets=secrets,
            directory=accounts,
            desk=Desk(database, providers, lambda: offers().ladder, wall),
            ladder=lambda: offers().ladder,
            now=wall,
            public_url=file.public_url,
            mailer=_mailer(file),
            quotas=lambda tier: offers().gives.get(tier, ()),
            client=lambda request: _client(trusted, request),
            verdicts=verdicts,
            response=lambda: offers().response,
            held=lambda: challenging.escalations.held,
        )


def _mailer(file: GatewayFile) -> SmtpMailer | None:
    if file.mail is None:
        return None
    server: MailServer = mail_server(file.mail.smtp.get_secret_value())
    return SmtpMailer(server, file.mail.sender, wall)


def _client(trusted: TrustedHops, request: web.Request) -> str:
    """As the edge sees it: trusted hops are believed, nobody else is."""
    chain = ", ".join(request.headers.getall("X-Forwarded-For", []))
    return trusted.client(request.remote or "", {b"x-forwarded-for": chain.encode("utf-8", "surrogateescape")})
