"""Damage CSV files."""

import csv
import io
from random import Random

CELLS = (
    *(
        "",
        " ",
        "nan",
        "inf",
        "-inf",
        "1e999",
        "-1",
        "-0.5",
        "0.5",
        "2",
        "1e308",
        "1_000",
        " 1",
        "+1",
    ),
    *("٣", "text", '"', '"1"2', "a\nb", '"a\nb"', "9" * 30, "9" * 5000, "1" * 500, "0x1", "1.0"),
    *("1e3", "True", "x" * 200_000, "\0", "\u2028", "a\x1bb", "'1", "=1+1", "18446744073709551616"),
)


def damage_table(random: Random, content: bytes) -> bytes:
    """Replace, repeat, move or remove cells, rows or columns of a CSV file."""
    rows = list(csv.reader(io.StringIO(content.decode())))
    for _ in range(random.choice((1, 1, 2, 3))):
        row = random.randrange(len(rows))
        column = random.randrange(len(rows[0]))
        kind = random.randrange(10)
        if kind == 0:
            rows.insert(random.randint(0, len(rows)), list(rows[row]))
        elif kind == 1 and len(rows) > 2:
            del rows[row]
        elif kind == 2:
            for one in rows:
                one.append(one[column] if column < len(one) else "")
        elif kind == 3:
            for one in rows:
                del one[column : column + 1]
        elif kind == 4:
            other = random.randrange(len(rows[0]) or 1)
            for one in rows:
                if max(column, other) < len(one):
                    one[column], one[other] = one[other], one[column]
        elif column < len(rows[row]):
            rows[row][column] = random.choice(CELLS)
        if not rows[0]:
            break
    if random.random() < 0.3:  # as raw text, so that quotes and line breaks leave their cells
        text = "\n".join(",".join(row) for row in rows) + random.choice(("\n", "", "\r\n", "\n\n"))
    else:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator=random.choice(("\n", "\r\n"))).writerows(rows)
        text = buffer.getvalue()
    return text.encode("utf-8", "surrogatepass")
