"""What a view makes: lines of styled text, and what a click on them means."""

from typing import Final, NamedTuple

from limpet_shell.output import printable, shorten, width_of

Text = tuple[str, str]
"""A style (words of `styles.STYLES`) and what is written so; no control characters."""
Line = list[Text]


class Hit(NamedTuple):
    """A click on line `y`, from column `left` up to `right`, does `action` with `value`."""

    y: int
    left: int
    right: int
    action: str
    """tab, section, row, sort."""
    value: str


class Frame:
    """A screen, or a part of one."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.lines: list[Line] = []
        self.hits: list[Hit] = []

    @property
    def left(self) -> int:
        """Lines that are still free."""
        return self.height - len(self.lines)

    def add(self, *texts: Text) -> None:
        """A line, cut to the width; none if no line is free."""
        if self.left > 0:
            self.lines.append(cut(list(texts), self.width))

    def blank(self) -> None:
        """An empty line."""
        self.add(("", ""))

    def hit(self, left: int, right: int, action: str, value: str) -> None:
        """A click on the line that is added next."""
        self.hits.append(Hit(len(self.lines), left, right, action, value))

    def fill(self) -> None:
        """Empty lines down to the end."""
        while self.left > 0:
            self.blank()

    def put(self, other: "Frame") -> None:
        """Appends a part of the screen."""
        begin = len(self.lines)
        self.lines += other.lines[: self.left]
        self.hits += [hit._replace(y=hit.y + begin) for hit in other.hits]


def cut(line: Line, width: int) -> Line:
    """The line without what is beyond that width."""
    found: Line = []
    left = width
    for style, text in line:
        if left <= 0:
            break
        wide = width_of(text)
        found.append((style, text if wide <= left else shorten(text, left)))
        left -= min(wide, left)
    return found


def fit(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly that width: cut, or with blanks; control characters are escaped."""
    text = shorten(printable(text), width)
    gap = " " * (width - width_of(text))
    return gap + text if right else text + gap


def padded(line: Line, width: int, style: str) -> Line:
    """The line, filled up to that width, all of it in that style besides its own."""
    used = sum(width_of(text) for _, text in line)
    filled = [*line, ("", " " * max(0, width - used))]
    return [(f"{style} {own}".strip(), text) for own, text in filled]


def plain(frame: Frame) -> list[str]:
    """The text of a frame."""
    return ["".join(text for _, text in line).rstrip() for line in frame.lines]


WITHOUT_UNICODE: Final = str.maketrans(
    dict(
        zip(
            "●◐◑○↻✗□·…▲▼├└│─█░▁▂▃▄▅▆▇±‖▶←→↑↓",
            "*~~o@x=.~^v|`|-#._.--==#~=><>^v",
            strict=True,
        )
    )
)
"""For terminals that show nothing but ASCII."""
