"""Print a completion script.

bash, zsh   add eval "$(limpet completion bash)" to ~/.bashrc, or its like to ~/.zshrc after compinit
fish        limpet completion fish > ~/.config/fish/completions/limpet.fish
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import completion, output


def add_arguments(parser: ArgumentParser) -> None:
    """The shell."""
    parser.add_argument("shell", choices=tuple(completion.SCRIPTS))


def run(arguments: Namespace) -> int:
    """Prints the script."""
    output.write(completion.SCRIPTS[arguments.shell](), end="")
    return 0
