"""A printed table, read back: its heads may go over several lines."""

import re
from collections.abc import Sequence


def read_heads(lines: Sequence[str]) -> list[str]:
    """Return the names of the columns; words that lie above each other belong to one name."""
    columns: list[tuple[int, int, str]] = []  # first place, place after the last one, name
    for line in lines:
        for word in re.finditer(r"\S+", line):
            above = next((each for each in columns if each[0] < word.end() and word.start() < each[1]), None)
            if above is None:
                columns.append((word.start(), word.end(), word[0]))
            else:
                columns.remove(above)
                columns.append((min(above[0], word.start()), max(above[1], word.end()), above[2] + word[0]))
    return [name for _, _, name in sorted(columns)]
