"""Tweaks of a first net, one after the other: wider, deeper, dropout, longer, all of it, and a convolutional net.

python examples/tweaks.py                                                the digits of scikit-learn, drawn up to 28×28
python examples/tweaks.py Train/train.csv --images Train/Images/train    the published problem
"""

import argparse
import time

import torch

import striate
from striate.data.dataset import DataOptions, make_dataset
from striate.metrics.intervals import wilson_interval
from striate.observer import Observer
from striate.training.engine.loop import loss_and_counts
from striate.training.engine.state import Computation, Watch
from striate.training.options import read_training_options
from striate.training.plan import change_plan, make_plan
from striate.training.trainer import train_plan

CNN = "conv(25, 5) relu maxpool(2) conv(25, 5) relu maxpool(2) conv(25, 4) relu fc(classes)"
TWEAKS = {  # what changes: the net, and the epochs
    "784-50-10": ("fc(50) relu fc(classes)", 5),
    "500 wide": ("fc(500) relu fc(classes)", 5),
    "five layers of 50": ("[fc(50) relu]*5 fc(classes)", 5),
    "… with dropout 0.2": ("[fc(50) relu dropout(0.2)]*5 fc(classes)", 5),
    "… for 50 epochs": ("[fc(50) relu dropout(0.2)]*5 fc(classes)", 50),
    "five of 500, 25 epochs": ("[fc(500) relu dropout(0.2)]*5 fc(classes)", 25),
    "three layers of filters": (CNN, 5),
}
# As the exercise has it: Adam as published, in batches of 128, without a schedule.
RECIPE = {"batch_size": 128, "learning_rate": 0.001, "schedule": "constant", "precision": "float32"}

arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
arguments.add_argument("source", nargs="?", default="digits")
arguments.add_argument("--images", help="the folder that a table's paths are relative to")
arguments.add_argument("--split", default="70:30", help="train:valid")
arguments.add_argument("--seed", type=int, default=128)
arguments.add_argument("--quick", action="store_true", help="a tenth of the epochs, to see it work")
told = arguments.parse_args()

catalog = striate.read(told.source, images=told.images)
dataset = make_dataset(catalog, DataOptions(size=(28, 28), ratios=told.split), told.seed, Observer())
plan = make_plan(read_training_options("fc(classes)", RECIPE, {"seed": told.seed}), dataset, Observer())
train, valid = plan.splits.train, plan.splits.valid
print(f"{len(train):,} images to train on, {len(valid):,} to validate on, seed {told.seed}\n")
print(f"{'tweak':<24}{'parameters':>10} {'epochs':>7}{'seconds':>8}{'training':>10}{'validation':>12}"
      f"{'95 % interval':>17}{'gap':>7}")  # fmt: skip
for name, (net, epochs) in TWEAKS.items():
    epochs = max(1, epochs // 10) if told.quick else epochs
    changed = change_plan(plan, net, plan.recipe.replace(epochs=epochs))
    start = time.perf_counter()
    model, state = train_plan(changed, Computation(torch.device("cpu")), Watch())
    seconds = time.perf_counter() - start
    # The kept epoch, judged on both sides without dropout: what training has learnt beyond what holds elsewhere.
    learnt, holds = (
        loss_and_counts(model.module, images, plan.preprocessing)[1].accuracy for images in (train, valid)
    )  # fmt: skip
    low, high = wilson_interval(round(holds * len(valid)), len(valid))
    parameters = sum(parameter.numel() for parameter in model.module.parameters())
    print(f"{name:<24}{parameters:>10,} {epochs:>7}{seconds:>8.1f}{100 * learnt:>8.2f} %{100 * holds:>10.2f} %"
          f"{100 * low:>8.2f} to {100 * high:.2f}{100 * (learnt - holds):>7.2f}", flush=True)  # fmt: skip
print("\ngap: training less validation accuracy in points; the more, the more was learnt by heart")
