"""Friction that grows with suspicion: slower, a proof of work, a challenge for a person, evidence, a review."""

from gateway.policies import Services
from gateway.policies.captcha.config import CaptchaConfig
from gateway.policies.captcha.policy import Captcha
from gateway.policy import Policy, PolicyKind


def build(config: CaptchaConfig, services: Services) -> Policy:
    return Captcha(config, services)


KIND = PolicyKind("captcha", CaptchaConfig, build)
