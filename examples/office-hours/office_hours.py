from pydantic import BaseModel, ConfigDict, Field

from gateway.policy import ALLOW, Action, Context, Decision, PolicyKind


class OfficeHours(BaseModel):
    """The keys of the YAML."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tiers: frozenset[str]
    """Who has to wait for the night."""
    opens: int = Field(ge=0, le=23)
    """The hour (UTC) at which the day begins."""
    closes: int = Field(ge=1, le=24)


class OfficeHoursPolicy:
    def __init__(self, config: OfficeHours, services: object) -> None:
        self._config = config

    def decide(self, context: Context) -> Decision:
        config = self._config
        tier = context.principal.tier if context.principal else "default"
        if tier not in config.tiers or "batch" not in context.ask.features:
            return ALLOW
        second = context.now % 86400
        if not config.opens * 3600 <= second < config.closes * 3600:
            return ALLOW
        return Decision(
            Action.THROTTLE,
            reason="office_hours",
            detail="Batches of this tier run at night.",
            retry_after=config.closes * 3600 - second,
        )


KIND = PolicyKind("office-hours", OfficeHours, OfficeHoursPolicy)
