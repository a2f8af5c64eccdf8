"""Ways to look at a race, a sweep, an advice; each is loaded when it is first asked for."""

from __future__ import annotations

from polyoptim.registry import Registry

VIEWS = Registry(
    "view",
    {
        "race_report": "polyoptim.racing.tables:race_report",
        "sweep_report": "polyoptim.racing.tables:sweep_report",
        "advice_report": "polyoptim.racing.tables:advice_report",
        "race_figure": "polyoptim.racing.pictures:race_figure",
        "sweep_figure": "polyoptim.racing.pictures:sweep_figure",
    },
    extra={"race_figure": "plot", "sweep_figure": "plot"},
)
