"""Deals a source out to workers with Ray Data, partition by partition, each written once.

Why a data set of *partitions*, and not of images: Ray Data's own readers cut a source into blocks
by size and by what the cluster is like, its writers name files at random, and its checkpoints
(beta) keep a second set of files, of the keys of all rows, which every start loads. Here the
source is cut by row numbers alone, so that a partition is the same rows at every start; a row
of the data set describes one, ``map_batches`` gives it to an actor that has the model, and the
actor writes the one file that this partition can ever have, whole. So whatever Ray does twice
(it restarts an actor that died and repeats its task) writes the same file again, a partition
whose file is there is done, and no record beside the files can disagree with them.
"""

import contextlib
import json
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aocr_plugin.batch import destination
from aocr_plugin.batch.destination import BatchError
from aocr_plugin.batch.manifest import Manifest
from aocr_plugin.batch.progress import Progress
from aocr_plugin.batch.reader import PartitionReader, Task, Tries
from aocr_plugin.batch.row import Source
from aocr_plugin.errors import ConfigError

_DEATHS = 10  # of workers, one after the other, while they are made


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Attributes:
        replicas: workers with a model each; None is one for every ``threads`` CPUs.
        threads: CPUs of a worker.
        gpus: of a worker; a part of one is possible.
        address: of a Ray cluster; None is this machine.
    """

    replicas: int | None = None
    threads: int = 1
    gpus: float = 0.0
    address: str | None = None


@dataclass(frozen=True)
class Summary:
    """What there is at the end.

    Attributes:
        rows: in the destination.
        errors: of these, without a text.
        read: rows of this run.
        seconds: of this run, start of the workers included.
    """

    rows: int
    errors: int
    read: int
    seconds: float


def import_ray() -> Any:
    """Returns the module ``ray``.

    Raises:
        ConfigError: Ray Data is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else a warning a worker
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # else some are kept until the very end
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters comes as an exception
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ConfigError(
            f"reading in batches needs Ray Data ({error}): pip install 'aocr-plugin[batch]'"
        ) from error
    return ray


@contextlib.contextmanager
def _ray(workers: Workers) -> Iterator[Any]:
    """Starts Ray on this machine, or joins a cluster; gives the module.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster.
    """
    ray = import_ray()
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if workers.address is None:
        cores = len(os.sched_getaffinity(0))
        asked = (workers.replicas or 1) * workers.threads
        settings |= {"num_cpus": max(cores, asked), "include_dashboard": False}
    try:
        ray.init(workers.address or "local", **settings)
    except (ConnectionError, RuntimeError, ValueError) as error:
        if workers.address is None:
            raise ConfigError(f"Ray does not start on this machine: {error}") from error
        raise ConfigError(
            f"--address {workers.address}: no Ray cluster answers ({error}); give HOST:PORT of one "
            "that 'ray start --head' began, set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN if it wants "
            "a token, or leave it out to use this machine"
        ) from error
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    for name, value in (
        ("max_consecutive_actor_init_deaths", _DEATHS),
        ("execution_no_progress_timeout_s", -1),  # a partition may take its time
    ):
        if hasattr(context, name):
            setattr(context, name, value)
    # Ray tells of dead workers on standard output, at length; we do on standard error
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        try:
            yield ray
        finally:
            ray.shutdown()


def _replicas(ray: Any, workers: Workers, partitions: int) -> int:
    """Returns how many workers there are to be.

    Raises:
        ConfigError: the cluster has no room for them.
    """
    there = ray.cluster_resources()
    room = int(there.get("CPU", 0) // workers.threads)
    if workers.gpus:
        room = min(room, int(there.get("GPU", 0) / workers.gpus))
    wanted = min(workers.replicas or max(room, 1), partitions)
    if wanted > room:
        raise ConfigError(
            f"{wanted} replicas of {workers.threads} CPUs and {workers.gpus:g} GPUs do not fit: "
            f"there are {there.get('CPU', 0):g} CPUs and {there.get('GPU', 0):g} GPUs; lower "
            "--replicas, --threads or --gpus"
        )
    return wanted


def _results(
    ray: Any, source: Source, manifest: Manifest, task: Task, workers: Workers, left: list[int]
) -> Iterator[dict[str, Any]]:
    """Yields what :class:`PartitionReader` returns, as the partitions are done."""
    items = []
    for partition in left:
        start, stop = manifest.bounds(partition)
        piece = json.dumps(source.piece(start, stop)).encode()
        items.append(
            {"file": manifest.part(partition), "start": start, "stop": stop, "piece": piece}
        )
    size = _replicas(ray, workers, len(left))
    counter = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Tries).remote()

    def begin(file: str) -> int:
        return int(ray.get(counter.begin.remote(file)))

    found = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        PartitionReader,
        fn_constructor_args=[task, begin],
        batch_size=1,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=2),
        num_cpus=workers.threads,
        num_gpus=workers.gpus,
    )
    yield from found.iter_rows()


def run(source: Source, manifest: Manifest, task: Task, workers: Workers) -> Summary:
    """Reads every partition that is not done.

    Args:
        source: what to read.
        manifest: of the destination; the caller has compared it with what is there.
        task: for the workers.
        workers: how many, and where.

    Raises:
        BatchError: a partition cannot be read, or its file is not there in the end.
        ConfigError: Ray is not installed, the cluster not there or too small.
        StorageError: the destination's store cannot be used.
    """
    done = destination.finished(task.dest, manifest)
    left = [number for number in range(manifest.partitions) if number not in done]
    rows, errors = (sum(found) for found in zip((0, 0), *done.values(), strict=True))
    if not left:
        destination.complete(task.dest, manifest)
        return Summary(rows, errors, 0, 0.0)
    if done:
        print(f"{rows:,} of {manifest.rows:,} rows are done already", file=sys.stderr)
    progress = Progress(manifest.rows, rows)
    with _ray(workers) as ray:
        try:
            for result in _results(ray, source, manifest, task, workers, left):
                if result["failure"]:
                    raise BatchError(f"{result['file']}: {result['failure']}")
                progress.add(int(result["rows"]), int(result["errors"]))
                if result["tries"] > 1:
                    progress.say(f"{result['file']}: read again, its worker had died")
        except ray.exceptions.RayError as error:
            what = str(error).strip().splitlines()
            raise BatchError(
                f"Ray gave up ({type(error).__name__}: {what[0] if what else ''}); what is done is "
                "kept, start again to go on"
            ) from error
        finally:
            progress.end()
    destination.complete(task.dest, manifest)
    read = progress.done - rows
    return Summary(rows + read, errors + progress.errors, read, progress.seconds)
