import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from striate.baselines.logistic import fit_softmax


def test_a_new_last_layer_is_a_softmax_regression():
    x, y = load_digits(return_X_y=True)
    x = x.astype(np.float32)
    weight, bias, penalty = fit_softmax(x[:1200], y[:1200], 10)
    scale = x[:1200].std(0)
    kept = scale > 0
    standard = (x[:1200] - x[:1200].mean(0))[:, kept] / scale[kept]
    oracle = LogisticRegression(C=1 / (penalty * 1200), max_iter=1000).fit(standard, y[:1200])
    np.testing.assert_allclose(weight[:, kept] * scale[kept], oracle.coef_, atol=2e-3)
    assert (weight[:, ~kept] == 0).all()
    assert ((x[1200:] @ weight.T + bias).argmax(1) == y[1200:]).mean() > 0.85
    # A class that no image has, and two classes, are no special case.
    two = y[:1200] < 2
    weight, bias, _ = fit_softmax(x[:1200][two], y[:1200][two], 3, (x[1200:], np.minimum(y[1200:], 2)))
    assert ((x[:1200][two] @ weight.T + bias).argmax(1) == y[:1200][two]).all()
