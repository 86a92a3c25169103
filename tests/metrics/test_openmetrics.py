"""The text format: what is written is what the official parser reads, whatever names and values there are."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from limpet_supervisor.runtime.openmetrics import (
    Family,
    Histogram,
    Sample,
    Summary,
    label_name,
    metric_name,
    render,
)


def read(*families: Family) -> dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]]:
    """What the official parser makes of the text: by family, by name and labels of the sample, its value."""
    text = render(families).decode()
    return {
        family.name: {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in family.samples
        }
        for family in text_string_to_metric_families(text)
    }


def test_each_type_is_read_as_it_is_meant() -> None:
    found = read(
        Family("a", "counter", "Counts.\nOn two lines.", (), [((), 3)]),
        Family("b_seconds", "gauge", "", ("x",), [(("1",), 0.5), (("2",), math.inf)], "seconds"),
        Family("c", "info", "", ("version",), [(("1.0",), 1)]),
        Family("d", "histogram", "", (), [((), Histogram((0.1, 1.0), (2, 3, 4), 7.5))]),
        Family("e", "summary", "", (), [((), Summary(4, 2.0, ((0.5, 0.4), (0.99, 1.0))))]),
        Family("f", "gauge", "Without samples.", ("x",), []),
    )
    assert found == {
        "a": {("a_total", ()): 3},
        "b_seconds": {("b_seconds", (("x", "1"),)): 0.5, ("b_seconds", (("x", "2"),)): math.inf},
        "c": {("c_info", (("version", "1.0"),)): 1},
        "d": {
            ("d_bucket", (("le", "0.1"),)): 2,
            ("d_bucket", (("le", "1.0"),)): 5,
            ("d_bucket", (("le", "+Inf"),)): 9,
            ("d_count", ()): 9,
            ("d_sum", ()): 7.5,
        },
        "e": {
            ("e", (("quantile", "0.5"),)): 0.4,
            ("e", (("quantile", "0.99"),)): 1.0,
            ("e_count", ()): 4,
            ("e_sum", ()): 2.0,
        },
    }


@given(
    label=st.text(max_size=20),
    value=st.text(max_size=20).filter(lambda text: text.isprintable() or "\n" in text),
    number=st.floats(allow_nan=False) | st.integers(-(2**60), 2**60),
)
def test_any_label_and_any_value_come_back(label: str, value: str, number: float) -> None:
    name = label_name(label)
    sample: Sample = ((value,), number)
    (found,) = read(Family("a", "gauge", "", (name,), [sample]))["a"].items()
    assert found == (("a", ((name, value),)), number)


@given(st.text(max_size=30))
def test_any_name_becomes_one_that_can_be_read(text: str) -> None:
    name = metric_name(text)
    assert list(read(Family(name, "gauge", text, (), [((), 1)]))) == [name]


@pytest.mark.parametrize(
    ("text", "name"),
    [("process", "exported_process"), ("le", "exported_le"), ("__x", "x__x"), ("9", "_9"), ("", "_")],
)
def test_labels_that_are_taken_are_exported_ones(text: str, name: str) -> None:
    assert label_name(text, ("process",)) == name
