"""What is wrong is said with line, key, what was found, what is wanted and what was probably meant."""

from pathlib import Path

import pytest

from limpet_supervisor.config.load import load
from limpet_supervisor.errors import ConfigError
from support.configuration import GOLDEN, golden, load_text, load_web, problems_of, write


@pytest.mark.parametrize(("keys", "said"), golden("process.txt"))
def test_a_wrong_key_of_a_process(tmp_path: Path, keys: str, said: list[str]) -> None:
    (tmp_path / "bad.env").write_text("A=1\nB\n")
    found = problems_of(tmp_path, f'[processes.web]\ncommand = ["true"]\n{keys}', {"N": "many"})
    assert [problem.replace(str(tmp_path), "DIRECTORY") for problem in found] == said


@pytest.mark.parametrize(("text", "said"), golden("release.txt"))
def test_a_wrong_key_of_a_release(tmp_path: Path, text: str, said: list[str]) -> None:
    found = problems_of(tmp_path, text)
    assert [problem.replace(str(tmp_path), "DIRECTORY") for problem in found] == said


def test_a_circle_is_named_in_full_once_at_any_depth(tmp_path: Path) -> None:
    found = problems_of(
        tmp_path,
        """
        [processes.a]
        command = "x"
        after = ["b", "d"]
        [processes.b]
        command = "x"
        after = ["c"]
        [processes.d]
        command = "x"
        after = ["b"]
        [[supervisors]]
        name = "deep"
        [supervisors.processes.c]
        command = "x"
        after = ["a"]
        """,
    )
    assert found == ["5: processes.a.after: they wait for each other: a -> b -> c -> a"]


@pytest.mark.parametrize(
    ("name", "said"),
    [('name = "Shop"', "limpet.toml:1: name: expected"), ("", "name: not there")],
)
def test_a_wrong_name_hides_no_other_problem(tmp_path: Path, name: str, said: str) -> None:
    file = write(tmp_path, f'{name}\nversion = "?"\n[processes.web]\ncomand = "x"\n')
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert said in str(caught.value)
    assert "version: expected" in str(caught.value)
    assert "processes.web.comand" in str(caught.value)


def test_a_wrong_name_of_a_project_s_release_hides_no_other_problem(tmp_path: Path) -> None:
    file = write(tmp_path, '[tool.limpet.releases.Shop]\nversion = "?"\n', "pyproject.toml")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert len(caught.value.problems) == 2


def test_a_diamond_is_no_circle(tmp_path: Path) -> None:
    text = "".join(
        f'[processes.{name}]\ncommand = "x"\nafter = {after}\n'
        for name, after in (("a", ["b", "c"]), ("b", ["d"]), ("c", ["d"]), ("d", []))
    )
    assert len(load_text(tmp_path, text).root.processes) == 4


def test_a_chain_of_thousands_is_followed_without_recursion(tmp_path: Path) -> None:
    links = [f'p{k} = {{ command = "x", after = ["p{(k + 1) % 3000}"] }}' for k in range(3000)]
    found = problems_of(tmp_path, "[processes]\n" + "\n".join(links))
    assert len(found) == 1
    assert "p0 -> p1 -> p2 ->" in found[0]


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
[project]
name = "shop"
[tool.limpet]
defualt_release = "shop"
[tool.limpet.releases.shop]
version = 7
strategy = "one_for_al"
[tool.limpet.releases.shop.processes.web]
command = ["${NOPE}"]
liveness = { http = "x", evry = 3 }
[[tool.limpet.releases.shop.supervisors]]
name = "s"
processes.db = { command = "x", restart = "never", stop_signal = 9 }
""",
        "pyproject.toml",
    )
    with pytest.raises(ConfigError) as caught:
        load(file, environ={})
    expected = (GOLDEN / "all.txt").read_text().replace("DIRECTORY", str(tmp_path))
    assert f"{caught.value}\n" == expected


def test_the_value_of_a_variable_is_in_no_message_about_env(tmp_path: Path) -> None:
    found = problems_of(
        tmp_path,
        '[processes.web]\ncommand = "x"\nenv = { KEY = ["hunter2"], OTHER = "${SECRET}${GONE}" }',
        {"SECRET": "s3cr3t"},
    )
    assert len(found) == 2
    assert "hunter2" not in str(found)
    assert "s3cr3t" not in str(found)


def test_a_variable_that_is_not_text_is_said(tmp_path: Path) -> None:
    """As os.environ has it: bytes that are not UTF-8 become surrogates, which no message can carry."""
    environ = {"NAME": b"\xff".decode(errors="surrogateescape")}
    found = problems_of(tmp_path, '[processes.web]\ncommand = "x ${NAME}"', environ)
    assert found == ["3: processes.web.command[1]: what a variable stands for is not UTF-8"]


def test_one_mistake_brings_no_second_complaint(tmp_path: Path) -> None:
    """A misspelt `restart` is not also a significant permanent process."""
    text = 'auto_shutdown = "any_significant"\n[processes.web]\ncommand = "x"\nsignificant = true\n'
    assert len(problems_of(tmp_path, f'{text}restrat = "temporary"')) == 1
    assert len(problems_of(tmp_path, f'{text}restart = "temporry"')) == 1


def test_a_good_process_is_loaded_as_the_tables_above_write_it(tmp_path: Path) -> None:
    """The tables' frame itself has no problem: each row's is its own."""
    assert load_web(tmp_path, "").command == ("true",)
