"""The Matomo data set: its shapes, its answers and its bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.dataset import read_answers, read_defects
from simulator.errors import SimulatorError
from simulator.matomo import RE_EXPORTS, MatomoSettings, write_matomo

ROOT = Path(__file__).parents[2]
ACTIONS = {"action", "search", "download", "outlink", "event"}
ZONES = ("Pacific/Kiritimati", "America/New_York", "Europe/Paris")
Key = tuple[str, str, str, str]


def lines(root: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (root / name).read_text(encoding="utf-8").splitlines()]


def manifest(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "manifest.json").read_bytes())
    return found


def visits(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The readable visits among the messages, single or in arrays."""
    found = []
    for entry in messages:
        value = entry.get("value")
        if entry["headers"]["type"] == "visit":
            several = value if isinstance(value, list) else [value or {}]
            found += [each for each in several if "actionDetails" in each]
    return found


def first_day(period: str, day: date) -> str:
    year, week, _ = day.isocalendar()
    return {
        "day": day,
        "week": date.fromisocalendar(year, week, 1),
        "month": date(day.year, day.month, 1),
        "year": date(day.year, 1, 1),
    }[period].isoformat()


def newest(exported: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The version of each visit with the latest last action."""
    found: dict[Any, dict[str, Any]] = {}
    for visit in exported:
        key = int(visit["idSite"]), int(visit["idVisit"])
        if key not in found or visit["lastActionTimestamp"] >= found[key]["lastActionTimestamp"]:
            found[key] = visit
    return list(found.values())


OS_FAMILIES = {"WIN": "Windows", "AND": "Android", "IPA": "iOS"}


class Recount:
    """Reports computed from the exported JSON alone."""

    def __init__(self, exported: list[dict[str, Any]]) -> None:
        self.of_visits: dict[str, dict[Key, list[dict[str, Any]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self.of_rows: dict[str, dict[Key, list[tuple[int, dict[str, Any]]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for visit in newest(exported):
            rows = visit["actionDetails"]
            # The last row and lastActionTimestamp are the same instant, as wall clock and in UTC.
            last = datetime.fromtimestamp(rows[-1]["timestamp"], timezone.utc)
            for period in ("day", "week", "month", "year"):
                place = (str(visit["idSite"]), period, first_day(period, last.date()))
                for report, label in self.visit_labels(visit):
                    self.of_visits[report][(*place, label)].append(visit)
                for row in rows:
                    day = datetime.fromtimestamp(row["timestamp"], timezone.utc).date()
                    place = (str(visit["idSite"]), period, first_day(period, day))
                    for report, label in self.row_labels(row):
                        self.of_rows[report][(*place, label)].append((int(visit["idVisit"]), row))

        # Keywords that found nothing on a whole day of the period.
        searches = self.of_rows.get("Actions.getSiteSearchKeywords", {})
        for (site, period, first, label), found in searches.items():
            counts = [row["siteSearchCount"] for _, row in found]
            if period == "day" and max((int(each) for each in counts if each is not None),
                                       default=-1) == 0:  # fmt: skip
                for longer in ("day", "week", "month", "year"):
                    key = (site, longer, first_day(longer, date.fromisoformat(first)), label)
                    self.of_rows["Actions.getSiteSearchNoResultKeywords"][key] = searches[key]

    @staticmethod
    def visit_labels(visit: dict[str, Any]) -> Iterator[tuple[str, str]]:
        yield "VisitsSummary.get", ""
        yield "VisitFrequency.get", "new" if visit["visitorType"] == "new" else "returning"
        yield "Referrers.getReferrerType", visit["referrerType"]
        yield "UserCountry.getCountry", visit["countryCode"]
        yield "UserCountry.getContinent", visit["continentCode"]
        yield "DevicesDetection.getBrowsers", visit["browserCode"]
        yield "DevicesDetection.getOsFamilies", OS_FAMILIES[visit["operatingSystemCode"]]
        first = datetime.fromtimestamp(visit["actionDetails"][0]["timestamp"], timezone.utc)
        yield "VisitTime.getVisitInformationPerServerTime", str(first.hour)
        yield "VisitTime.getVisitInformationPerLocalTime", visit["visitLocalHour"]
        yield "VisitorInterest.getNumberOfVisitsPerPage", str(visit["actions"])
        yield "VisitorInterest.getNumberOfVisitsPerVisitDuration", str(visit["visitDuration"])
        yield "VisitorInterest.getNumberOfVisitsByVisitCount", str(visit["visitCount"])
        if visit["userId"] is not None:
            yield "UserId.getUsers", visit["userId"]

    @staticmethod
    def row_labels(row: dict[str, Any]) -> Iterator[tuple[str, str]]:
        kind = str(row["type"])
        if kind == "action":
            yield "Actions.getPageUrls", row["url"]
            yield "Actions.getPageTitles", row["pageTitle"]
        elif kind == "search":
            yield "Actions.getSiteSearchKeywords", row["siteSearchKeyword"]
            if row["siteSearchCategory"] is not None:
                yield "Actions.getSiteSearchCategories", row["siteSearchCategory"]
        elif kind in ("download", "outlink"):
            yield f"Actions.get{kind.title()}s", row["url"]
        elif kind == "event":
            yield "Events.getCategory", row["eventCategory"]
            yield "Events.getAction", row["eventAction"]
            yield "Events.getName", row.get("eventName", "Event Name not defined")
        elif kind == "13":
            yield "Contents.getContentNames", row["contentName"]
            yield "Contents.getContentPieces", row["contentPiece"]
        elif kind == "goal":
            yield "Goals.get", ""
            yield "Goals.get_by_goal", str(row["goalId"])
        elif kind == "ecommerceOrder":
            yield "Goals.get", ""
            yield "Goals.get_orders", ""
        elif kind == "ecommerceAbandonedCart":
            yield "Goals.get_abandoned_carts", ""


def metric(name: str, found: list[tuple[int, dict[str, Any]]]) -> str:
    """A metric of rows, in the format of the answers."""
    rows = [row for _, row in found]
    if name in ("nb_visits", "nb_visits_converted"):
        # For events and contents, a visit counts once per different one.
        names = ("eventCategory", "eventAction", "eventName", "contentPiece", "contentTarget",
                 "contentName")  # fmt: skip
        return str(len({
            (visit, *map(row.get, names)) for visit, row in found
            if not row.get("contentInteraction")
        }))  # fmt: skip
    if name in ("nb_hits", "nb_events", "nb_conversions"):
        return str(len(rows))
    if name == "nb_interactions":
        return str(sum(bool(row["contentInteraction"]) for row in rows))
    if name == "nb_impressions":
        return str(sum(not row["contentInteraction"] for row in rows))
    if name == "items":
        return str(sum(int(row["items"]) for row in rows))
    column = {
        "revenue": "revenue",
        "revenue_subtotal": "revenueSubTotal",
        "revenue_tax": "revenueTax",
        "revenue_shipping": "revenueShipping",
        "revenue_discount": "revenueDiscount",
    }.get(name, "eventValue")
    values = [Decimal(str(row[column])) for row in rows if column in row]
    if name == "nb_events_with_value":
        return str(len(values))
    if name.startswith(("min", "max")):
        total = {"min": min, "max": max}[name[:3]](values, default=None)
        return "" if total is None else f"{total:.2f}"
    return f"{sum(values, Decimal(0)):.2f}"


def told(root: Path, name: str) -> dict[Key, dict[str, str]]:
    """An answer by key."""
    rows = read_answers(root, name)
    found = {(r["idSite"], r["period"], r["date"], r["label"]): r for r in rows}
    assert len(found) == len(rows), name
    return found


def assert_answers_are_true(root: Path) -> None:
    first = visits(lines(root, "messages.jsonl"))
    later = first + visits(lines(root, "changes.jsonl"))
    for moment, exported in (("messages", first), ("changes", later)):
        recount = Recount(exported)
        for report, groups in recount.of_visits.items():
            answers = told(root, f"{moment}/{report}")
            assert set(answers) == set(groups), (moment, report)
            for key, group in groups.items():
                row = answers[key]
                visitors = {visit["visitorId"] or visit["fingerprint"] for visit in group}
                users = {visit["userId"] for visit in group} - {None}
                exact = key[1] != "year" or report in ("VisitsSummary.get", "VisitFrequency.get")
                assert list(row.values())[4:] == [
                    str(len(group)),
                    str(len(visitors)) if exact else "",
                    str(len(users)) if exact else "",
                    str(sum(int(visit["actions"]) for visit in group)),
                    str(sum(int(visit["visitConverted"]) for visit in group)),
                    str(sum(int(visit["actions"]) <= 1 for visit in group)),
                    str(sum(int(visit["visitDuration"]) for visit in group)),
                    str(max(int(visit["actions"]) for visit in group)),
                ], (moment, report, key)
        for report, rows in recount.of_rows.items():
            answers = told(root, f"{moment}/{report}")
            if not report.startswith("Actions.getPage"):  # these have more rows
                assert set(answers) == set(rows), (moment, report)
            for key, found in rows.items():
                for name, value in list(answers[key].items())[4:]:
                    if not name.startswith(("entry", "exit")):
                        assert value == metric(name, found), (moment, report, key, name)
        assert_actions_summary_is_true(root, moment, recount)
        assert_items_are_true(root, moment, exported)
        assert_entries_are_true(root, moment, recount)


def assert_actions_summary_is_true(root: Path, moment: str, recount: Recount) -> None:
    for key, row in told(root, f"{moment}/Actions.get").items():
        place = key[:3]
        for report, name in (
            ("Actions.getPageUrls", "pageviews"),
            ("Actions.getDownloads", "downloads"),
            ("Actions.getOutlinks", "outlinks"),
            ("Actions.getSiteSearchKeywords", "searches"),
        ):
            groups = {k: v for k, v in recount.of_rows[report].items() if k[:3] == place}
            assert int(row[f"nb_{name}"]) == sum(map(len, groups.values()))
            if name == "searches":
                assert int(row["nb_keywords"]) == len(groups)
            else:
                unique = sum(len({visit for visit, _ in group}) for group in groups.values())
                assert int(row[f"nb_uniq_{name}"]) == unique


def assert_items_are_true(root: Path, moment: str, exported: list[dict[str, Any]]) -> None:
    expected: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for visit in newest(exported):
        for row in visit["actionDetails"]:
            if row["type"] == "ecommerceOrder":
                for item in row["itemDetails"]:
                    amount = Decimal(item["price"]) * int(item["quantity"])
                    sku = (str(visit["idSite"]), item["itemSKU"])
                    expected["revenue"][sku] += amount  # type: ignore[assignment]
                    expected["quantity"][sku] += int(item["quantity"])
                    expected["orders"][sku] += 1
    if expected:
        totals: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        for key, row in told(root, f"{moment}/Goals.getItemsSku").items():
            if key[1] == "day":
                for name in ("revenue", "quantity", "orders"):
                    totals[name][key[0], key[3]] += Decimal(row[name])  # type: ignore[assignment]
        assert totals == expected


def assert_entries_are_true(root: Path, moment: str, recount: Recount) -> None:
    entries: Counter[tuple[str, str, str]] = Counter()
    exits: Counter[tuple[str, str, str]] = Counter()
    for (site, period, start, _), group in recount.of_visits["VisitsSummary.get"].items():
        for visit in group:
            rows = [row for row in visit["actionDetails"] if row["type"] in ("action", "search")]
            # A site search is no page, so a visit that begins or ends with one has no entry or exit
            # page.
            for row, counted in ((rows[0], entries), (rows[-1], exits)):
                if row["type"] == "action":
                    counted[site, f"{period} {start}", row["url"]] += 1
    found = told(root, f"{moment}/Actions.getPageUrls")
    for name, expected in (("entry_nb_visits", entries), ("exit_nb_visits", exits)):
        answers = {
            (site, f"{period} {start}", label): int(row[name])
            for (site, period, start, label), row in found.items()
            if int(row[name])
        }
        assert answers == expected, name


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight days with a clock change in New York, on three sites."""
    root = tmp_path_factory.mktemp("matomo")
    wanted = MatomoSettings(
        7, date(2024, 3, 5), 8, sites=3, visits_per_day=25, timezones=ZONES, array_percent=20
    )
    write_matomo(root, wanted)
    return root


def test_answers_equal_a_recount_of_the_messages(made: Path) -> None:
    assert_answers_are_true(made)


def test_a_visit_agrees_with_its_own_actions(made: Path) -> None:
    exported = visits(lines(made, "messages.jsonl")) + visits(lines(made, "changes.jsonl"))
    owners: dict[str, int] = {}
    for visit in exported:
        rows = visit["actionDetails"]
        kinds = [row["type"] for row in rows]
        times = [row["timestamp"] for row in rows]
        assert times == sorted(times)
        assert int(visit["actions"]) == sum(kind in ACTIONS for kind in kinds)
        assert int(visit["searches"]) == kinds.count("search")
        assert int(visit["events"]) == kinds.count("event")
        assert visit["goalConversions"] == kinds.count("goal")
        converted = "goal" in kinds or "ecommerceOrder" in kinds
        assert int(visit["visitConverted"]) == converted
        ordered, left = "ecommerceOrder" in kinds, "ecommerceAbandonedCart" in kinds
        assert (
            visit["visitEcommerceStatus"]
            == {
                (False, False): "none",
                (True, False): "ordered",
                (False, True): "abandonedCart",
                (True, True): "orderedThenAbandonedCart",
            }[ordered, left]
        )
        span = visit["lastActionTimestamp"] - visit["firstActionTimestamp"]
        assert int(visit["visitDuration"]) in ({0, 1} if span == 0 else {span + 1})
        for row in rows:
            if row["type"] == "ecommerceOrder":
                parts = [Decimal(row[f"revenue{part}"]) for part in ("SubTotal", "Tax", "Shipping")]
                assert Decimal(row["revenue"]) == sum(parts) - Decimal(row["revenueDiscount"])
            if row["type"] in ("ecommerceOrder", "ecommerceAbandonedCart"):
                items = row["itemDetails"]
                assert int(row["items"]) == sum(int(item["quantity"]) for item in items)
            elif row["type"] != "goal":
                owner = owners.setdefault(str(row["pageId"]), int(visit["idVisit"]))
                assert owner == int(visit["idVisit"])
        if int(visit["idSite"]) == 1:
            total = Decimal(visit["totalEcommerceRevenue"])
            assert total >= sum(
                Decimal(row["revenue"]) for row in rows if row["type"] == "ecommerceOrder"
            )
        else:
            assert "totalEcommerceRevenue" not in visit


def test_every_kind_of_row_and_both_typings_are_there(made: Path) -> None:
    exported = visits(lines(made, "messages.jsonl"))
    shop = {"goal", "ecommerceOrder", "ecommerceAbandonedCart"}
    for site, more in ((1, shop), (2, {"goal"}), (3, set())):
        here = [visit for visit in exported if int(visit["idSite"]) == site]
        assert {type(visit["idVisit"]) for visit in here} == {int, str}
        for visit in here:
            # PHP 7 and 8 differ only in database columns; values that PHP computes are numbers in
            # both.
            columns = ("idSite", "visitCount", "actions", "visitDuration", "visitConverted")
            assert len({type(visit[name]) for name in columns}) == 1
            assert isinstance(visit["lastActionTimestamp"], int)
            assert isinstance(visit["goalConversions"], int)
        kinds = {str(row["type"]) for visit in here for row in visit["actionDetails"]}
        assert kinds == {*ACTIONS, "13", *more}
    assert {visit["visitorType"] for visit in exported} == {"new", "returning", "returningCustomer"}
    assert {"Desktop", "Bureau"} <= {visit["deviceType"] for visit in exported}
    assert {bool(visit["visitorId"]) for visit in exported} == {True, False}


def test_goals_dimensions_and_sites_come_in_all_their_shapes(tmp_path: Path) -> None:
    wanted = MatomoSettings(1, date(2024, 3, 1), 2, sites=3, catalogues=True)
    write_matomo(tmp_path, wanted)
    messages = lines(tmp_path, "messages.jsonl")
    goals = [
        (entry["key"], entry["value"]) for entry in messages if entry["headers"]["type"] == "goals"
    ]
    assert [(key, type(value), bool(value)) for key, value in goals] == [
        ("1", dict, True),
        ("2", list, False),
        ("2", list, True),
        ("3", list, False),
    ]
    assert all(goal["idgoal"] == number for number, goal in goals[0][1].items())
    dimensions = [
        (entry["key"], [(row["idcustomdimension"], row["active"]) for row in entry["value"]])
        for entry in messages
        if entry["headers"]["type"] == "custom_dimensions"
    ]
    assert dimensions == [
        ("1", [("1", True), ("2", True), ("3", False), ("4", True)]),
        ("2", [("1", True)]),
        ("3", []),
        ("1", [("1", True), ("2", True), ("3", False), ("4", False), ("5", True)]),
    ]
    sites = [entry["value"] for entry in messages if entry["headers"]["type"] == "sites"]
    assert [(site[0]["idsite"], site[0]["timezone"]) for site in sites] == [
        ("1", "UTC"), ("2", "UTC"), ("3", "UTC"),
    ]  # fmt: skip
    switch = manifest(tmp_path)["dimensions_switch_at"]
    for visit in visits(messages):
        mine = int(visit["idSite"]) == 1
        after = visit["firstActionTimestamp"] >= switch
        assert ("dimension1" in visit) == mine
        assert "dimension3" not in visit
        for row in visit["actionDetails"]:
            if str(row["type"]).startswith("ecommerce"):
                continue
            assert ("dimension4" in row) == (mine and not after)
            assert ("dimension5" in row) == (mine and after)


def test_planted_messages_are_where_they_are_said_to_be(made: Path) -> None:
    messages = lines(made, "messages.jsonl")
    broken = {row["reason"]: messages[row["line"] - 1] for row in read_defects(made, "broken")}
    assert set(broken) == {"not_json", "api_error", "tombstone", "truncated"}
    for reason in ("not_json", "truncated"):
        with pytest.raises(ValueError):
            json.loads(broken[reason]["raw"])
    assert broken["api_error"]["value"]["result"] == "error"
    assert broken["tombstone"]["value"] is None

    for kind in ("duplicates", "midnight"):
        found = read_defects(made, kind)
        assert len(found) == manifest(made)["parameters"][kind]
        for row in found:
            again = messages[row["line"] - 1]
            assert again["key"] == f"{row['idSite']}:{row['idVisit']}"
            same = [entry for entry in messages if entry.get("value") == again["value"]]
            assert len(same) == 2 and same[0]["at"] < same[1]["at"]
            if kind == "midnight":
                visit = again["value"]
                zone = ZoneInfo(ZONES[row["idSite"] - 1])
                last = datetime.fromtimestamp(visit["lastActionTimestamp"], zone)
                assert (last.hour, last.minute, last.second) == (0, 0, 0)
    for row in read_defects(made, "active"):
        early = messages[row["line"] - 1]["value"]
        assert int(early["actions"]) == row["actions_so_far"]
        (late,) = [
            visit for visit in newest(visits(messages)) if int(visit["idVisit"]) == row["idVisit"]
        ]
        assert len(late["actionDetails"]) > len(early["actionDetails"])
        assert late["actionDetails"][0]["timestamp"] == early["actionDetails"][0]["timestamp"]
    counts = manifest(made)["counts"]
    extra = counts["duplicates"] + counts["midnight"] + counts["active"]
    assert len(visits(messages)) == counts["visits"] + extra
    assert [entry["at"] for entry in messages] == sorted(entry["at"] for entry in messages)


def test_changes_are_grown_visits_calm_ones_and_changed_catalogues(made: Path) -> None:
    before = {
        (int(visit["idSite"]), int(visit["idVisit"])): visit
        for visit in newest(visits(lines(made, "messages.jsonl")))
    }
    changes = lines(made, "changes.jsonl")
    grown = read_defects(made, "grown")
    assert 0.1 < len(grown) / manifest(made)["counts"]["visits"] < 0.3
    for row in grown:
        visit = changes[row["line"] - 1]["value"]
        old = before[row["idSite"], row["idVisit"]]
        assert int(old["actions"]) == row["actions_before"]
        assert int(visit["actions"]) == row["actions_after"] > row["actions_before"]
        assert visit["lastActionTimestamp"] > old["lastActionTimestamp"]
        assert visit["firstActionTimestamp"] == old["firstActionTimestamp"]
    again = read_defects(made, "re_exported")
    assert {row["how"] for row in again} == set(RE_EXPORTS)
    for row in again:
        visit = changes[row["line"] - 1]["value"]
        old = before[row["idSite"], row["idVisit"]]
        assert (visit == old) is (row["how"] == "same")
        if row["how"] == "other_lifetime":
            assert {name for name in visit if visit[name] != old[name]} == {
                "totalEcommerceRevenue", "totalEcommerceConversions", "totalEcommerceItems",
            }  # fmt: skip
        if row["how"] == "other_language":
            # The name of the language is translated, its code is not.
            assert visit["language"] != old["language"]
            assert visit["languageCode"] == old["languageCode"]
    (renamed,) = read_defects(made, "renamed_goal")
    (vanished,) = read_defects(made, "vanished_goal")
    goals = changes[renamed["line"] - 1]["value"]
    assert goals[str(renamed["idGoal"])]["name"] == renamed["to"] != renamed["from"]
    assert str(vanished["idGoal"]) not in goals
    (dimension,) = read_defects(made, "renamed_dimension")
    listed = changes[dimension["line"] - 1]["value"]
    assert dimension["to"] in [row["name"] for row in listed]
    (slot,) = read_defects(made, "reused_slot")
    catalogue = lines(made, "messages.jsonl")[slot["line"] - 1]["value"]
    slots = {row["idcustomdimension"]: (row["scope"], row["index"]) for row in catalogue}
    assert slots[str(slot["from"])] == slots[str(slot["to"])]


def test_action_times_are_the_wall_clock_of_the_site(made: Path) -> None:
    offsets: dict[int, set[timedelta]] = defaultdict(set)
    for visit in visits(lines(made, "messages.jsonl")):
        seconds = visit["actionDetails"][0]["timestamp"] - visit["firstActionTimestamp"]
        offsets[int(visit["idSite"])].add(timedelta(seconds=seconds))
    assert offsets == {
        1: {timedelta(hours=14)},
        2: {timedelta(hours=-5), timedelta(hours=-4)},
        3: {timedelta(hours=1)},
    }


def test_visits_end_at_midnight_only_where_the_site_splits_them(tmp_path: Path) -> None:
    write_matomo(tmp_path, MatomoSettings(5, date(2024, 3, 1), 20, sites=3, visits_per_day=60))
    crossing: Counter[int] = Counter()
    for visit in newest(visits(lines(tmp_path, "messages.jsonl"))):
        rows = visit["actionDetails"]
        crossing[int(visit["idSite"])] += rows[0]["timestamp"] // 86400 != (
            rows[-1]["timestamp"] // 86400
        )
    assert crossing[1] == crossing[2] == 0 < crossing[3]
    assert_answers_are_true(tmp_path)


def test_long_visits_are_cut_and_their_answers_are_not(tmp_path: Path) -> None:
    wanted = MatomoSettings(
        7, date(2024, 3, 1), 2, sites=1, truncated=3, max_actions=40, grown_percent=0,
        active_percent=0,
    )  # fmt: skip
    write_matomo(tmp_path, wanted)
    cut = [visit for visit in newest(visits(lines(tmp_path, "messages.jsonl")))
           if "truncatedActionsCount" in visit]  # fmt: skip
    assert len(cut) == len(read_defects(tmp_path, "truncated")) == 3
    for visit in cut:
        shown = sum(row["type"] in ACTIONS for row in visit["actionDetails"])
        assert shown == 40 == int(visit["actions"]) - visit["truncatedActionsCount"]
    pages = sum(
        row["type"] == "action"
        for visit in newest(visits(lines(tmp_path, "messages.jsonl")))
        for row in visit["actionDetails"]
    )
    days = [r for r in read_answers(tmp_path, "messages/Actions.get") if r["period"] == "day"]
    assert sum(int(row["nb_pageviews"]) for row in days) > pages


def test_report_messages_are_the_answers_of_each_day(tmp_path: Path) -> None:
    wanted = MatomoSettings(7, date(2024, 3, 1), 4, sites=2, report_messages=True)
    write_matomo(tmp_path, wanted)
    seen = set()
    for entry in lines(tmp_path, "reports.jsonl"):
        method = entry["headers"]["method"]
        seen.add((entry["key"], method))
        answers = {
            row["date"]: row
            for row in read_answers(tmp_path, f"changes/{method}")
            if row["period"] == "day" and row["idSite"] == entry["key"]
        }
        for day, figures in entry["value"].items():
            assert bool(figures) == (day in answers)
            for name, value in (figures or {}).items():
                if name in answers[day]:
                    assert str(value) == answers[day][name]
        if method == "VisitsSummary.get":
            first = entry["value"]["2024-03-01"]
            rate = Decimal(first["bounce_count"]) / first["nb_visits"] * 100
            assert abs(rate - Decimal(first["bounce_rate"].removesuffix("%"))) <= Decimal("0.5")
            per_visit = first["nb_actions"] / first["nb_visits"]
            assert abs(first["nb_actions_per_visit"] - per_visit) <= 0.05 + 1e-9
    assert len(seen) == 6


def test_the_same_command_writes_the_same_bytes_with_any_number_of_processes(
    tmp_path: Path,
) -> None:
    def make(name: str, *more: str, **environment: str) -> dict[str, bytes]:
        command = "matomo --from 2024-03-01 --days 3 --seed 3 --visits-per-day 5 --sites 3 --out"
        subprocess.run(
            [sys.executable, "-m", "simulator", *command.split(), str(tmp_path / name), *more],
            cwd=ROOT,
            env={**os.environ, **environment},
            check=True,
            capture_output=True,
        )
        root = tmp_path / name
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }

    one = make("one", PYTHONHASHSEED="1", TZ="Asia/Tokyo", LC_ALL="C")
    two = make("two", "--processes", "2", PYTHONHASHSEED="2", TZ="America/Lima", LC_ALL="C.UTF-8")
    assert one == two


def test_too_many_duplicates_are_refused(tmp_path: Path) -> None:
    wanted = MatomoSettings(
        7, date(2024, 3, 1), 1, sites=1, visits_per_day=1, duplicates=9, midnight=0
    )
    with pytest.raises(SimulatorError, match="ask for fewer"):
        write_matomo(tmp_path, wanted)


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    start=st.dates(date(2000, 1, 1), date(2037, 1, 1)),
    days=st.integers(1, 9),
    sites=st.integers(1, 4),
    visits_per_day=st.integers(5, 12),
    broken=st.integers(0, 9),
    grown=st.integers(0, 100),
    arrays=st.integers(0, 100),
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=3),
)
def test_answers_are_true_for_any_seed_and_size(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    start: date,
    days: int,
    sites: int,
    visits_per_day: int,
    broken: int,
    grown: int,
    arrays: int,
    zones: list[str],
) -> None:
    root = tmp_path_factory.mktemp("any")
    wanted = MatomoSettings(
        seed,
        start,
        days,
        sites=sites,
        visits_per_day=visits_per_day,
        timezones=tuple(zones),
        broken=broken,
        duplicates=1,
        grown_percent=grown,
        array_percent=arrays,
    )
    write_matomo(root, wanted)
    assert_answers_are_true(root)
