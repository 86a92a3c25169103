"""What this machine has and lacks for a node: kernel, limits, directories, tools.

Exit code: 0 if a node can run here, 1 if something it needs is missing.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import options, output


def add_arguments(parser: ArgumentParser) -> None:
    """--json."""
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Looks and says."""
    from limpet_shell import machine

    findings = machine.examine()
    if arguments.json:
        output.write_json({"schema": 1, "findings": [finding._asdict() for finding in findings]})
    else:
        paint = output.painter()
        styles = {"ok": "green", "warning": "yellow", "missing": "bold red"}
        for finding in findings:
            mark = paint(finding.verdict.ljust(7), styles[finding.verdict])
            output.write(f"{mark}  {finding.name.ljust(22)}  {output.printable(finding.text)}")
    return 1 if any(finding.verdict == "missing" for finding in findings) else 0
