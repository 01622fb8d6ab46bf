"""A plot of a campaign, as SVG, without a library."""

from __future__ import annotations

from typing import Any

WIDTH, HEIGHT, LEFT, TOP = 960, 110, 150, 30
ROWS = (
    ("calls a second", "calls", "#00796b"),
    ("failed, predicted", "failed", "#c62828"),
    ("failed, not predicted", "unpredicted", "#6a1b9a"),
    ("memory, MiB", "memory", "#1565c0"),
    ("threads", "threads", "#5d4037"),
    ("descriptors", "descriptors", "#ef6c00"),
)
BANDS = {
    "api": "#90a4ae",
    "vault": "#ffb74d",
    "aws": "#81c784",
    "clock": "#ba68c8",
    "key": "#e57373",
}


def plot(figures: dict[str, Any]) -> str:
    """Return the plot of the figures of a campaign."""
    samples: list[dict[str, float]] = figures["samples"]
    end = samples[-1]["at"]
    height = TOP + (len(ROWS) + len(BANDS) * 0.2) * HEIGHT + 30

    def x(at: float) -> float:
        return LEFT + at / end * (WIDTH - LEFT - 20)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height:g}" fill="white"/>',
        f'<text x="{LEFT}" y="18">{figures["title"]}</text>',
    ]
    y = float(TOP)
    for name, ink in BANDS.items():
        parts.append(f'<text x="8" y="{y + 14:g}">{name}</text>')
        for fault in figures["faults"]:
            if fault["place"].split()[0] == name:
                start, wide = x(fault["began"]), max(1.5, x(fault["ended"]) - x(fault["began"]))
                parts.append(
                    f'<rect x="{start:.1f}" y="{y + 3:g}" width="{wide:.1f}" height="14"'
                    f' fill="{ink}"><title>{fault["kind"]}</title></rect>'
                )
        y += HEIGHT * 0.2
    for label, key, ink in ROWS:
        most = max(each[key] for each in samples) or 1
        base, tall = y + HEIGHT - 14, HEIGHT - 30
        points = " ".join(
            f"{x(each['at']):.1f},{base - each[key] / most * tall:.1f}" for each in samples
        )
        parts += [
            f'<text x="8" y="{base - tall / 2:g}">{label}</text>',
            f'<text x="{LEFT - 6}" y="{base - tall + 4:g}" text-anchor="end">{most:,.0f}</text>',
            f'<text x="{LEFT - 6}" y="{base:g}" text-anchor="end">0</text>',
            f'<path d="M{LEFT} {base:g}H{WIDTH - 20}" stroke="#ddd"/>',
            f'<polyline points="{points}" fill="none" stroke="{ink}"/>',
        ]
        y += HEIGHT
    parts.append(
        f'<text x="{WIDTH - 20}" y="{y + 12:g}" text-anchor="end">{end:,.0f} s</text></svg>'
    )
    return "\n".join(parts) + "\n"
