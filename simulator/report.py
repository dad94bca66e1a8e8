"""An HTML page with plots of a data set, for people."""

from __future__ import annotations

import base64
import html
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from simulator.dataset import read_answers, read_manifest

# Number of event days that are read for what the answers do not contain; evenly distributed.
_DAYS_READ = 60
_COLOURS = ("#30638e", "#d1495b", "#edae49", "#00798c", "#7a6c5d", "#5c946e")

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
        color: #222 }}
figure {{ display: inline-block; margin: 0 1rem 1.5rem 0; width: 34rem; max-width: 100% }}
img {{ width: 100% }}
figcaption {{ color: #555 }}
table {{ border-collapse: collapse; margin-bottom: 2rem }}
td, th {{ padding: .15rem .8rem .15rem 0; text-align: left; font-variant-numeric: tabular-nums }}
td:nth-child(2) {{ text-align: right }}
</style>
<h1>{title}</h1>
<p>{about}</p>
<table><tr><th>counted</th><th>rows</th></tr>
{rows}
</table>
{figures}
</html>
"""


def write_report(root: Path, page: Path) -> None:
    """Write one HTML page that contains the plots of the data set in `root`.

    They use the answers, and for meters up to 60 event days. Raises SimulatorError if there is no
    data set.
    """
    manifest = read_manifest(root)
    plots = _meter_plots if manifest["domain"] == "meters" else _matomo_plots
    figures = "\n".join(
        f'<figure><img src="data:image/png;base64,{_drawn(draw)}" alt="{html.escape(caption)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for caption, draw in plots(root, manifest)
    )
    given = manifest["parameters"]
    page.write_text(
        _PAGE.format(
            title=html.escape(f"{manifest['domain'].title()}, seed {manifest['seed']}"),
            about=html.escape(f"From {given['start']}; " + ", ".join(_told(given))),
            rows="\n".join(
                f"<tr><td>{html.escape(name)}</td><td>{count:,}</td></tr>"
                for name, count in _flat(manifest["counts"])
            ),
            figures=figures,
        ),
        encoding="utf-8",
    )


def _told(given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in given.items():
        label = name.replace("_", " ")
        if name in ("seed", "start", "shares") or value is False:
            continue
        if value is True:
            yield label
        else:
            yield f"{label} {', '.join(value) if isinstance(value, list) else value}"


def _flat(counts: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for name, value in counts.items():
        if isinstance(value, dict):
            yield from ((f"planted: {kind.replace('_', ' ')}", n) for kind, n in value.items())
        else:
            yield name.replace("_", " "), value


Draw = Callable[[Axes], None]


def _drawn(draw: Draw) -> str:
    figure = Figure(figsize=(6.8, 3.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return base64.b64encode(content.getvalue()).decode()


def _meter_plots(root: Path, manifest: dict[str, Any]) -> Iterator[tuple[str, Draw]]:
    daily: Counter[date] = Counter()
    for row in read_answers(root, "by_type_daily"):
        daily[date.fromisoformat(row["period_start"])] += int(row["count"])
    yield "Events a day, by the day they occurred", _line({"events": daily})
    monthly: Counter[str] = Counter()
    for row in read_answers(root, "by_type_monthly"):
        monthly[row["period_start"][:7]] += int(row["count"])
    yield "Events a month", _bars(dict(sorted(monthly.items())))

    hours: Counter[int] = Counter()
    busiest, minutes = "", Counter[int]()
    delays: list[float] = []
    days = manifest["event_days"]
    step = max(1, len(days) // _DAYS_READ)
    top = max(days, key=lambda each: each["rows"])
    for each in [*days[::step], top]:
        here: Counter[int] = Counter()
        for line in (root / "events" / each["file"]).read_text(encoding="utf-8").splitlines()[1:]:
            fields = line.split(",")
            try:
                hour, minute = int(fields[1][11:13]), int(fields[1][14:16])
                same = fields[1][:10] == fields[2][:10]
                arrived = int(fields[2][11:13]) * 60 + int(fields[2][14:16])
            except (ValueError, IndexError):
                continue
            hours[hour] += 1
            here[(hour * 60 + minute) // 10] += 1
            if same:
                delays.append(max(arrived - hour * 60 - minute, 0) / 60)
        if each is top:
            busiest, minutes = each["file"], here
    yield (
        "By hour of the day: nights are calm, evenings are not",
        _bars({str(hour): hours[hour] for hour in range(24)}),
    )
    yield (
        f"The busiest day in steps of ten minutes ({busiest}): storms are spikes",
        _line({"": {slot / 6: minutes[slot] for slot in range(144)}}, "hour of the day"),
    )
    yield "Hours from occurrence to arrival, when on the same day", _histogram(delays)

    per_equipment: dict[str, Counter[str]] = {"meters": Counter(), "concentrators": Counter()}
    for row in read_answers(root, "by_equipment_annual"):
        kind = "meters" if row["type_equipement"] == "C" else "concentrators"
        per_equipment[kind][row["id_equipement"]] += int(row["count"])
    yield "Events of each equipment, the busiest first: a few talk most", _ranks(per_equipment)
    types: Counter[str] = Counter()
    for row in read_answers(root, "by_type_annual"):
        types[row["type_evt"]] += int(row["count"])
    yield "Types of events", _bars(dict(types.most_common(24)))
    places: Counter[str] = Counter()
    for row in read_answers(root, "by_departement_annual"):
        places[row["departement_code"] or "nowhere"] += int(row["count"])
    yield "By département, the busiest ones", _bars(dict(places.most_common(24)))
    planted = manifest["counts"]["planted"]
    yield "Planted defects (rows)", _bars({k.replace("_", "\n"): v for k, v in planted.items()})


def _matomo_plots(root: Path, manifest: dict[str, Any]) -> Iterator[tuple[str, Draw]]:
    def rows(report: str, period: str) -> list[dict[str, str]]:
        if not (root / "answers" / "messages" / f"{report}.csv").exists():
            return []
        found = read_answers(root, f"messages/{report}")
        return [row for row in found if row["period"] == period]

    def by_label(report: str, metric: str) -> Counter[str]:
        counts: Counter[str] = Counter()
        for row in rows(report, "year"):
            counts[row["label"]] += int(row[metric])
        return counts

    visits: dict[str, Counter[date]] = {}
    for row in rows("VisitsSummary.get", "day"):
        day = date.fromisoformat(row["date"])
        visits.setdefault(f"site {row['idSite']}", Counter())[day] += int(row["nb_visits"])
    yield "Visits a day, by site", _line(visits)
    hours = by_label("VisitTime.getVisitInformationPerServerTime", "nb_visits")
    yield "By hour of the site's day", _bars({str(n): hours[str(n)] for n in range(24)})
    week = by_label("VisitTime.getByDayOfWeek", "nb_visits")
    names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    yield "By day of the week", _bars({name: week[str(n)] for n, name in enumerate(names, 1)})
    pages = by_label("VisitorInterest.getNumberOfVisitsPerPage", "nb_visits")
    yield (
        "Actions in a visit: most visits are short",
        _bars({str(n): pages[str(n)] for n in range(1, 31)}),
    )
    lengths = by_label("VisitorInterest.getNumberOfVisitsPerVisitDuration", "nb_visits")
    minutes = [int(label) / 60 for label, count in lengths.items() for _ in range(count)]
    yield "Minutes a visit lasts", _histogram([each for each in minutes if each])
    returning = by_label("VisitorInterest.getNumberOfVisitsByVisitCount", "nb_visits")
    yield (
        "Which visit of its visitor a visit is",
        _bars({str(n): returning[str(n)] for n in range(1, 21)}),
    )
    for caption, report, metric in (
        ("Where visits come from", "Referrers.getReferrerType", "nb_visits"),
        ("Pages by views", "Actions.getPageTitles", "nb_hits"),
        ("Countries", "UserCountry.getCountry", "nb_visits"),
        ("Browsers", "DevicesDetection.getBrowsers", "nb_visits"),
        ("Items sold", "Goals.getItemsSku", "quantity"),
    ):
        yield caption, _bars(dict(by_label(report, metric).most_common(12)))
    counts = manifest["counts"]
    planted = {k: v for k, v in counts.items() if k not in ("messages", "changes", "visits")}
    yield "Planted messages", _bars({k.replace("_", "\n"): v for k, v in planted.items()})


def _line(series: Mapping[str, Mapping[Any, int]], label: str = "") -> Draw:
    def draw(axes: Axes) -> None:
        for colour, (name, points) in zip(_COLOURS, series.items(), strict=False):
            xs = sorted(points)
            axes.plot(xs, [points[x] for x in xs], color=colour, linewidth=1, label=name)
        axes.set_ylim(bottom=0)
        axes.set_xlabel(label)
        axes.tick_params(axis="x", labelrotation=30 if not label else 0)
        if len(series) > 1:
            axes.legend(frameon=False)

    return draw


def _bars(heights: Mapping[str, int]) -> Draw:
    def draw(axes: Axes) -> None:
        names = list(heights)
        axes.bar(range(len(names)), list(heights.values()), color=_COLOURS[0])
        crowded = (len(names) > 12 and sum(map(len, names)) > 40) or sum(map(len, names)) > 70
        axes.set_xticks(
            range(len(names)), names, rotation=60 if crowded else 0, fontsize=7 if crowded else 8,
            ha="right" if crowded else "center", rotation_mode="anchor" if crowded else None,
        )  # fmt: skip

    return draw


def _histogram(values: Sequence[float]) -> Draw:
    def draw(axes: Axes) -> None:
        axes.hist(values, bins=48, color=_COLOURS[3])
        axes.set_yscale("log")

    return draw


def _ranks(series: Mapping[str, Mapping[str, int]]) -> Draw:
    def draw(axes: Axes) -> None:
        for colour, (name, counts) in zip(_COLOURS, series.items(), strict=False):
            heights = sorted(counts.values(), reverse=True)
            axes.plot(range(1, len(heights) + 1), heights, color=colour, label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("rank")
        axes.legend(frameon=False)

    return draw
