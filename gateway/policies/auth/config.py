"""The shape of `policies/auth.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from gateway.feeds.signing_keys import unsafe_address
from gateway.quantities import Count, Duration

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Asymmetric only. With HS256 the issuer's public key could be taken for a shared secret (RFC 8725, section 2.1)."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class ClaimNames(BaseModel):
    """Which claim of a token says what. One that is not named is not believed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    account: Text = "sub"
    """The account's id. Required in every token."""
    organisation: Text | None = None
    """Default: what the directory says."""
    tier: Text | None = None
    """Default: what the directory says."""
    keep: tuple[Text, ...] = ()
    """Claims that later policies may read in `principal.claims`."""


class Issuer(BaseModel):
    """One issuer of JSON Web Tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    issuer: Text
    """The claim `iss`, letter by letter."""
    audience: Text | Annotated[tuple[Text, ...], Field(min_length=1)]
    """The claim `aud` has to hold this, or one of these."""
    jwks_url: AnyHttpUrl | None = None
    """Where the issuer's key set is. https, or http on loopback."""
    keys_file: Text | None = None
    """Or a file with the key set: below the folder of the policies, relative to it. A change of it is a change of the
    rules.
    """
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)] = ("RS256", "ES256")
    """What the issuer signs with. A token that names another is refused before any key is looked for."""
    leeway: Duration = 30.0
    """How far its clock may be from ours."""
    max_age: Duration | None = None
    """Refuse tokens issued (`iat`) longer ago than this, whatever they say of their end."""
    keys_max_age: Duration = 600.0
    """How old a key set may be before it is fetched again, and a verified token before it is verified again."""
    claims: ClaimNames = ClaimNames()
    """What its tokens say of who asks."""
    accounts: Literal["known", "any"] = "known"
    """`known`: only accounts of the directory. `any`: whoever it names; tier `default` where no claim says it."""
    account_prefix: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:@/-]{0,64}$")] = ""
    """Put before the account's id, so that two issuers cannot speak of the same account by accident."""

    @model_validator(mode="after")
    def has_one_source(self) -> Self:
        if (self.jwks_url is None) == (self.keys_file is None):
            raise ValueError("needs one of `jwks_url` and `keys_file`")
        if self.jwks_url is not None and (reason := unsafe_address(str(self.jwks_url))):
            raise ValueError(reason)
        return self


class AuthConfig(BaseModel):
    """Who is asking: API keys of the directory, tokens of issuers, or both."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    api_keys: bool = True
    """Take keys (`tg_…`) that the directory knows."""
    jwt: tuple[Issuer, ...] = ()
    """Issuers whose tokens are taken."""
    remember: Annotated[Count, Field(ge=16, le=10_000_000)] = 65_536
    """How many credentials a worker knows again at once; about 0.5 kB each."""

    def named_files(self) -> dict[str, tuple[str | int, ...]]:
        """Files beside the rules -> the place that names each: they belong to the ruleset."""
        files = [(issuer.keys_file, index) for index, issuer in enumerate(self.jwt)]
        return {name: ("jwt", index, "keys_file") for name, index in files if name is not None}

    def in_folder(self, folder: Path) -> Self:
        """The same with those files where they are."""
        issuers = [
            issuer.model_copy(update={"keys_file": str(folder / issuer.keys_file)}) if issuer.keys_file else issuer
            for issuer in self.jwt
        ]
        return self.model_copy(update={"jwt": tuple(issuers)})

    @model_validator(mode="after")
    def lets_somebody_in(self) -> Self:
        if not self.api_keys and not self.jwt:
            raise ValueError("lets nobody in: set `api_keys: true`, or name an issuer under `jwt`")
        issuers = [issuer.issuer for issuer in self.jwt]
        if len(set(issuers)) < len(issuers):
            raise ValueError("two entries under `jwt` have the same `issuer`")
        return self
