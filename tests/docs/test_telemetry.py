"""The examples of docs/telemetry.md do what it says."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs/telemetry.md"
PROGRAM = """
import doctest, sys
failed, tried = doctest.testfile(
    sys.argv[1], module_relative=False, optionflags=doctest.ELLIPSIS | doctest.REPORT_NDIFF
)
print(tried)
sys.exit(bool(failed))
"""


def test_its_examples_do_what_it_says(tmp_path: Path) -> None:
    """In a process of their own: what they attach stays there."""
    blocks = re.findall(r"^```pycon\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    examples = tmp_path / "examples.txt"
    examples.write_text("".join(blocks).replace("…", "..."))
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, examples],
        env={"PYTHONPATH": str(ROOT / "agent")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert int(ran.stdout) == sum(len(doctest.DocTestParser().get_examples(block)) for block in blocks) > 20
