"""`tidegate.yaml` as the data plane wants it: settings, upstreams, routes."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from gateway.edge.edge import Settings
from gateway.edge.upstream import Origin, Route, Timeouts, Upstream
from gateway.rules.gateway_file import GatewayFile, UpstreamFile
from gateway.telemetry.counters import Counters


def settings_of(file: GatewayFile) -> Settings:
    return Settings(
        max_head=file.sizes.head,
        max_body=file.sizes.body,
        body_budget=file.sizes.bodies,
        max_connections=file.sizes.connections,
        head_timeout=file.timeouts.head,
        body_timeout=file.timeouts.body,
        keep_alive_timeout=file.timeouts.keep_alive,
        drain_timeout=file.timeouts.drain,
        sweep=min(0.5, file.timeouts.head / 4, file.timeouts.idle / 4, file.timeouts.first_byte / 4),
        public_url=file.public_url.rstrip("/"),
        ruleset_field=file.ruleset_field,
        ja4_field=file.ja4_field.encode(),
    )


def routes_of(file: GatewayFile, base: Path, counters: Counters, now: Callable[[], float]) -> list[Route]:
    """In the order of the file; the last serves every path. `base` is the folder of the file."""
    timeouts = Timeouts(
        file.timeouts.connect, file.timeouts.first_byte, file.timeouts.idle, file.timeouts.upstream_keep_alive
    )

    def upstreams(written: tuple[UpstreamFile, ...]) -> list[Upstream]:
        return [
            Upstream(
                origin=origin_of(upstream, base),
                timeouts=timeouts,
                counters=counters,
                now=now,
                most=upstream.max_connections,
            )
            for upstream in written
        ]

    routes = [Route(route.name, route.paths, upstreams(route.upstreams)) for route in file.routes]
    return [*routes, Route("default", (), upstreams(file.upstreams))]


def origin_of(upstream: UpstreamFile, base: Path) -> Origin:
    """Raises OSError where its authority's file cannot be used."""
    parts = urlsplit(upstream.url)
    tls = None
    if parts.scheme == "https":
        tls = ssl.create_default_context(cafile=str(base / upstream.ca) if upstream.ca else None)
        tls.set_alpn_protocols(["http/1.1"])
    credential = b""
    if upstream.bearer is not None:
        credential += b"Authorization: Bearer %b\r\n" % upstream.bearer.get_secret_value().encode()
    if upstream.api_key is not None:
        credential += b"X-Api-Key: %b\r\n" % upstream.api_key.get_secret_value().encode()
    return Origin(
        name=upstream.name,
        host=parts.hostname or "",
        port=parts.port or (443 if tls else 80),
        authority=parts.netloc.encode(),
        prefix=parts.path.rstrip("/").encode(),
        tls=tls,
        weight=upstream.weight,
        credential=credential,
        health_path=upstream.health,
    )
