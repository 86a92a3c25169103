"""Answers that carry what an application has said reach the client, whatever it is."""

import msgspec
import pytest

from limpet_supervisor.model.health import Vitals
from limpet_supervisor.wire import codec
from limpet_supervisor.wire import messages as m


def test_an_answer_that_messagepack_cannot_write_is_a_failure_and_no_silence() -> None:
    data = {"kind": "types", "rows": [{"count": 2**64}]}
    frames = codec.encode_answer(7, m.EvaluateReply(process="web.1", ok=True, data=data))
    request, answer = codec.decode_answer(frames)
    assert request == 7
    assert isinstance(answer, m.Failure)
    assert "64" in answer.why


@pytest.mark.parametrize(
    "said",
    [
        {"lags": {"counts": [1, -1]}},
        {"lags": {"counts": [1], "sum": -1.0}},
        {"gc": {"seconds": -1.0}},
        {"gc": {"collections": [-1]}},
    ],
)
def test_vitals_of_which_no_counters_can_be_made_are_no_vitals(said: object) -> None:
    """One process would make the metrics of the whole node unreadable."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(said, Vitals)
