"""`tidegate.yaml`, checked, and the files and folders that it means."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gateway.edge.from_file import origin_of
from gateway.edge.listener import tls_context
from gateway.rules.check import check
from gateway.rules.gateway_file import GatewayFile
from gateway.rules.problems import Problem
from gateway.rules.read import read


@dataclass(frozen=True, slots=True)
class Configuration:
    """`tidegate.yaml`, checked, and the paths that it means."""

    file: GatewayFile
    path: Path
    source: bytes = b""
    """As it was read. Workers that start later go by it, whatever stands in the file by then."""

    @property
    def policies(self) -> Path:
        return self.path.parent / self.file.policies

    @property
    def accounts(self) -> Path:
        return self.path.parent / self.file.accounts

    @property
    def accounts_required(self) -> bool:
        """A file that somebody named has to be there."""
        return "accounts" in self.file.model_fields_set

    @property
    def data(self) -> Path:
        return self.path.parent / self.file.data

    @property
    def audit_log(self) -> Path | None:
        return self.path.parent / self.file.audit_log if self.file.audit_log else None


def read_configuration(
    path: Path, environment: Mapping[str, str] = os.environ, copy: Path | None = None
) -> Configuration:
    """Raises Problems with all that is wrong in the file. `copy` is read instead; its paths are relative to `path`."""
    document = read(copy or path)
    return Configuration(check(document, GatewayFile, environment), path.resolve(), document.source)


def unusable(configuration: Configuration) -> list[Problem]:
    """Files that cannot be used: better said here than by every worker in turn."""
    file, base = configuration.file, configuration.path.parent
    problems = []
    try:
        if file.tls is not None:
            tls_context(base / file.tls.certificate, base / file.tls.key)
    except OSError as error:
        problems.append(Problem(configuration.path, 1, 1, f"tls: certificate or key cannot be used: {error}"))
    logs = {"audit_log": file.audit_log}
    if file.access_log not in ("stdout", "off"):
        logs["access_log"] = file.access_log
    if file.exchange_log is not None:
        logs["exchange_log"] = file.exchange_log.folder
    for key, name in logs.items():
        if name and not os.access((base / name).parent, os.W_OK):
            problems.append(Problem(configuration.path, 1, 1, f"{key}: nothing can be written beside {name}"))
    if file.traces is not None and not all(map(find_spec, ("opentelemetry", "opentelemetry.sdk"))):
        problems.append(Problem(configuration.path, 1, 1, "traces: needs pip install 'tidegate[traces]'"))
    upstreams = [*file.upstreams, *(upstream for route in file.routes for upstream in route.upstreams)]
    for upstream in upstreams:
        try:
            origin_of(upstream, base)
        except OSError as error:
            said = f"upstream {upstream.name}: ca {upstream.ca} cannot be used: {error}"
            problems.append(Problem(configuration.path, 1, 1, said))
    return problems
