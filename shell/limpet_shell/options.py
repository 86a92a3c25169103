"""Arguments that several verbs share."""

from argparse import ArgumentParser, ArgumentTypeError


def add_json(parser: ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help='print JSON with "schema": 1')


def add_timeout(parser: ArgumentParser, default: float | None, text: str) -> None:
    """--timeout, in seconds or as a duration."""
    parser.add_argument("--timeout", type=duration, default=default, metavar="TIME", help=text)


def duration(text: str) -> float | None:
    """Seconds of `10`, `10s`, `1m30s`; None of `infinity`.

    Raises:
        ArgumentTypeError: it is none of these.
    """
    if text == "infinity":
        return None
    from limpet_supervisor.model.units import Duration

    try:
        return float(Duration.parse(text))
    except ValueError as error:
        raise ArgumentTypeError(f"{error}, found {text!r}") from None


def natural(text: str) -> int:
    """A number from 0.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not (text.isascii() and text.isdigit()):
        raise ArgumentTypeError(f"expected a number, found {text!r}")
    return int(text)
