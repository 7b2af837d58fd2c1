"""A scenario as a picture: Mermaid for documents that render it, and a self-contained SVG laid out here.

The layout is Sugiyama's in its simplest form: a layer for each step by its distance from the start, the
order within a layer by the middle of its neighbours, edges as curves. Enough to see where a call may go.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from trunkline.scenario.edge_cases import EdgeCases
from trunkline.scenario.model import Edge, Scenario

LONGEST_LABEL = 26
"""Characters of an edge's label that are shown; the whole stands in the tooltip."""
SWEEPS = 8
"""How often the order within the layers is improved."""

_WIDTH, _HEIGHT, _GAP_X, _GAP_Y, _MARGIN = 190, 46, 46, 74, 24
_FILL = {
    "say": "#eef2f7", "ask": "#dcebff", "talk": "#e6f4e4", "decide": "#fff3d6", "call": "#efe4fb",
    "transfer": "#fde3ec", "callback": "#dff3f3", "voicemail": "#f3ecdf", "end": "#e4e4e4",
}  # fmt: skip
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1c2430}.kind{font-size:10px;fill:#5a6675}"
    ".edge{fill:none;stroke:#7d8a99;stroke-width:1.3}.back{stroke-dasharray:4 3}"
    ".label{font-size:10px;fill:#3d4856;paint-order:stroke;stroke:#fff;stroke-width:3px}"
)
_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0 0L8 4L0 8z" fill="#7d8a99"/></marker></defs>'
)


@dataclass(frozen=True, slots=True)
class Arrow:
    """One way from step to step, and why it is taken."""

    start: str
    end: str
    label: str


def arrows(scenario: Scenario) -> list[Arrow]:
    """Every edge of the steps, in the order of the file."""
    return [
        Arrow(name, edge.to, _reason(edge)) for name, step in scenario.steps.items() for edge in step.edges
    ]


def _reason(edge: Edge) -> str:
    if edge.when is not None:
        return edge.when
    if edge.intent is not None:
        return f"“{edge.intent.replace('_', ' ')}”"
    if edge.event is not None:
        return f"on {edge.event.replace('_', ' ')}"
    return f"if {edge.judge}" if edge.judge is not None else ""


def from_anywhere(scenario: Scenario) -> dict[str, str]:
    """Steps that edge cases and objections lead to from every step, with the reason."""
    found = {scenario.case(name).go: name for name in EdgeCases.model_fields if scenario.case(name).go}
    found |= {o.after: f"{name} again" for name, o in scenario.objections.items() if o.after}
    return {step: reason.replace("_", " ") for step, reason in found.items()}


def mermaid(scenario: Scenario) -> str:
    """A Mermaid flowchart."""
    shapes = {"end": ("([", "])"), "decide": ("{", "}"), "transfer": ("[[", "]]")}
    lines = ["flowchart TD"]
    for name, step in scenario.steps.items():
        left, right = shapes.get(step.kind, ("[", "]"))
        what = step.outcome if step.kind == "end" else step.field or ""
        text = _quoted(f"{name}<br/>{step.kind} {what}".rstrip())
        lines.append(f"  s_{name}{left}{text}{right}")
    for arrow in arrows(scenario):
        label = f"|{_quoted(arrow.label)}|" if arrow.label else ""
        lines.append(f"  s_{arrow.start} -->{label} s_{arrow.end}")
    for n, (step_name, reason) in enumerate(from_anywhere(scenario).items()):
        lines.append(f"  any_{n}(({_quoted('any step')})) -.->|{_quoted(reason)}| s_{step_name}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Text for Mermaid: its quotes and brackets would end the label."""
    codes = str.maketrans({"#": "#35;", '"': "#quot;", "|": "#124;", "`": "#96;", "<": "#lt;", ">": "#gt;"})
    return '"' + "<br/>".join(part.translate(codes) for part in text.split("<br/>")) + '"'


# --- the layout -------------------------------------------------------------------------------------


def layers(scenario: Scenario) -> list[list[str]]:
    """The steps in layers from the top: the start alone, then by distance; ends lowest. Within a layer
    in an order that keeps edges short."""
    depth = {scenario.start: 0}
    ways: dict[str, list[str]] = {name: [] for name in scenario.steps}
    for arrow in arrows(scenario):
        ways[arrow.start].append(arrow.end)
    _spread(depth, ways, [scenario.start])
    detached = [name for name in from_anywhere(scenario) if name not in depth]
    for name in [*detached, *scenario.steps]:
        if name not in depth:
            depth[name] = 1
            _spread(depth, ways, [name])
    inner = [name for name in scenario.steps if scenario.steps[name].kind != "end"]
    lowest = max((depth[name] for name in inner), default=0) + 1
    for name, step in scenario.steps.items():
        if step.kind == "end" and name != scenario.start:
            depth[name] = lowest
    rows: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in scenario.steps:
        rows[depth[name]].append(name)
    rows = [row for row in rows if row]
    return _ordered(rows, ways)


def _spread(depth: dict[str, int], ways: dict[str, list[str]], ahead: list[str]) -> None:
    while ahead:
        following = []
        for name in ahead:
            for target in ways[name]:
                if target not in depth:
                    depth[target] = depth[name] + 1
                    following.append(target)
        ahead = following


def _ordered(rows: list[list[str]], ways: dict[str, list[str]]) -> list[list[str]]:
    joined: dict[str, set[str]] = {name: set(targets) for name, targets in ways.items()}
    for name, targets in ways.items():
        for target in targets:
            joined[target].add(name)
    for sweep in range(SWEEPS):
        place = {name: (n + 0.5) / len(row) for row in rows for n, name in enumerate(row)}
        order = rows if sweep % 2 == 0 else rows[::-1]
        for row in order:
            middle = {
                name: sum(place[other] for other in joined[name]) / len(joined[name])
                if joined[name]
                else place[name]
                for name in row
            }
            row.sort(key=lambda name: middle[name])
            place |= {name: (n + 0.5) / len(row) for n, name in enumerate(row)}
    return rows


def svg(scenario: Scenario) -> str:
    """A self-contained SVG image."""
    rows = layers(scenario)
    widest = max(len(row) for row in rows)
    width = 2 * _MARGIN + widest * (_WIDTH + _GAP_X) - _GAP_X + 2 * _GAP_X
    height = 2 * _MARGIN + len(rows) * (_HEIGHT + _GAP_Y) - _GAP_Y
    at: dict[str, tuple[float, float]] = {}
    for depth, row in enumerate(rows):
        across = len(row) * (_WIDTH + _GAP_X) - _GAP_X
        for n, name in enumerate(row):
            x = (width - across) / 2 + n * (_WIDTH + _GAP_X)
            at[name] = (x, _MARGIN + depth * (_HEIGHT + _GAP_Y))
    title = escape(scenario.title or scenario.name)
    size = f'width="{width:g}" height="{height:g}"'
    box = f'viewBox="0 0 {width:g} {height:g}"'
    label = f'aria-label="{_attribute(title)}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} {size} role="img" {label}>',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style>",
        _TIP,
        f'<rect width="{width:g}" height="{height:g}" fill="#fff"/>',
    ]
    seen: dict[tuple[str, str], int] = {}
    for arrow in arrows(scenario):
        pair = (arrow.start, arrow.end)
        seen[pair] = seen.get(pair, 0) + 1
        parts.append(_curve(arrow, at, seen[pair] - 1))
    reasons = from_anywhere(scenario)
    parts += [_box(scenario, name, at[name], reasons.get(name, "")) for name in scenario.steps]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _curve(arrow: Arrow, at: dict[str, tuple[float, float]], number: int) -> str:
    (x1, y1), (x2, y2) = at[arrow.start], at[arrow.end]
    shift = 14 * number
    if y2 > y1:
        start, end = (x1 + _WIDTH / 2 + shift, y1 + _HEIGHT), (x2 + _WIDTH / 2 + shift, y2)
        bend = max(30.0, (y2 - y1 - _HEIGHT) / 2)
        path = f"M{start[0]:g} {start[1]:g}C{start[0]:g} {start[1] + bend:g} "
        path += f"{end[0]:g} {end[1] - bend:g} {end[0]:g} {end[1]:g}"
        # Nearer to its own step: two edges that meet would write over each other.
        label = (start[0] + 0.3 * (end[0] - start[0]), start[1] + 0.3 * (end[1] - start[1]) + 4)
    elif y2 == y1 and x2 != x1:  # in its own row, where boxes may lie between: below them
        out, into = (0.85, 0.15) if x2 > x1 else (0.15, 0.85)  # beside the edges that go down
        start, end = (x1 + out * _WIDTH, y1 + _HEIGHT), (x2 + into * _WIDTH, y2 + _HEIGHT)
        low = start[1] + _GAP_Y * 0.3 + shift
        path = f"M{start[0]:g} {start[1]:g}C{start[0]:g} {low:g} {end[0]:g} {low:g} {end[0]:g} {end[1]:g}"
        label = ((start[0] + end[0]) / 2, start[1] + 12)
    else:  # up, or to itself: around the right-hand side
        start, end = (x1 + _WIDTH, y1 + _HEIGHT / 2 + shift), (x2 + _WIDTH, y2 + _HEIGHT / 2 - 6)
        out = max(start[0], end[0]) + 30 + shift
        path = f"M{start[0]:g} {start[1]:g}C{out:g} {start[1]:g} {out:g} {end[1]:g} {end[0]:g} {end[1]:g}"
        label = (out - 8, (start[1] + end[1]) / 2)
    kind = "edge" if y2 > y1 else "edge back"
    drawn = f'<path class="{kind}" d="{path}" marker-end="url(#tip)"/>'
    if not arrow.label:
        return drawn
    text = f'<text class="label" x="{label[0]:.0f}" y="{label[1]:.0f}" text-anchor="middle">'
    return f"{drawn}{text}<title>{escape(arrow.label)}</title>{escape(_short(arrow.label))}</text>"


def _box(scenario: Scenario, name: str, place: tuple[float, float], reason: str) -> str:
    step, (x, y) = scenario.steps[name], place
    what = step.outcome if step.kind == "end" else step.field or ""
    below = f"{step.kind} {what}".strip() + (f" · from anywhere: {reason}" if reason else "")
    radius = 20 if step.kind == "end" else 6
    edge = ' stroke="#1c2430" stroke-width="2"' if name == scenario.start else ' stroke="#9aa6b4"'
    said = scenario.fields[step.field].ask if step.field in scenario.fields else step.say
    tip = escape(" ".join(part for part in (step.say, said if said != step.say else "") if part))
    return (
        f'<g><title>{tip}</title><rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="{radius}" '
        f'fill="{_FILL.get(step.kind, "#fff")}"{edge}/>'
        f'<text x="{x + _WIDTH / 2:g}" y="{y + 20:g}" text-anchor="middle">{escape(_short(name))}</text>'
        f'<text class="kind" x="{x + _WIDTH / 2:g}" y="{y + 36:g}" text-anchor="middle">'
        f"{escape(below if len(below) <= 36 else below[:35] + '…')}</text></g>"
    )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"


def _attribute(text: str) -> str:
    return text.replace('"', "&quot;")
