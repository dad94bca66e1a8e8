"""Real exports of Matomo through the whole path: every report equals Matomo's own, row by row."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import SAMPLES, Sql
from tests.end_to_end.conftest import SITES, expected_reports

pytestmark = [pytest.mark.stack, pytest.mark.samples, pytest.mark.usefixtures("rounds")]
SENT_BY = ("test_samples",)

Row = dict[str, Any]

ONE = "one_visitor_two_visits_day"
SHOP = "ecommerce_order_with_items_day"
DIMENSIONS = "custom_dimensions_year"

# Matomo's report, and the view for it.
VIEWS = {
    "VisitsSummary.get": "visits_summary",
    "VisitFrequency.get": "visit_frequency",
    "Actions.get": "actions_summary",
    "Actions.getPageUrls": "page_urls",
    "Actions.getPageTitles": "page_titles",
    "Actions.getEntryPageUrls": "entry_page_urls",
    "Actions.getEntryPageTitles": "entry_page_titles",
    "Actions.getExitPageUrls": "exit_page_urls",
    "Actions.getExitPageTitles": "exit_page_titles",
    "Actions.getDownloads": "downloads",
    "Actions.getOutlinks": "outlinks",
    "Actions.getSiteSearchKeywords": "site_search_keywords",
    "DevicesDetection.getType": "device_types",
    "DevicesDetection.getBrand": "device_brands",
    "DevicesDetection.getModel": "device_models",
    "DevicesDetection.getBrowsers": "browsers",
    "DevicesDetection.getBrowserVersions": "browser_versions",
    "DevicesDetection.getBrowserEngines": "browser_engines",
    "DevicesDetection.getOsFamilies": "operating_systems",
    "DevicesDetection.getOsVersions": "operating_system_versions",
    "Goals.get": "goals_summary",
    "GoalOverall__Goals.get": "goals_summary",
    "GoalMatchTitle__Goals.get": "goals_by_goal",
    "GoalOrder__Goals.get": "orders_summary",
    "GoalAbandonedCart__Goals.get": "abandoned_carts_summary",
    "Goals.getItemsSku": "items_by_sku",
    "Goals.getItemsName": "items_by_name",
    "Goals.getItemsCategory": "items_by_category",
    "AbandonedCarts__Goals.getItemsSku": "abandoned_items_by_sku",
    "AbandonedCarts__Goals.getItemsName": "abandoned_items_by_name",
    "AbandonedCarts__Goals.getItemsCategory": "abandoned_items_by_category",
    "Referrers.getReferrerType": "referrer_types",
    "Referrers.getSearchEngines": "search_engines",
    "Referrers.getKeywords": "keywords",
    "Referrers.getWebsites": "websites",
    "UserCountry.getCountry": "countries",
    "UserCountry.getContinent": "continents",
    "UserCountry.getRegion": "regions",
    "UserCountry.getCity": "cities",
    "VisitTime.getByDayOfWeek": "days_of_week",
    "VisitTime.getVisitInformationPerLocalTime": "local_hours",
    "VisitTime.getVisitInformationPerServerTime": "server_hours",
    "VisitorInterest.getNumberOfVisitsPerVisitDuration": "visits_per_duration",
    "VisitorInterest.getNumberOfVisitsPerPage": "visits_per_pages",
    "VisitorInterest.getNumberOfVisitsByVisitCount": "visits_per_visit_count",
    "VisitorInterest.getNumberOfVisitsByDaysSinceLast": "visits_per_days_since_last_visit",
}
CASES = [
    *((ONE, f"{method}_day", view) for method, view in VIEWS.items()),
    *((SHOP, f"{method}_day", view) for method, view in VIEWS.items()),
    # Its days differ from those of the sample, which has all visits on one day.
    *(
        (DIMENSIONS, f"year_site_1_dimension_{number}__CustomDimensions.getCustomDimension_year",
         "custom_dimension_values")
        for number in (1, 2, 3, 5, 6)
    ),
]  # fmt: skip

# Columns that the log lacks, with the reasons in docs/matomo-reports.md. Of all reports:
NOT_IN_THE_LOG = {
    "segment", "subtable", "goals", "code", "url", "referrer_type", "day_of_week",
    "city_name", "city", "region", "country", "country_name", "region_name",
    "sum_bandwidth", "nb_hits_with_bandwidth", "min_bandwidth", "max_bandwidth", "avg_bandwidth",
    "sum_time_spent", "avg_time_on_page", "avg_time_on_dimension", "nb_hits_following_search",
    "sum_daily_nb_uniq_visitors", "sum_daily_nb_users",
}  # fmt: skip
# … of page reports, the load times of pages …
LOAD_TIMES = (
    "logo", "icon", "sum_time_", "nb_hits_with_time_", "min_time_", "max_time_", "avg_page_load",
    "avg_time_network", "avg_time_server", "avg_time_transfer", "avg_time_dom", "avg_time_on_load",
)  # fmt: skip
# … and of single reports. A search has no bounce rate of its own.
NOT_OF_A_REPORT = {"site_search_keywords": {"bounce_rate"}}
# The shop's visitors have two fingerprints, and the sample lacks visitorId.
NO_VISITOR_ID = {SHOP: "nb_uniq_visitors"}
# The samples' times were removed and put on one day, so hours differ from Matomo's.
NO_HOURS = "server_hours"
# Null cannot be distinguished from "", Matomo's "not defined", and a dimension's earlier values are
# unknown.
NOT_TOLD = {"Value not defined", "dim 2"}

CASES = [
    (sample, report, view)
    for sample, report, view in CASES
    if SAMPLES.exists() and report in expected_reports(sample) and view != NO_HOURS
]


def number(text: Any) -> float:
    """A metric from Matomo's text: "50%" is 0.5."""
    text = str(text)
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def leaves(rows: list[Row], view: str, above: str = "") -> list[Row]:
    """The rows of a nested report; like in the views, a label contains the labels above it."""
    found = []
    for row in rows:
        label = row["label"].strip()
        if "subtable" in row:
            between = "" if not view.endswith("titles") else "/"
            found += leaves(row["subtable"], view, above + label + between)
        else:
            label = above + label
            if view.endswith("urls") and not label.startswith("/"):
                label = f"/{label}"
            found.append({**row, "label": label})
    return found


@pytest.mark.parametrize(("sample", "report", "view"), CASES, ids=lambda each: str(each)[:70])
def test_a_view_equals_matomos_own_report(sample: str, report: str, view: str, sql: Sql) -> None:
    expected = expected_reports(sample)[report]
    rows = [expected] if isinstance(expected, dict) else expected
    if view.endswith(("_urls", "_titles", "downloads", "outlinks")):
        rows = leaves(rows, view)
    rows = [row for row in rows if row.get("label") not in NOT_TOLD]
    period = report.rsplit("_", 1)[1]
    which = ""
    if view == "custom_dimension_values":
        which = f"and custom_dimension_id = {report.split('_dimension_')[1].split('_')[0]}"
    left_out = {
        *NOT_IN_THE_LOG, *NOT_OF_A_REPORT.get(view, ()), NO_VISITOR_ID.get(sample, ""), "label",
    }  # fmt: skip
    metrics = [
        name for name in dict.fromkeys(name for row in rows for name in row)
        if name not in left_out and not name.startswith(LOAD_TIMES)
    ]  # fmt: skip
    label = "label" if "label" in rows[0] else "''"
    found = sql(
        f"select {label}, {', '.join(metrics)} from views.matomo_{view} "
        f"where site_id = {SITES[sample] + 1} and period = '{period}' {which}"
    )
    ours = {row[0]: dict(zip(metrics, row[1:], strict=True)) for row in found}
    assert len(ours) == len(found)
    assert set(ours) == {row.get("label", "") for row in rows}
    for row in rows:
        theirs = {name: number(row[name]) for name in metrics if row.get(name) is not None}
        mine = {name: float(ours[row.get("label", "")][name] or 0) for name in theirs}
        assert mine == pytest.approx(theirs, abs=0.0051), row.get("label")


def test_every_report_with_rows_has_one_row_per_label(sql: Sql) -> None:
    """One view per macro: each macro groups by the grain that it declares."""
    for view, label in (
        ("countries", "code"), ("device_types", "label"), ("page_urls", "label"),
        ("events_by_category", "label"), ("contents_by_name", "label"), ("goals_by_goal", "code"),
        ("items_by_sku", "label"), ("visits_per_pages", "label"),
        ("custom_dimension_values", "scope, custom_dimension_id, label"),
    ):  # fmt: skip
        found = sql(
            f"select site_id, period, period_start, {label}, count(*) from views.matomo_{view} "
            "group by all having count(*) > 1"
        )
        assert found == [], view
