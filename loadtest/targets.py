"""Who is measured. Each target writes its configuration, and says how it is started and what it does for a request."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from loadtest import world
from loadtest.machine import ROOT, first_line
from loadtest.peers import Peers
from loadtest.processes import free_port

LITELLM_KEY: Final = "sk-loadtest"
MANY: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Site:
    """Where a target is started."""

    folder: Path
    """Its own, empty."""
    port: int
    upstream: int
    """Port of the inference API."""
    workers: int
    redis: int
    """Port of the Redis."""
    accounts: Path
    peers: Peers


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start it."""

    command: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    patience: float = 20.0
    """Seconds until it has to answer."""
    grows: Path | None = None
    """A log to cut between two samples, so that a disk is never filled."""


@dataclass(frozen=True, slots=True)
class Target:
    """One competitor."""

    name: str
    title: str
    does: str
    """What it does for each request, for whoever compares."""
    absent: Callable[[Peers], str]
    """Why it cannot be had here; empty if it can."""
    launch: Callable[[Site], Launch]
    key: str = ""
    """A key of its own instead of our rotating ones."""
    fields: Callable[[Site], tuple[tuple[str, str], ...]] = lambda _: ()
    warm_up: float = 1.0
    """Seconds of load before the first sample."""
    least_seconds: float = 0.0
    """A sample is at least this long: where an answer takes half a second, a short one holds next to none."""


def _tidegate(chain: str) -> Callable[[Site], Launch]:
    def launch(site: Site) -> Launch:
        config = world.make(
            site.folder,
            port=site.port,
            admin=free_port(),
            redis=f"redis://127.0.0.1:{site.redis}/0",
            upstream=site.upstream,
            chain=chain,
            accounts=site.accounts,
        )
        command = (sys.executable, "-m", "gateway", "serve", "--config", config, "--workers", str(site.workers))
        return Launch(command, {"PYTHONPATH": str(ROOT)}, grows=site.folder / "access.log")

    return launch


def find_nginx() -> str | None:
    """Where nginx is: Debian keeps it off the path of those who are not root."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def nginx_config(folder: Path, workers: int, servers: str) -> Path:
    """An nginx.conf that keeps to its folder."""
    # Its workers would be nobody, who may not enter the folder; only root may and has to say so.
    user = f"user {pwd.getpwuid(os.geteuid()).pw_name};" if os.geteuid() == 0 else ""
    temporary = "\n  ".join(
        f"{kind}_temp_path {folder};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"""\
{user}
daemon off;
worker_processes {workers};
worker_rlimit_nofile {os.sysconf("SC_OPEN_MAX")};
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 8192; }}
http {{
  {temporary}
  access_log off;
  keepalive_requests {MANY};
  server_tokens off;
  {servers}
}}
"""
    )
    return config


def _nginx(site: Site) -> Launch:
    servers = f"""\
upstream inference {{ server 127.0.0.1:{site.upstream}; keepalive 1024; keepalive_requests {MANY}; }}
  server {{
    listen 127.0.0.1:{site.port} backlog=4096 reuseport;
    location / {{
      proxy_pass http://inference;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}"""
    config = nginx_config(site.folder, site.workers, servers)
    return Launch((find_nginx() or "nginx", "-p", site.folder, "-c", config))


ENVOY_LIMIT: Final = {
    "name": "envoy.filters.http.local_ratelimit",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "limit",
        "token_bucket": {"max_tokens": 1_000_000_000, "tokens_per_fill": 1_000_000_000, "fill_interval": "1s"},
        "filter_enabled": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}},
        "filter_enforced": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}},
    },
}


def envoy_config(port: int, upstream: int, *, limited: bool) -> str:
    """One listener, one route, one cluster; JSON is YAML enough for Envoy."""

    def address(number: int) -> dict[str, object]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": number}}

    extensions = "type.googleapis.com/envoy.extensions.filters"
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{extensions}.http.router.v3.Router"}}
    manager = {
        "@type": f"{extensions}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "codec_type": "HTTP1",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "inference", "timeout": "0s"}}],
                }
            ]
        },
        "http_filters": [ENVOY_LIMIT, router] if limited else [router],
    }
    thresholds = {"max_connections": 100_000, "max_pending_requests": 100_000, "max_requests": 100_000}
    endpoint = {"endpoint": {"address": address(upstream)}}
    config = {
        "static_resources": {
            "listeners": [
                {
                    "name": "in",
                    "address": address(port),
                    "filter_chains": [
                        {
                            "filters": [
                                {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
                            ]
                        }
                    ],
                }
            ],
            "clusters": [
                {
                    "name": "inference",
                    "type": "STATIC",
                    "connect_timeout": "5s",
                    "circuit_breakers": {"thresholds": [thresholds]},
                    "load_assignment": {"cluster_name": "inference", "endpoints": [{"lb_endpoints": [endpoint]}]},
                }
            ],
        }
    }
    return json.dumps(config, indent=1)


def _envoy(*, limited: bool) -> Callable[[Site], Launch]:
    def launch(site: Site) -> Launch:
        config = site.folder / "envoy.yaml"
        config.write_text(envoy_config(site.port, site.upstream, limited=limited))
        binary = site.peers.envoy or Path("envoy")
        command = (binary, "-c", config, "--concurrency", str(site.workers), "--disable-hot-restart", "-l", "critical")
        return Launch(command)

    return launch


def _litellm(site: Site) -> Launch:
    config = site.folder / "litellm.json"
    config.write_text(
        json.dumps(
            {
                "model_list": [
                    {
                        "model_name": "m-small",
                        "litellm_params": {
                            "model": "openai/m-small",
                            "api_base": f"http://127.0.0.1:{site.upstream}/v1",
                            "api_key": "not-a-secret",
                            "rpm": 100_000_000,
                            "tpm": 1_000_000_000_000,
                        },
                    }
                ],
                "router_settings": {
                    "routing_strategy": "usage-based-routing-v2",
                    "redis_host": "127.0.0.1",
                    "redis_port": site.redis,
                },
                "general_settings": {"master_key": LITELLM_KEY},
            }
        )
    )
    command = (site.peers.litellm or "litellm", "--config", config, "--host", "127.0.0.1", "--port", str(site.port))
    # It fetches a table of prices from the network unless told that its own will do.
    environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_TELEMETRY": "False"}
    return Launch((*command, "--telemetry", "False"), environment, patience=180.0)


def _portkey(site: Site) -> Launch:
    command = ("node", site.peers.portkey or "start-server.js", "--headless", f"--port={site.port}")
    # It refuses upstreams on loopback unless they are named.
    return Launch(command, {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}, patience=60.0)


def _portkey_fields(site: Site) -> tuple[tuple[str, str], ...]:
    return ("x-portkey-provider", "openai"), ("x-portkey-custom-host", f"http://127.0.0.1:{site.upstream}/v1")


def _here(_: Peers) -> str:
    return ""


def _no_envoy(peers: Peers) -> str:
    return "" if peers.envoy else "not installed; --install-peers brings it"


TARGETS: Final[Mapping[str, Target]] = {
    target.name: target
    for target in (
        Target(
            "tidegate",
            "Tidegate",
            "API key, flood guard, four exact buckets and a concurrency lease in Redis, settled by real usage; "
            "access log to a file, metrics",
            _here,
            _tidegate("chain.yaml"),
        ),
        Target(
            "tidegate-auth",
            "Tidegate, auth only",
            "the same without quotas: API key, reading of body and usage, access log, metrics",
            _here,
            _tidegate("chain-auth.yaml"),
        ),
        Target(
            "nginx",
            "nginx",
            "plain proxy: no key, no limit, no log",
            lambda _: "" if find_nginx() else "not installed (Debian: nginx-light)",
            _nginx,
        ),
        Target(
            "envoy",
            "Envoy",
            "plain proxy with its usual statistics: no key, no limit, no log",
            _no_envoy,
            _envoy(limited=False),
        ),
        Target(
            "envoy-limit",
            "Envoy, local_ratelimit",
            "one bucket in the process for all requests together: no key, no shared state, no log",
            _no_envoy,
            _envoy(limited=True),
        ),
        Target(
            "portkey",
            "Portkey gateway",
            "pass-through to an OpenAI-shaped upstream: no key of its own, no limit",
            lambda peers: "" if peers.portkey else "not installed; --install-peers brings it (needs node)",
            _portkey,
            fields=_portkey_fields,
            warm_up=3.0,
        ),
        Target(
            "litellm",
            "LiteLLM proxy",
            "master key, rpm and tpm in Redis (not exact), cost counting, validation and translation, one worker",
            lambda peers: "" if peers.litellm else "not installed; --install-peers brings it",
            _litellm,
            key=LITELLM_KEY,
            warm_up=4.0,
            least_seconds=6.0,
        ),
    )
}


def versions(peers: Peers) -> dict[str, str]:
    """Of the peers that are here."""
    found = dict(peers.versions())
    nginx = find_nginx()
    if nginx:
        found["nginx"] = first_line([nginx, "-v"]).removeprefix("nginx version: nginx/")
    if peers.envoy:
        words = first_line([str(peers.envoy), "--version"]).split("/")
        found["envoy"] = words[-4] if len(words) > 4 else "unknown"
    return found
