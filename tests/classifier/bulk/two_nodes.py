"""Predict on two nodes of a Ray cluster, and kill one of them half-way; prints what came of it as JSON.

Run by test_ray_cluster.py in a process of its own: Ray starts daemons and has warnings of its own.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from striate.classifier.bulk.predicting import BulkRequest, predict_lineup
from striate.classifier.bulk.ray_cluster import RayStream
from striate.classifier.classifier import Classifier
from striate.data.lineup import line_up


def main(model: str, folder: str, out: str) -> None:
    import ray  # not there in most places where the tests are collected
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    classifier, lineup, heard = Classifier.load(model), line_up([folder], {}), []
    told = {}

    def fallen() -> int:
        """Return how many nodes live; the head hears of a death some seconds later, perhaps after the last answer."""
        end = time.monotonic() + 60
        while (alive := sum(node["Alive"] for node in ray.nodes())) > 1 and time.monotonic() < end:
            time.sleep(0.2)
        return alive

    def hear(answers: list) -> None:
        heard.extend(answers)
        if len(heard) > len(lineup) // 4 and "killed_after" not in told:
            told["killed_after"] = len(heard)
            told["nodes_before"] = sum(node["Alive"] for node in ray.nodes())
            cluster.remove_node(second, allow_graceful=False)

    kind = "parquet" if out.endswith("parquet") else "csv"
    with RayStream(classifier, lineup, cluster.address) as stream:
        outcome = predict_lineup(classifier, lineup, BulkRequest(path=Path(out), kind=kind), stream=stream, hear=hear)
        told["nodes_after"] = fallen()
    told |= {"rows": outcome.rows, "unread": outcome.unread}
    print(json.dumps(told))
    cluster.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
