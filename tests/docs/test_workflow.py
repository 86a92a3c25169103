"""The repository's own workflow calls what there is."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())


def commands() -> list[str]:
    return [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]


def test_what_it_makes_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wanted = {
        word
        for command in commands()
        for match in re.findall(r"make ([\w ]+)", command)
        for word in match.split()
    }
    assert {"lint", "types", "test", "install"} <= wanted <= targets


def test_it_tests_on_every_python_that_is_supported() -> None:
    classifiers = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"] == classifiers


def test_an_image_is_pushed_from_main_alone_and_after_the_tests() -> None:
    image = WORKFLOW["jobs"]["image"]
    assert set(image["needs"]) == {"lint", "test"}
    assert "github.ref == 'refs/heads/main'" in image["if"]
    assert WORKFLOW["permissions"] == {"contents": "read"}
    assert WORKFLOW["jobs"]["test"]["services"]["postgres"]["image"].startswith("postgres:")
