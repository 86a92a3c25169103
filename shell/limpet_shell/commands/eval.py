"""Evaluate an expression in a fresh process: the application's interpreter, runtime configuration loaded.

Nothing is started. ARGs are in sys.argv. It prints what EXPR prints; exit code 0, or 1 with the traceback.
Modules of the release need no import: eval 'bookshop.release.migrate()'.
"""

from argparse import REMAINDER, ArgumentParser, Namespace

from limpet_shell import output, target


def add_arguments(parser: ArgumentParser) -> None:
    """--json, the expression and its arguments."""
    parser.add_argument(
        "--json", action="store_true", help='print exit code and output as JSON with "schema": 1, at its end'
    )
    parser.add_argument(
        "words", nargs=REMAINDER, metavar="EXPR [ARG…]", help="a Python expression or statements"
    )


def run(arguments: Namespace) -> int:
    """Evaluates the runtime configuration, then becomes the application's interpreter."""
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    if not words:
        output.write_error("ERROR: EVAL expects an expression as argument")
        return 1
    from limpet_shell import fresh

    file = target.file_of(arguments)
    if not arguments.json:
        return fresh.become_evaluator(file, arguments.release, words)
    code, out, err = fresh.evaluated(file, arguments.release, words)
    output.write_json({"schema": 1, "ok": code == 0, "exit_code": code, "stdout": out, "stderr": err})
    return code
