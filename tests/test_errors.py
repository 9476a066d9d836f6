import inspect

import pytest

from striate import errors
from striate.errors import StriateError, unknown

ALL = [
    e for _, e in inspect.getmembers(errors, inspect.isclass) if issubclass(e, StriateError) and e is not StriateError
]


def test_the_nearest_name_is_found_whatever_the_case():
    assert "did you mean 'conv'" in unknown("layer", "CONV", ["conv", "relu"])
    assert "did you mean 'O'" in unknown("class", "o", ["O", "X"])
    assert "did you mean" not in unknown("layer", "zzz", ["conv", "relu"])


@pytest.mark.parametrize("error", ALL)
def test_every_error_fits_a_built_in(error):
    assert issubclass(error, (ValueError, OSError, RuntimeError, ImportError))
    assert str(error("a message")) == "a message"
