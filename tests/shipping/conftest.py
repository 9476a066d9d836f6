"""Models that several tests export."""

import pytest
from tests.shipping.models import small_model


@pytest.fixture(scope="session")
def colours():
    """A small net with views on coloured shapes."""
    return small_model("shapes", epochs=6, views="mirror-shift", size=(24, 24))


@pytest.fixture(scope="session")
def grays():
    """A small net on gray digits."""
    return small_model(epochs=2)
