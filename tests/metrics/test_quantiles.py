import math

import numpy as np
import pytest

from striate.metrics.quantiles import conformal_quantile, fewest_for


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [1, 9, 19, 99, 100, 1234])
def test_it_is_the_order_statistic_of_split_conformal_prediction(n, share):
    values = np.random.default_rng(n).permutation(n).astype(float)
    place = math.ceil(share * (n + 1) - 1e-9)
    expected = np.sort(values)[place - 1] if place <= n else math.inf
    assert conformal_quantile(values, share) == expected
    assert (n >= fewest_for(share)) == (expected < math.inf)


def test_each_group_weighs_as_much():
    values = np.array([1, 1, 1, 1, 2, 3, 4])
    groups = np.array([0, 0, 0, 0, 1, 2, 3])
    assert [conformal_quantile(values, share, groups) for share in (0.2, 0.4, 0.6, 0.8, 0.9)] == [1, 2, 3, 4, math.inf]
