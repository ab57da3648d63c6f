"""`tidegate serve`: a supervisor with its workers and the operators' port."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from gateway.app.accounts_admin import AccountsAdmin
from gateway.app.clocks import wall
from gateway.app.configuration import Configuration
from gateway.app.directory import open_durable
from gateway.app.observing import SOCKET
from gateway.app.operators import OperatorsPort
from gateway.app.schema import prepare_durable
from gateway.app.supervisor import prepare_everything, rulesets
from gateway.cli.configured import ConfigOption, fail, fail_with
from gateway.cli.deployment import doubts, faults
from gateway.cli.process_log import log_to_stderr
from gateway.cli.runtime import runtime_folder
from gateway.control.audit import Notes
from gateway.control.fleet import Fleet
from gateway.edge.listener import address_of, bind, claim
from gateway.edge.workers import Supervisor
from gateway.rules.problems import Problems
from gateway.rules.ruleset import Ruleset
from gateway.rules.unknown import placeless, undated
from gateway.rules.whole import Whole
from gateway.tasks import spawn

log = logging.getLogger("tidegate")

CLERK_WITHIN = 20.0
"""Seconds for the clerk to finish what is in hand: what is not done waits in the inbox."""
OBSERVE_WITHIN = 15.0
"""Seconds for the sketcher, and then the detector, to end: what was not told is told again after the next start."""
RECORD_WITHIN = 20.0
"""Seconds for the recorder to end: what it has not recorded by then waits in the spool."""


def serve(
    config: ConfigOption = Path("tidegate.yaml"),
    workers: Annotated[int | None, typer.Option(help="Instead of what the file says.", min=1, max=256)] = None,
) -> None:
    """Serve. SIGTERM drains; rules are read again when their files change, and on SIGHUP."""
    log_to_stderr()
    # Until it can be heard it must not end us; whatever it tells of is found by the first look at the files.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with runtime_folder(wall()) as runtime:
        try:
            configuration, whole, ruleset = prepare_everything(config, runtime / "wholes")
            if wrong := faults(configuration):
                raise Problems(wrong)
            log_to_stderr(configuration.file.process_log)
            prepare_durable(configuration)
        except Problems as problems:
            fail_with(problems)
        log.info("chain: %s", " → ".join(whole.entries))
        for problem in (*undated(ruleset), *placeless(ruleset), *doubts(configuration, ruleset)):
            log.warning("%s", problem)
        try:
            uvloop.run(_supervise(configuration, workers or configuration.file.workers, runtime, whole, ruleset))
        except Problems as problems:
            fail_with(problems)
        except OSError as error:
            fail(f"cannot serve on {error.strerror or error}")


async def _supervise(configuration: Configuration, count: int, runtime: Path, whole: Whole, ruleset: Ruleset) -> None:
    file = configuration.file
    bound, admin_bound = claim(file.listen), bind(file.admin, shared=False)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    command = ["-m", "gateway", "worker", "--config", str(configuration.path), "--index", "{index}"]
    command += ["--listen", address_of(bound), "--control", "{socket}", "--wholes", str(whole.folder.parent)]
    command += ["--parent", str(os.getpid()), "--copy", str(_copy(configuration, runtime))]
    supervisor = Supervisor(command, count, runtime)
    fleet = Fleet(supervisor.sockets, lambda: supervisor.restarts)
    durable = open_durable(configuration)
    notes = Notes(durable.database) if durable is not None else None
    rules, refresh = rulesets(configuration, whole, ruleset, fleet, notes)
    accounts = AccountsAdmin(configuration, whole.folder.parent, durable)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: spawn(rules.reload("signal"), name="reload"))
    recorder, clerk = _recorder(configuration, runtime), _clerk(configuration, runtime, whole.folder.parent)
    sketcher, detector = _sketcher(configuration, runtime), _detector(configuration, runtime, whole.folder.parent)
    processes = (supervisor, recorder, clerk, sketcher, detector)
    port = OperatorsPort(configuration, fleet, rules, accounts, notes, processes, refresh)
    await port.serve(admin_bound)
    for process in processes:
        await process.start()
    log.info("serving on %s with %d worker(s); admin on %s", address_of(bound), count, address_of(admin_bound))
    following = [spawn(rules.watch(), name="watch the policies"), spawn(rules.reconcile(), name="reconcile")]
    following.append(spawn(refresh(), name="fetch feeds"))
    following.append(spawn(accounts.tidy(), name="tidy the directory"))
    following.append(spawn(accounts.follow(), name="the rules in force for accounts"))
    await stopping.wait()
    log.info("draining")
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    # The clerk last: workers may still take what providers tell.
    await supervisor.stop(file.timeouts.drain + 5.0)
    await asyncio.gather(recorder.stop(RECORD_WITHIN), clerk.stop(CLERK_WITHIN), sketcher.stop(OBSERVE_WITHIN))
    # Last: it hears what the sketcher had left.
    await detector.stop(OBSERVE_WITHIN)
    await port.close()
    await accounts.close()
    rules.close()
    bound.close()


def _copy(configuration: Configuration, runtime: Path) -> Path:
    """All workers go by the same configuration, also one that is started again after an edit of the file."""
    path = runtime / "tidegate.yaml"
    path.touch(mode=0o600)
    path.write_bytes(configuration.source)
    return path


def _recorder(configuration: Configuration, runtime: Path) -> Supervisor:
    """The process that turns what workers note into Parquet; none where nothing is noted."""
    command = ["-m", "gateway", "history", "record", "--config", str(configuration.path), "--parent", str(os.getpid())]
    return Supervisor(command, int(configuration.file.exchange_log is not None), runtime, name="recorder")


def _clerk(configuration: Configuration, runtime: Path, wholes: Path) -> Supervisor:
    """The process that works off what providers tell; none where there are no providers."""
    command = ["-m", "gateway", "clerk", "--config", str(configuration.path), "--wholes", str(wholes)]
    command += ["--parent", str(os.getpid()), "--copy", str(runtime / "tidegate.yaml")]
    return Supervisor(command, int(bool(configuration.file.providers)), runtime, name="clerk")


def _sketcher(configuration: Configuration, runtime: Path) -> Supervisor:
    """The process that makes observations of what workers note; none where nothing is observed."""
    command = ["-m", "gateway", "sketcher", "--config", str(configuration.path), "--socket", str(runtime / SOCKET)]
    command += ["--parent", str(os.getpid()), "--copy", str(runtime / "tidegate.yaml")]
    return Supervisor(command, int(configuration.file.detector is not None), runtime, name="sketcher")


def _detector(configuration: Configuration, runtime: Path, wholes: Path) -> Supervisor:
    """The process that looks for accounts that act as one; none where nothing is observed."""
    command = ["-m", "gateway", "detect", "run", "--config", str(configuration.path), "--wholes", str(wholes)]
    command += ["--parent", str(os.getpid()), "--copy", str(runtime / "tidegate.yaml")]
    return Supervisor(command, int(configuration.file.detector is not None), runtime, name="detector")
