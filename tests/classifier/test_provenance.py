"""What is kept of how a model was made: any JSON is survived and kept, and only what fits is relied on."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from striate.classifier.provenance import Provenance

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
VALUES = PLAIN | st.lists(PLAIN, max_size=3) | st.dictionaries(st.text(max_size=5), PLAIN, max_size=3)
NAMES = st.sampled_from(["data", "epoch", "chosen", "ladder", "valid_accuracy", "more", "of another version"])


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw of text loads the table of characters
@given(st.dictionaries(NAMES, VALUES))
def test_whatever_a_file_keeps_is_kept(kept):
    assert Provenance.from_json(kept).to_json() == kept


def test_only_what_fits_is_relied_on():
    read = Provenance.from_json(
        {"epoch": 2.5, "valid_accuracy": 1, "ladder": {}, "chosen": True, "data": {"images": 3}}
    )
    assert (read.epoch, read.valid_accuracy, read.ladder, read.chosen, read.data) == (
        None,
        1,
        None,
        None,
        {"images": 3},
    )
    assert read.more == {"epoch": 2.5, "ladder": {}, "chosen": True}
