"""What a suite measured, drawn: `bench.png` (needs the extra `plot`), and `bench.html` with an SVG."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trunkline.errors import ConfigError, RecordError
from trunkline.lab.bench_rows import FIGURES

_WIDTH, _LABEL, _LINE, _BAR = 900, 420, 34, 16
_GOOD, _BAD, _AIM, _GREY = "#2a7", "#c33", "#000", "#666"


def write(folder: Path, rows: Sequence[dict[str, Any]]) -> list[Path]:
    """Draw `rows` as `suite_rows` gives them. Raises `ConfigError` without Pillow, and `RecordError`."""
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise ConfigError("PNG needs Pillow", where="--plot", hint="pip install 'trunkline[plot]'") from error
    picture = Image.new("RGB", (_WIDTH, _height(rows)), "white")
    pen = ImageDraw.Draw(picture)
    for kind, numbers, colour, words in _shapes(rows):
        if kind == "bar":
            pen.rectangle(numbers, fill=colour)
        else:
            pen.text((numbers[0], numbers[1] - 10), words, fill=colour)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / "bench.png")
        (folder / "bench.html").write_text(_page(rows), encoding="utf-8")
    except OSError as error:
        raise RecordError(f"cannot be written: {error.strerror or error}", where=str(folder)) from error
    return [folder / "bench.png", folder / "bench.html"]


def _height(rows: Sequence[dict[str, Any]]) -> int:
    return _LINE * (len(rows) + 1)


def _shapes(rows: Sequence[dict[str, Any]]) -> list[tuple[str, tuple[float, float, float, float], str, str]]:
    """Bars and words: (kind, left top right bottom, colour, words). A bar is drawn against its own aim."""
    shapes: list[tuple[str, tuple[float, float, float, float], str, str]] = []
    room = _WIDTH - _LABEL - 110
    for number, row in enumerate(rows):
        top = _LINE / 2 + number * _LINE
        words = f"{row['what']}: {FIGURES[row['figure']]}"
        shapes.append(("text", (8, top + _BAR - 3, 0, 0), _AIM, words))
        value = row["measured"]
        most = 2 * row["aim"] or 1.0  # where nothing may be lost, one fills the bar
        if value is not None:
            colour = _GOOD if row["reached"] else _BAD
            length = room * min(1.0, max(0.0, value) / most)
            shapes.append(("bar", (_LABEL, top, _LABEL + length, top + _BAR), colour, ""))
        at = _LABEL + room * row["aim"] / most
        shapes.append(("bar", (at, top - 3, at + 1, top + _BAR + 3), _AIM, ""))
        shown = "none" if value is None else f"{value:g} of {row['aim']:g}"
        shapes.append(("text", (_LABEL + room + 8, top + _BAR - 3, 0, 0), _GREY, shown))
    return shapes


def draw_svg(rows: Sequence[dict[str, Any]]) -> str:
    """The same drawing as an SVG."""
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_height(rows)}" '
            'font-family="sans-serif" font-size="12">'
        )
    ]
    for kind, (left, top, right, bottom), colour, words in _shapes(rows):
        if kind == "bar":
            parts.append(
                f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
                f'fill="{colour}"/>'
            )
        else:
            parts.append(f'<text x="{left:.1f}" y="{top:.1f}" fill="{colour}">{html.escape(words)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _page(rows: Sequence[dict[str, Any]]) -> str:
    cells = "".join(
        f"<tr><td>{html.escape(row['what'])}</td><td>{html.escape(FIGURES[row['figure']])}</td>"
        f"<td>{row['measured']}</td><td>{row['aim']:g}</td>"
        f"<td>{'reached' if row['reached'] else 'missed'}</td><td>{row['cases']}</td></tr>"
        for row in rows
    )
    return (
        '<!doctype html><meta charset="utf-8"><title>Benchmark</title>'
        "<style>body{font-family:sans-serif;max-width:60em;margin:2em auto}td,th{padding:.2em 1em}</style>"
        "<h1>At the caller's ear</h1><p>The line across a bar is the aim; a bar ends at twice its aim.</p>"
        f"{draw_svg(rows)}<table><tr><th>what</th><th>figure</th><th>measured</th><th>aim</th><th></th>"
        f"<th>cases</th></tr>{cells}</table>\n"
    )
