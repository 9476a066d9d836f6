"""Predicting on a Ray cluster: the same rows as on one machine, also when a node dies half-way."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.data.oddities import encoded, photo

from striate.classifier.bulk.answers import Unread, stream_answers
from striate.classifier.bulk.batch_predictor import BatchPredictor, answers_of_columns
from striate.classifier.bulk.ray_cluster import RayStream, check_address
from striate.data.lineup import line_up
from striate.errors import ArgumentError


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
