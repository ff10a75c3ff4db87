"""Line plots as SVG, drawn with nothing but text: a few hundred bytes that any browser shows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 720
HEIGHT: Final = 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 190, 44, 58
# Okabe and Ito's palette, told apart by people of every colour vision; ours is the first.
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES: Final = ("", "7 4", "2 3", "9 3 2 3", "4 4", "1 4")
_TICKS: Final = 5
_APART: Final = 15


@dataclass(frozen=True)
class Line:
    """One manager's points.

    Attributes:
        name: For the legend.
        points: Pairs of x and y, by x.
    """

    name: str
    points: Sequence[tuple[float, float]]


def line_plot(title: str, x_label: str, y_label: str, lines: Sequence[Line]) -> str:
    """The plot as an SVG document; both axes start at zero."""
    x_step, x_most = _axis(max(x for line in lines for x, _ in line.points))
    y_step, y_most = _axis(max(y for line in lines for _, y in line.points))
    width, height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + x / x_most * width, _TOP + height - y / y_most * height

    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            f'aria-label="{escape(title)}" font-family="sans-serif" font-size="12" fill="#222">'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="24" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for number in range(round(x_most / x_step) + 1):
        x, y = place(number * x_step, 0)
        parts.append(
            f'<text x="{x:.1f}" y="{y + 18:.1f}" text-anchor="middle">{number * x_step:g}</text>'
        )
    for number in range(round(y_most / y_step) + 1):
        x, y = place(0, number * y_step)
        parts.append(
            f'<path d="M{x:.1f} {y:.1f}h{width}" stroke="#ddd"/>'
            f'<text x="{x - 8:.1f}" y="{y + 4:.1f}" text-anchor="end">{number * y_step:g}</text>'
        )
    middle_x, middle_y = _LEFT + width / 2, _TOP + height / 2
    parts += [
        f'<text x="{middle_x:.0f}" y="{HEIGHT - 16}" text-anchor="middle">{escape(x_label)}</text>',
        (
            f'<text transform="translate(20 {middle_y:.0f}) rotate(-90)" text-anchor="middle">'
            f"{escape(y_label)}</text>"
        ),
    ]
    parts += _drawn(lines, [[place(x, y) for x, y in line.points] for line in lines])
    return "\n".join([*parts, "</svg>\n"])


def _drawn(lines: Sequence[Line], placed: list[list[tuple[float, float]]]) -> list[str]:
    """The lines, each with its name at its end, kept readable where ends lie close together."""
    parts = []
    heights = _spread([points[-1][1] for points in placed])
    # Ours is drawn last, over the others.
    for number in reversed(range(len(lines))):
        points, colour = placed[number], _COLOURS[number % len(_COLOURS)]
        dash = _DASHES[number % len(_DASHES)]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"{dashed}/>'
        )
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        parts.append(
            f'<text x="{points[-1][0] + 10:.1f}" y="{heights[number] + 4:.1f}" fill="{colour}" '
            f'font-weight="bold">{escape(lines[number].name)}</text>'
        )
    return parts


def _spread(heights: Sequence[float]) -> list[float]:
    """The heights, moved up where two texts would overlap."""
    order = sorted(range(len(heights)), key=lambda number: -heights[number])
    spread = list(heights)
    for below, number in pairwise(order):
        spread[number] = min(spread[number], spread[below] - _APART)
    return spread


def _axis(most: float) -> tuple[float, float]:
    """A round step, and the multiple of it that holds `most`."""
    step = 1.0
    while step * _TICKS < most:
        step *= 10
    while step > 0 and step / 10 * _TICKS >= most:
        step /= 10
    for part in (0.1, 0.2, 0.25, 0.5, 1.0):
        if step * part * _TICKS >= most:
            step *= part
            break
    multiples = -(-most // step)
    return step, step * multiples
