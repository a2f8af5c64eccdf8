"""Rows on many machines: a real cluster of processes, some of them killed, and the bits of a fit in memory."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path

import dask
import dask.array as da
import dask.dataframe as dd
import distributed
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from polyoptim import ArgumentError, ClusterError, DataError, fit
from polyoptim.cli import run
from polyoptim.distributed import cluster as clusters
from polyoptim.distributed import pieces
from polyoptim.distributed import sheet as sheets
from polyoptim.distributed.partition import reduced
from polyoptim.solvers import summed_corners
from polyoptim.targets import sheet

# What a fit says of where and how long, rather than of the polynomial.
ABOUT = ("notes", "seconds", "versions", "target")


sys.path.append(str(Path(__file__).parents[1]))  # where workers find this module


def start(workers):
    return distributed.LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        host="127.0.0.1",
        silence_logs=logging.CRITICAL + 1,
    )


@pytest.fixture(scope="module")
def cluster():
    with start(2) as found:
        yield found


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as found:
        yield found


@pytest.fixture
def doomed():
    """Return a client of a cluster of its own, of which a worker may be killed."""
    with start(2) as cluster, distributed.Client(cluster) as found:
        found.wait_for_workers(2, timeout=60)
        yield found


@pytest.fixture
def address(cluster):
    return cluster.scheduler_address


@pytest.fixture(scope="module")
def columns():
    rng = np.random.default_rng(7)
    t = rng.uniform(1900, 2020, 5000)
    v = 1 + 0.1 * (t - 1960) - 0.001 * (t - 1960) ** 2 + rng.normal(size=len(t))
    return {"t": t, "v": v, "w": rng.integers(0, 4, len(t)).astype(float), "s": rng.uniform(0.5, 2, len(t))}


def same(result, other):
    """Assert that two fits agree in every bit but for what is said about where the rows were."""
    a, b = result.to_dict(), other.to_dict()
    assert {name: a[name] for name in a if name not in ABOUT} == {name: b[name] for name in b if name not in ABOUT}
    assert result.coef.tobytes() == other.coef.tobytes()
    assert (result.samples is None) == (other.samples is None)
    if result.samples is not None:
        for one, two in zip(vars(result.samples).values(), vars(other.samples).values(), strict=True):
            assert (one is None) == (two is None)
            assert one is None or one.tobytes() == two.tobytes()


def chunked(columns, *names, chunks=613):
    return [da.from_array(columns[name], chunks=chunks) for name in names]


def test_arrays_have_the_bits_of_a_fit_in_memory(client, columns):
    t, v, w = chunked(columns, "t", "v", "w")
    same(fit(t, v, degree=4), fit(columns["t"], columns["v"], degree=4))
    weighted = fit(t, v.rechunk(1999), weight=columns["w"], degree=4, ridge=0.5, basis="legendre")
    same(weighted, fit(columns["t"], columns["v"], weight=columns["w"], degree=4, ridge=0.5, basis="legendre"))
    same(fit(t, v, sigma=w + 1), fit(columns["t"], columns["v"], sigma=columns["w"] + 1))
    assert weighted.notes == (f"Reduced in 9 partitions by {client.scheduler.address}.",)
    with pytest.raises(DataError, match=r"^weight\[1000\] is masked\."):
        fit(t, v, weight=np.ma.masked_equal(np.arange(5000.0), 1000))
    with pytest.raises(DataError, match="x has 5000, y has 4999"):
        fit(t, v[1:])


def test_arrays_without_a_cluster_are_reduced_by_the_cores(columns):
    t, v = chunked(columns, "t", "v")
    found = fit(t, v, degree="auto")
    same(found, fit(columns["t"], columns["v"], degree="auto"))
    assert "this machine's cores" in found.notes[0]


@pytest.mark.usefixtures("client")
def test_residuals_that_vanish_are_fitted_themselves(columns):
    t = columns["t"]
    for y in (3 - 2 * t, np.round(3 - 2 * t + 1e-9 * columns["v"], 12), np.zeros_like(t)):
        same(fit(*chunked({"t": t, "y": y}, "t", "y"), degree=2), fit(t, y, degree=2))


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("chunks", [(700, 1), (5000, 2), (999, (1, 1))])
def test_several_columns_of_x_in_any_chunks(columns, chunks):
    x = np.column_stack([columns["t"], columns["s"]])
    same(fit(da.from_array(x, chunks=chunks), da.from_array(columns["v"], chunks=1234), degree=2),
         fit(x, columns["v"], degree=2))  # fmt: skip


@pytest.mark.usefixtures("client")
def test_many_rows_are_thinned_as_in_memory(monkeypatch):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 450_000))
    a, b = da.from_array(x, chunks=61_111), da.from_array(y, chunks=61_111)
    same(fit(a, b), fit(x, y))
    monkeypatch.setattr(sheet, "LARGEST_HELD", 1000)
    bare = fit(a, b)
    assert bare.samples is None
    assert np.isnan(bare.sup_error)
    assert "one more pass" in bare.notes[-1]
    assert bare.stats == fit(x, y).stats


@pytest.mark.usefixtures("client")
def test_chunks_of_unknown_size_go_together_or_are_refused(columns):
    frame = dd.from_pandas(pd.DataFrame(columns), npartitions=4)
    t, v = frame["t"].to_dask_array(), frame["v"].to_dask_array()
    same(fit(t, v), fit(columns["t"], columns["v"]))
    same(fit(frame["t"], frame["v"]), fit(columns["t"], columns["v"]))
    with pytest.raises(DataError, match=r"the chunks of x have unknown sizes.*compute_chunk_sizes"):
        fit(t, chunked(columns, "v")[0])
    with pytest.raises(DataError, match=r"partition 0: the columns must have the same length, but x has .*, y has"):
        fit(t, v[v > 0])


@pytest.mark.usefixtures("client")
def test_frames_have_the_bits_of_a_fit_in_memory(columns):
    frame = pd.DataFrame(columns)
    far = dd.from_pandas(frame, npartitions=7)
    for given in ({"weight": "w"}, {"sigma": "s"}, {"x": ["t", "s"], "degree": 2}, {"degree": "auto"}):
        same(fit(far, **{"x": "t", "y": "v"} | given), fit(frame, **{"x": "t", "y": "v"} | given))
    unnamed = fit(far)
    same(unnamed, fit(frame))
    assert unnamed.notes[0] == fit(frame).notes[0]


@pytest.mark.usefixtures("client")
def test_frames_with_missing_values_and_empty_partitions(columns):
    frame = pd.DataFrame(columns)
    frame.loc[frame.index % 11 == 3, "v"] = np.nan
    far = dd.from_pandas(frame, npartitions=6)
    found = fit(far, x="t", y="v", missing="drop")
    same(found, fit(frame, x="t", y="v", missing="drop"))
    assert "455 rows with a missing value left out." in found.notes
    late = far[far["t"] > 1960]
    same(fit(dd.concat([far[far["t"] > 3000], late]), x="t", y="v", missing="drop"),
         fit(frame[frame["t"] > 1960], x="t", y="v", missing="drop"))  # fmt: skip
    with pytest.raises(DataError, match=r"partition 0: column 'v'\[3\] is nan, not a finite number"):
        fit(far, x="t", y="v")
    frame["v"] = np.nan
    with pytest.raises(DataError, match="a missing value in each of its 5000 rows"):
        fit(dd.from_pandas(frame, npartitions=3), x="t", y="v", missing="drop")


@pytest.mark.usefixtures("client")
def test_moments_are_counted_from_the_same_origin(columns):
    days = pd.to_datetime("2024-03-05T17:00") + pd.to_timedelta(columns["t"] - 1900, unit="D").round("s")
    frame = pd.DataFrame({"when": days, "v": columns["v"]})
    frame.loc[:1500, "when"] = pd.NaT
    far = fit(dd.from_pandas(frame, npartitions=5), x="when", y="v", missing="drop")
    near = fit(frame, x="when", y="v", missing="drop")
    same(far, near)
    assert far.target == near.target
    assert any("counts seconds from 2024" in note for note in far.notes)
    stamps = frame["when"].dropna().to_numpy()
    y = columns["v"][: len(stamps)]
    same(fit(da.from_array(stamps, chunks=700), da.from_array(y, chunks=700)), fit(stamps, y))


@pytest.mark.usefixtures("client")
def test_columns_that_do_not_exist_are_named_as_in_memory(columns):
    frame = pd.DataFrame(columns)
    messages = []
    for data in (frame, dd.from_pandas(frame, npartitions=2)):
        with pytest.raises(ArgumentError) as raised:
            fit(data, x="tt", y="v", weight="ww")
        messages.append(str(raised.value))
    assert messages[0] == messages[1]


@pytest.fixture
def files(columns, tmp_path):
    frame = pd.DataFrame(columns)
    frame.insert(0, "name", ['a,"b"\nc' if row % 50 == 7 else "plain" for row in range(len(frame))])
    frame.loc[frame.index % 13 == 5, "v"] = np.nan
    for kind in ("csv", "parquet"):
        (tmp_path / kind).mkdir()
    for place, begin in enumerate(range(0, len(frame), 2000)):
        some = frame[begin : begin + 2000]
        some.to_csv(tmp_path / "csv" / f"{place}.csv", index=False)
        pq.write_table(pa.Table.from_pandas(some), tmp_path / "parquet" / f"{place}.parquet", row_group_size=333)
    frame.to_csv(tmp_path / "one.csv", index=False)
    frame.to_csv(tmp_path / "packed.csv.gz", index=False)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "partitions"),
    [
        ("csv", "5 partitions"),
        ("one.csv", "5 partitions"),
        ("packed.csv.gz", "1 partition"),
        ("parquet", "10 partitions"),
    ],
)
def test_workers_read_files(address, files, monkeypatch, name, partitions):
    monkeypatch.setattr(pieces, "RANGE", 2**16)
    monkeypatch.setattr(pieces, "BUNDLE", 500)
    path = files / name
    for given in ({}, {"weight": "w", "degree": 5}):
        far = fit(path, x="t", y="v", missing="drop", scheduler=address, **given)
        near = fit(path, x="t", y="v", missing="drop", **given)
        same(far, near)
        assert far.target == near.target
        assert set(far.notes) - set(near.notes) == {f"Reduced in {partitions} by {address}."}
    with pytest.raises(DataError) as far_error:
        fit(path, x="t", y="v", scheduler=address)
    with pytest.raises(DataError) as near_error:
        fit(path, x="t", y="v")
    assert str(far_error.value) == str(near_error.value)


def test_statistics_of_parquet_files_save_a_pass(client, columns, tmp_path, monkeypatch):
    path = tmp_path / "it.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=777)
    monkeypatch.setattr(sheet, "LARGEST_HELD", 1000)
    passes = []
    plain = clusters.Cluster.arrivals
    monkeypatch.setattr(clusters.Cluster, "arrivals", lambda self, tasks: passes.append(1) or plain(self, tasks))
    found = fit(path, x="t", y="v", scheduler=client)
    assert len(passes) == 1
    assert found.stats == fit(columns["t"], columns["v"]).stats


def test_the_command_line_takes_a_scheduler(address, files, capsys):
    words = ["fit", str(files / "one.csv"), "--x", "t", "--y", "v", "--missing", "drop", "--json"]
    assert run([*words, "--scheduler", address]) == 0
    far = json.loads(capsys.readouterr().out)
    assert run(words) == 0
    near = json.loads(capsys.readouterr().out)
    assert far["coef"] == near["coef"]
    assert far["stats"] == near["stats"]
    assert f"Reduced in 1 partition by {address}." in far["notes"]


def test_a_scheduler_that_does_not_answer_is_one_clear_error(files, monkeypatch, capsys):
    monkeypatch.setattr(clusters, "PATIENCE", 0.5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ClusterError, match=r"no scheduler answers at tcp://127.0.0.1:.* within 0.5 s"):
            fit(files / "one.csv", scheduler=address)
        assert run(["fit", str(files / "one.csv"), "--scheduler", address]) == 2
    assert "no scheduler answers" in capsys.readouterr().err


def test_wrong_schedulers_are_refused(files, columns, client):
    for scheduler, words in (("here", "is no address"), (5, "must be an address such as 'tcp://host:8786'")):
        with pytest.raises(ArgumentError, match=words):
            fit(files / "one.csv", scheduler=scheduler)
    with pytest.raises(ArgumentError, match="scheduler is for files and dask's collections, and a ndarray lies here"):
        fit(columns["t"], columns["v"], scheduler=client)
    with pytest.raises(ArgumentError, match="comes through a pipe"):
        fit("-", scheduler=client)
    with pytest.raises(ArgumentError, match="exact needs the decimals"):
        fit(files / "one.csv", x="t", y="v", missing="drop", exact=True, scheduler=client)


def test_a_scheduler_without_workers_is_refused(monkeypatch, files):
    monkeypatch.setattr(clusters, "FOR_WORKERS", 0.2)
    with (
        start(0) as empty,
        pytest.raises(ClusterError, match=r"has no workers after 0.2 s"),
    ):
        fit(files / "one.csv", scheduler=empty.scheduler_address)


@pytest.mark.usefixtures("client")
def test_bad_cells_are_named_by_their_place(columns):
    t, v, w = columns["t"], columns["v"].copy(), columns["w"].copy()
    v[[4321, 1234]] = np.nan, np.inf
    with pytest.raises(
        DataError, match=r"^y\[1234\] is inf, not a finite number\. Drop or repair rows with NaN or inf\.$"
    ):
        fit(*chunked({"t": t, "v": v}, "t", "v"))
    w[2222] = -1
    with pytest.raises(DataError, match=r"^weight\[2222\] is -1\.0, but a weight must be >= 0\.$"):
        fit(*chunked(columns, "t", "v"), weight=da.from_array(w, chunks=613))
    frame = dd.from_pandas(pd.DataFrame({"t": t, "v": columns["v"], "w": w}), npartitions=5)
    with pytest.raises(DataError, match=r"^partition 2: weight\[222\] is -1\.0, but a weight must be >= 0\.$"):
        fit(frame, x="t", y="v", weight="w")
    with pytest.raises(DataError, match="all weights are zero"):
        fit(*chunked(columns, "t", "v"), weight=da.zeros(len(t), chunks=613))


def test_tasks_that_fail_are_our_own_errors(client, columns):
    def broken(_block):
        raise OSError("the disk is gone")

    t, v = chunked(columns, "t", "v")
    bad = t.map_blocks(broken, dtype=float)
    for scheduler in (client, None):
        with pytest.raises(DataError, match="cannot be computed: OSError: the disk is gone") as raised:
            fit(bad, v, scheduler=scheduler)
        assert raised.value.__cause__ is None


def slow(block, log, seconds):
    """Return a block after a while, and count that it was made."""
    time.sleep(seconds)
    with open(log, "ab", buffering=0) as file:  # noqa: PTH123 - one write, whole
        file.write(f"{block[0]!r}\n".encode())
    return block


def slowly(*arguments):
    """Reduce a partition so slowly that others are in flight when it arrives."""
    time.sleep(0.01)
    return reduced(*arguments)


class Killer:
    """Kills the worker that holds most when so many partitions have been reduced and others are in flight."""

    def __init__(self, client, monkeypatch, after):
        self._client, self._left = client, after
        self.killed = None
        plain = clusters.Cluster._value  # noqa: SLF001 - where a partition arrives

        def value(cluster, future, place):
            found = plain(cluster, future, place)
            self._left -= 1
            if self._left == 0:
                self._kill()
            return found

        monkeypatch.setattr(clusters.Cluster, "_value", value)

    def _kill(self):
        busy = {worker: keys for worker, keys in self._client.processing().items() if keys}
        assert busy
        held = self._client.has_what()
        worker = max(held, key=lambda one: (len(held[one]), one))
        self.killed = self._client.run(os.getpid, workers=[worker])[worker]
        os.kill(self.killed, signal.SIGKILL)

    def has_killed(self):
        return self.killed is not None and self.killed not in self._client.run(os.getpid).values()


def test_a_killed_worker_changes_no_bit(doomed, columns, tmp_path, monkeypatch):
    log = tmp_path / "made.txt"
    t, v = chunked(columns, "t", "v", chunks=100)
    near = fit(columns["t"], columns["v"], degree=4)
    killer = Killer(doomed, monkeypatch, after=20)
    far = fit(t.map_blocks(slow, log, 0.02, dtype=float), v, degree=4)
    same(far, near)
    assert killer.has_killed()
    made = log.read_text().split()
    assert len(set(made)) == 50
    assert len(made) > 50  # what the killed worker held was made again


ROBUST = [("huber", {"delta": 0.5}), ("quantile", {"q": 0.8}), ("pnorm", {"p": 1.5})]


@pytest.mark.parametrize(("loss", "options"), ROBUST)
def test_other_losses_reach_the_optimum_of_a_fit_in_memory(client, columns, monkeypatch, loss, options):
    monkeypatch.setattr(summed_corners, "KEPT", 500)
    t, v, w = chunked(columns, "t", "v", "w")
    far = fit(t, v, weight=w, loss=loss, loss_options=options)
    near = fit(columns["t"], columns["v"], weight=columns["w"], loss=loss, loss_options=options)
    assert (far.optimum_kind, far.status) == ("exact", near.status)
    assert far.loss == pytest.approx(near.loss, rel=1e-12)
    np.testing.assert_allclose(far.stats["coef_power"], near.stats["coef_power"], rtol=1e-7)
    np.testing.assert_allclose(far.stats["stderr_power"], near.stats["stderr_power"], rtol=1e-6)
    low = [stats["low_weight"] for stats in (far.stats, near.stats)]
    assert low[0]["count"] == low[1]["count"]
    assert [row for row, _ in low[0]["rows"]] == [row for row, _ in low[1]["rows"]]
    if loss == "pnorm":
        return  # which takes some sixty passes
    frame = dd.from_pandas(pd.DataFrame(columns), npartitions=3)
    other = fit(frame, x="t", y="v", weight="w", loss=loss, loss_options=options, scheduler=client)
    assert other.coef.tobytes() == far.coef.tobytes()
    assert other.stats == far.stats


def test_a_loss_with_many_minima_is_refused(client, columns):
    with pytest.raises(ArgumentError, match="'tukey' has many local minima"):
        fit(*chunked(columns, "t", "v"), loss="tukey", scheduler=client)


@pytest.mark.parametrize(("loss", "options"), ROBUST[:2])
def test_a_killed_worker_changes_no_bit_of_another_loss(doomed, columns, tmp_path, monkeypatch, loss, options):
    monkeypatch.setattr(summed_corners, "KEPT", 500)
    log = tmp_path / "made.txt"
    t, v = chunked(columns, "t", "v", chunks=250)
    calm = fit(t, v, loss=loss, loss_options=options)
    monkeypatch.setattr(sheets, "reduced", slowly)
    killer = Killer(doomed, monkeypatch, after=130)  # in the seventh of some twenty passes
    found = fit(t.map_blocks(slow, log, 0.02, dtype=float), v, loss=loss, loss_options=options)
    same(found, calm)
    assert killer.has_killed()
    assert len(log.read_text().split()) > 20  # what the killed worker held was made again


def deadly(block):
    """Kill the worker that makes the fourth block."""
    if block[0] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return block


def test_a_partition_that_kills_its_workers_is_one_clear_error():
    x = da.arange(8.0, chunks=1)
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        start(1) as cluster,
        pytest.raises(
            ClusterError, match=r"partition \d was lost with every worker that had it, 1 in all.*give smaller"
        ),
    ):
        fit(x.map_blocks(deadly, dtype=float), x, scheduler=cluster.scheduler_address)


def test_workers_that_stop_for_good_are_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(clusters, "FOR_WORKERS", 2.0)
    (tmp_path / "unknown_there.py").write_text("def same(block):\n    return block\n")
    x = da.arange(8.0, chunks=4)
    with start(1) as cluster:
        monkeypatch.syspath_prepend(tmp_path)
        import unknown_there

        with pytest.raises(ClusterError, match="has lost its workers, 2 s ago"):
            fit(x.map_blocks(unknown_there.same, dtype=float), x, scheduler=cluster.scheduler_address)


def test_an_interrupt_cancels_the_tasks(client, columns, tmp_path, monkeypatch):
    log = tmp_path / "made.txt"
    t, v = chunked(columns, "t", "v", chunks=100)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(clusters.Cluster, "_value", stop)
    with pytest.raises(KeyboardInterrupt):
        fit(t.map_blocks(slow, log, 0.1, dtype=float), v)
    deadline = time.monotonic() + 10
    while any(client.processing().values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(client.processing().values())
    assert len(log.read_text().split()) < 50
