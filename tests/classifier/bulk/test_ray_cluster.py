"""Predicting on a Ray cluster: the same rows as on one machine, also when a node dies half-way."""

import csv
import functools
import json
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from tests.data.oddities import encoded, photo
from typer.testing import CliRunner

from striate.classifier.bulk import ray_cluster
from striate.classifier.bulk.answers import Unread, stream_answers
from striate.classifier.bulk.batch_predictor import BatchPredictor, answers_of_columns
from striate.classifier.bulk.ray_cluster import RayStream, check_address
from striate.cli import app
from striate.data.lineup import line_up
from striate.errors import ArgumentError, StriateError


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Many small images, and one that is broken."""
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(60):
        (folder / f"{i:05}.png").write_bytes(encoded(photo(8, 8, seed=i)))
    (folder / "00007.png").write_bytes(b"broken")
    return folder


def told(answers):
    return [
        (os.path.basename(one.image), one.why if isinstance(one, Unread) else (one.label, one.known)) for one in answers
    ]


@pytest.mark.parametrize("column", ["path", "bytes"])
def test_a_batch_of_columns_is_answered_as_files_are(digits_model, digits_run, pictures, column):
    lineup = line_up([str(pictures)], {})
    expected = [one for block in stream_answers(digits_model, lineup, range(60)) for one in block]
    batch = {"path": np.array(list(lineup.names), object)}
    if column == "bytes":
        batch["bytes"] = np.array([Path(name).read_bytes() for name in lineup.names], object)
    columns = BatchPredictor(digits_run / "model.striate")(batch)
    assert told(answers_of_columns(columns, digits_model.classes)) == told(expected)
    assert columns["error"][7].startswith("not an image")
    assert (columns["class"][7], np.isnan(columns["probability"][7])) == (None, True)
    np.testing.assert_allclose(columns["probabilities"][0], expected[0].probabilities, atol=1e-6)


def test_a_batch_of_arrays_and_of_nothing(digits_run):
    predict = BatchPredictor((digits_run / "model.striate").read_bytes(), sure=0.9, sets=0.9)
    columns = predict({"image": np.zeros((3, 8, 8, 1), np.uint8)})
    assert list(columns["image"]) == ["0", "1", "2"]
    assert all(type(one) is bool for one in columns["sure"])
    assert all(set(some) <= set(predict.model.classes) for some in columns["set"])
    with pytest.raises(ArgumentError, match="must have a column bytes, image or path; it has label"):
        predict({"label": [1]})


def test_what_is_no_address_and_no_file(digits_model):
    assert check_address("10.0.0.1:6379") == "10.0.0.1:6379"
    with pytest.raises(ArgumentError, match=r"got 'photos/'\. Put --ray last"):
        check_address("photos/")
    pytest.importorskip("ray")
    with pytest.raises(ArgumentError, match="digits holds arrays"):
        RayStream(digits_model, line_up(["digits"], {}), "local")


class StandIn(types.ModuleType):
    """What `RayStream` asks of Ray, in this process: blocks go one after the other through one worker."""

    class exceptions:
        class RayError(Exception):
            pass

    def __init__(self, fails=None, cpus=4):
        super().__init__("ray")
        self.inits, self.running, self.workers, self.asked, self.fails = [], False, 0, {}, fails
        self.context = types.SimpleNamespace(enable_progress_bars=True, execution_options=types.SimpleNamespace())
        self.data = types.ModuleType("ray.data")
        self.data.DataContext = types.SimpleNamespace(get_current=lambda: self.context)
        self.data.from_arrow = lambda tables: types.SimpleNamespace(map_batches=functools.partial(self._map, tables))
        self.is_initialized = lambda: self.running
        self.cluster_resources = lambda: {"CPU": cpus}

    def init(self, address, **options):
        if address and "nowhere" in address:
            raise ConnectionError("no one answers at nowhere:6379")
        self.inits.append(address)
        self.running = True

    def shutdown(self):
        self.running = False

    def _map(self, tables, worker, fn_constructor_args, fn_constructor_kwargs, **asked):
        self.asked = asked
        made = worker(*pickle.loads(pickle.dumps(fn_constructor_args)), **fn_constructor_kwargs)

        def batches(**_):
            for number, table in enumerate(tables):
                if number == self.fails:
                    raise self.exceptions.RayError("The actor died.\nOut of memory")
                columns = {name: np.array(table[name].to_pylist(), object) for name in table.column_names}
                yield made(columns)

        return types.SimpleNamespace(iter_batches=batches)


@pytest.fixture
def ray(monkeypatch):
    def put(**how):
        module = StandIn(**how)
        monkeypatch.setitem(sys.modules, "ray", module)
        monkeypatch.setitem(sys.modules, "ray.data", module.data)
        return module

    pytest.importorskip("pyarrow")
    monkeypatch.setattr(ray_cluster, "_TASK_IMAGES", 16)
    return put


def test_a_cluster_answers_as_this_machine_does(ray, digits_model, pictures, tmp_path):
    table = tmp_path / "table.csv"
    names = [*sorted(path.name for path in pictures.iterdir()), "no-such.png"]
    table.write_text("image\n" + "".join(f"{pictures / name}\n" for name in names))
    module, lineup = ray(), line_up([str(table)], {})
    assert list(lineup.refused) == [60]  # known before it is sent
    rows = range(len(lineup))
    expected = [one for block in stream_answers(digits_model, lineup, rows) for one in block]
    with RayStream(digits_model, lineup, "local") as stream:
        found = [one for block in stream(rows) for one in block]
        assert list(stream([])) == []
        assert told(one for block in stream([59, 7, 3]) for one in block) == told([expected[i] for i in (59, 7, 3)])
    assert told(found) == told(expected)
    assert isinstance(found[-1], Unread)
    assert (module.inits, module.running) == ([None], False)
    assert module.context.execution_options.preserve_order is True


def test_no_more_workers_than_blocks_or_cores(ray, digits_model, pictures):
    module, lineup = ray(cpus=2), line_up([str(pictures)], {})
    with RayStream(digits_model, lineup, "local") as stream:
        list(stream(range(60)))
        assert module.asked["concurrency"] == (1, 2)
        list(stream(range(3)))
        assert (module.asked["concurrency"], module.asked["num_gpus"]) == ((1, 1), 0)


def test_a_cluster_that_one_is_in_already_is_left_running(ray, digits_model, pictures):
    module = ray()
    module.running = True
    with RayStream(digits_model, line_up([str(pictures)], {}), "10.0.0.1:6379"):
        pass
    assert (module.inits, module.running) == ([], True)


def test_no_cluster_and_one_that_fails_half_way_say_how_to_go_on(ray, digits_model, pictures):
    ray(fails=1)
    lineup = line_up([str(pictures)], {})
    with pytest.raises(ArgumentError, match=r"nowhere:6379 does not: no one answers.*ray start --head"):
        RayStream(digits_model, lineup, "nowhere:6379").__enter__()
    heard = []
    with (
        pytest.raises(StriateError, match=r"cannot go on: Out of memory\. The same command goes on from what is done"),
        RayStream(digits_model, lineup, "local") as stream,
    ):
        heard.extend(stream(range(60)))
    assert [len(block) for block in heard] == [16]


def test_without_ray_the_command_says_what_to_install(digits_run, pictures, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    words = ["predict", digits_run / "model.striate", pictures, "--csv", tmp_path / "out.csv", "--ray"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 1
    assert 'pip install "striate[ray]"' in done.stderr
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_node_that_dies_half_way_loses_nothing(digits_model, digits_run, pictures, tmp_path, kind):
    pytest.importorskip("ray")
    many = tmp_path / "many"
    many.mkdir()
    for i in range(12_000):
        os.link(pictures / f"{i % 60:05}.png", many / f"{i:05}.png")
    script = Path(__file__).parent / "two_nodes.py"
    command = [sys.executable, script, digits_run / "model.striate", many, tmp_path / f"out.{kind}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert (said["nodes_before"], said["nodes_after"]) == (2, 1)
    assert said["killed_after"] < 12_000
    assert (said["rows"], said["unread"]) == (12_000, 200)
    if kind == "parquet":
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    else:
        with open(tmp_path / "out.csv", newline="") as file:
            rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [str(many / f"{i:05}.png") for i in range(12_000)]
    alone = digits_model.predict(str(pictures / "00000.png"))
    assert (rows[60]["class"], float(rows[60]["probability"])) == (
        alone.label,
        pytest.approx(alone.probability, abs=1e-5),
    )
