"""Where partitions are reduced: the workers of a scheduler, or the cores of this machine."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from typing import Any

import dask
import distributed
from dask.base import compute, persist
from distributed.scheduler import KilledWorker

from polyoptim.distributed.partition import Failure
from polyoptim.engines.surroundings import cores
from polyoptim.errors import ArgumentError, ClusterError, DataError
from polyoptim.targets import sheet

PATIENCE = 5.0  # seconds in which a scheduler has to answer
FOR_WORKERS = 30.0  # and in which a first worker has to come, or one after the last was lost
LOOK = 1.0  # seconds between two looks at whether there are workers
SHARE = 0.5  # of the workers' memory that rows may take between two passes


class Workers(ABC):
    """Who computes dask's tasks.

    Attributes
    ----------
    name : in notes.
    room : bytes that rows may take between two passes.
    """

    name: str
    room: float

    @abstractmethod
    def arrivals(self, tasks: Sequence[Any]) -> Generator[tuple[int, Any], None, None]:
        """Yield the place of each task and its value, as they come; a `Failure` where it has none."""

    @abstractmethod
    def hold(self, tasks: Sequence[Any]) -> list[Any]:
        """Return the tasks as ones whose values stay where they are computed."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what was opened."""


class Cores(Workers):
    """The cores of this machine, by dask's threads."""

    name = "this machine's cores"

    def __init__(self) -> None:
        self.room = 8.0 * sheet.LARGEST_HELD

    def arrivals(self, tasks: Sequence[Any]) -> Generator[tuple[int, Any], None, None]:
        """Yield the values in order, when all are known."""
        with dask.config.set(num_workers=cores()):
            try:
                values = compute(*tasks, scheduler="threads")
            except Exception as error:  # noqa: BLE001 - whatever the user's tasks raise
                values = (Failure(DataError(f"a partition cannot be computed: {_said(error)}.")),)
        yield from enumerate(values)

    def hold(self, tasks: Sequence[Any]) -> list[Any]:
        """Return the tasks with their values in memory."""
        with dask.config.set(num_workers=cores()):
            return list(persist(*tasks, scheduler="threads"))

    def close(self) -> None:
        """Do nothing: threads end with their tasks."""


class Cluster(Workers):
    """The workers of a scheduler.

    Parameters
    ----------
    client : connected to it.
    own : whether `close` is to close the client.
    """

    def __init__(self, client: distributed.Client, own: bool) -> None:
        self._client, self._own = client, own
        self.name = str(getattr(client.scheduler, "address", "of the client"))
        try:
            client.wait_for_workers(1, timeout=FOR_WORKERS)
        except TimeoutError:
            self.close()
            raise ClusterError(
                f"the scheduler {self.name} has no workers after {FOR_WORKERS:g} s. Start some; an "
                "adaptive cluster needs a minimum of 1."
            ) from None
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        self.room = SHARE * sum(worker["memory_limit"] or 0 for worker in workers)

    def arrivals(self, tasks: Sequence[Any]) -> Generator[tuple[int, Any], None, None]:
        """Yield values as they come; tasks that are not wanted any more are cancelled."""
        futures = self._client.compute(list(tasks))
        places = {future.key: place for place, future in enumerate(futures)}
        arrived: set[int] = set()
        try:
            for future in self._completed(futures):
                place = places[future.key]
                yield place, self._value(future, place)
                arrived.add(place)
        finally:
            left = [future for place, future in enumerate(futures) if place not in arrived]
            if left and self._client.status == "running":
                self._client.cancel(left, force=True)

    def _completed(self, futures: Sequence[Any]) -> Generator[Any, None, None]:
        """Yield futures as they are done; where no worker is left, nothing ever is."""
        completed = distributed.as_completed(futures, loop=self._client.loop)
        seen = time.monotonic()
        while not completed.is_empty():
            with completed.thread_condition:
                if not completed.has_ready():
                    completed.thread_condition.wait(LOOK)
            if completed.has_ready():
                yield next(completed)
            elif self._client.scheduler_info(n_workers=-1)["workers"]:
                seen = time.monotonic()
            elif time.monotonic() - seen > FOR_WORKERS:
                raise ClusterError(
                    f"the scheduler {self.name} has lost its workers, {FOR_WORKERS:g} s ago. A function of the data "
                    "that a worker cannot import stops it: see its log."
                )

    def hold(self, tasks: Sequence[Any]) -> list[Any]:
        """Return the tasks with their values in the workers' memory, which make them again where a worker is lost."""
        return list(self._client.persist(list(tasks)))

    def close(self) -> None:
        """Close the connection, where it was opened for this fit."""
        if self._own:
            self._client.close()

    def _value(self, future: Any, place: int) -> Any:
        try:
            return future.result()
        except KilledWorker as error:
            said = f"partition {place} was lost with every worker that had it, {error.allowed_failures + 1} in all. "
            return Failure(ClusterError(f"{said}It may need more memory than a worker has: give smaller partitions."))
        except distributed.client.FutureCancelledError:
            return Failure(ClusterError(f"the scheduler {self.name} was lost. Start it again."))
        except ModuleNotFoundError as error:
            return Failure(ClusterError(f"a worker has no module {error.name!r}. Install the same on all machines."))
        except Exception as error:  # noqa: BLE001 - whatever the user's tasks raise
            return Failure(DataError(f"partition {place} cannot be computed: {_said(error)}."))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(".: ")


def connect(scheduler: Any) -> Workers:
    """Return the workers of a scheduler, by its address or a client; None stands for a current client, or the cores.

    Raises
    ------
    ArgumentError
        For what is neither.
    ClusterError
        Where no scheduler answers within five seconds, or none has workers within thirty.
    """
    if scheduler is None:
        try:
            return Cluster(distributed.Client.current(), own=False)
        except ValueError:
            return Cores()
    if isinstance(scheduler, distributed.Client):
        if scheduler.asynchronous or scheduler.status != "running":
            state = "asynchronous" if scheduler.asynchronous else scheduler.status
            raise ArgumentError(f"scheduler is a client that is {state}. Give a running one that is synchronous.")
        return Cluster(scheduler, own=False)
    if not isinstance(scheduler, str):
        kind = type(scheduler).__name__
        raise ArgumentError(
            f"scheduler must be an address such as 'tcp://host:8786' or a distributed.Client, got {kind}."
        )
    try:
        client = distributed.Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except ValueError as error:
        raise ArgumentError(f"scheduler {scheduler!r} is no address: {error}. Write 'tcp://host:8786'.") from None
    except (OSError, TimeoutError):
        raise ClusterError(
            f"no scheduler answers at {scheduler} within {PATIENCE:g} s. Check the address, and that it runs."
        ) from None
    except Exception as error:  # noqa: BLE001 - whatever comes of the answer of another kind of server
        raise ClusterError(f"what answers at {scheduler} is no scheduler of dask: {_said(error)}.") from None
    return Cluster(client, own=True)
