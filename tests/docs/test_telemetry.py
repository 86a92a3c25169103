"""The examples of docs/telemetry.md do what it says."""

import re
from pathlib import Path

from support.documents import assert_examples

DOCUMENT = Path(__file__).parents[2] / "docs/telemetry.md"


def test_its_examples_do_what_it_says(tmp_path: Path) -> None:
    """In a process of their own: what they attach stays there."""
    blocks = re.findall(r"^```pycon\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    assert_examples(blocks, tmp_path)
