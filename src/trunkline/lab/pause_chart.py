"""The curve of latency against wrong starts, as a table for the terminal and a page with one drawing."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trunkline.errors import RecordError
from trunkline.lab.pause_trial import Figures

_SVG = "http://www.w3.org/2000/svg"
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 760, 420, 70, 50
_STEP_MS, _STEP_SHARE = 200, 10


def rows(figures: Sequence[Figures]) -> list[dict[str, Any]]:
    """All figures for machines: shares from 0 to 1, times in milliseconds."""
    return [
        {
            "policy": one.name,
            "pauses": one.pauses,
            "wrong_starts": one.wrong,
            "wrong_share": round(one.wrong_share, 4),
            "answered": len(one.latencies),
            "p50_ms": _rounded(one.at(0.5)),
            "p95_ms": _rounded(one.at(0.95)),
        }
        for one in figures
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def write(folder: Path, figures: Sequence[Figures], source: str) -> list[Path]:
    """`pauses.json`, `pauses.svg` and `pauses.html` in `folder`. Raises `RecordError`."""
    drawing = draw(figures)
    written = {
        "pauses.json": json.dumps(rows(figures), indent=2) + "\n",
        "pauses.svg": drawing,
        "pauses.html": _page(figures, drawing, source),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in written.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise RecordError(f"cannot be written: {error.strerror or error}", where=str(folder)) from error
    return [folder / name for name in written]


def draw(figures: Sequence[Figures]) -> str:
    """An SVG: each policy a line from its p50 to its p95, at its share of wrong starts."""
    known = [
        (one, p50, p95)
        for one in figures
        if (p50 := one.at(0.5)) is not None and (p95 := one.at(0.95)) is not None
    ]
    most_ms = max([1000.0, *(p95 for _, _, p95 in known)]) * 1.08
    most_share = max([0.1, *(one.wrong_share for one, _, _ in known)]) * 1.15

    def across(share: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - 150) * share / most_share

    def up(ms: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - 20) * ms / most_ms

    parts = [
        f'<svg xmlns="{_SVG}" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="13">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
    ]
    for ms in range(0, int(most_ms) + 1, _STEP_MS):
        parts.append(_line(_LEFT, up(ms), _WIDTH - 150, up(ms), "#ddd"))
        parts.append(_text(_LEFT - 8, up(ms) + 4, f"{ms} ms", "end"))
    parts += [
        _text(across(share / 100), _HEIGHT - _BOTTOM + 18, f"{share} %", "middle")
        for share in range(0, int(100 * most_share) + 1, _STEP_SHARE)
    ]
    parts.append(_text(_LEFT, _HEIGHT - 8, "pauses in which the agent began to speak", "start"))
    for one, p50, p95 in known:
        colour = "#888" if one.name.startswith("silence") else "#c22"
        x = across(one.wrong_share)
        parts.append(_line(x, up(p50), x, up(p95), colour, 3))
        parts.append(f'<circle cx="{x:.1f}" cy="{up(p50):.1f}" r="5" fill="{colour}"/>')
        parts.append(_text(x + 8, up(p95) + 4, one.name, "start"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"/>'
    )


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'


def _page(figures: Sequence[Figures], drawing: str, source: str) -> str:
    cells = "".join(
        f"<tr><td>{html.escape(row['policy'])}</td><td>{row['wrong_starts']} of {row['pauses']}</td>"
        f"<td>{100 * row['wrong_share']:.1f} %</td><td>{row['p50_ms']}</td><td>{row['p95_ms']}</td></tr>"
        for row in rows(figures)
    )
    return (
        '<!doctype html><meta charset="utf-8"><title>Pauses</title>'
        "<style>body{font-family:sans-serif;max-width:60em;margin:2em auto}td,th{padding:.2em 1em}</style>"
        f"<h1>Latency against wrong starts</h1><p>{html.escape(source)}. Dot: p50; upper end: p95.</p>"
        f"{drawing}<table><tr><th>policy</th><th>wrong starts</th><th>share</th><th>p50 ms</th>"
        f"<th>p95 ms</th></tr>{cells}</table>\n"
    )
