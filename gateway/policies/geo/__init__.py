"""From where: country, network and kind of network; what does not fit the account; where it was before."""

from gateway.policies.geo.config import GeoConfig
from gateway.policies.geo.policy import Geo
from gateway.policy import PolicyKind

KIND = PolicyKind("geo", GeoConfig, Geo)
