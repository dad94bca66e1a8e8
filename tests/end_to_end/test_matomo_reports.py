"""Real exports of Matomo through the whole path: every report equals Matomo's own, row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.end_to_end.conftest import SITES, expected_reports

pytestmark = [pytest.mark.stack, pytest.mark.samples, pytest.mark.usefixtures("samples")]

Sql = Callable[[str], list[tuple[Any, ...]]]
Row = dict[str, Any]

ONE = "one_visitor_two_visits_day"
SHOP = "ecommerce_order_with_items_day"
DIMENSIONS = "custom_dimensions_year"

# Matomo's report, and the view that gives it.
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
    *(
        (DIMENSIONS, f"{period}_site_{site}_dimension_{number}__CustomDimensions."
         f"getCustomDimension_{period}", "custom_dimension_values")
        for period in ("day", "year")
        for site, number in ((1, 1), (1, 2), (1, 3), (1, 5), (1, 6), (2, 1))
    ),
]  # fmt: skip

# What the log cannot give; docs/matomo-reports.md says why. Of all reports:
NOT_IN_THE_LOG = {
    "url", "segment", "subtable", "goals", "code", "day_of_week", "referrer_type",
    "city_name", "city", "region", "country", "country_name", "region_name",
    "sum_bandwidth", "nb_hits_with_bandwidth", "min_bandwidth", "max_bandwidth", "avg_bandwidth",
    "sum_time_spent", "avg_time_on_page", "nb_hits_following_search",
    "sum_daily_nb_uniq_visitors", "sum_daily_nb_users",
}  # fmt: skip


def number(text: Any) -> float:
    """A metric as Matomo prints it: "50%" is 0.5."""
    text = str(text)
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def leaves(rows: list[Row], titles: bool, above: str = "") -> list[Row]:
    """The rows of a nested report, labelled with all that is above them."""
    found = []
    for row in rows:
        label = above + (row["label"].strip() if titles else row["label"])
        if "subtable" in row:
            found += leaves(row["subtable"], titles, label + ("/" if titles else ""))
        else:
            found.append({**row, "label": label})
    return found


def is_given(name: str) -> bool:
    return name not in NOT_IN_THE_LOG and not name.startswith(
        ("logo", "icon", "sum_time_", "nb_hits_with_time_", "min_time_", "max_time_", "avg_time_t",
         "avg_time_n", "avg_time_d", "avg_time_s", "avg_time_o", "avg_page_load")
    )  # fmt: skip


def in_sample(sample: str) -> list[tuple[str, str, str]]:
    reports = expected_reports(sample)
    return [case for case in CASES if case[0] == sample and case[1] in reports]


@pytest.mark.parametrize(
    ("sample", "report", "view"),
    [case for sample in (ONE, SHOP, DIMENSIONS) for case in in_sample(sample)]
    if (expected_reports is not None)
    else [],
)
def test_a_view_equals_matomos_own_report(sample: str, report: str, view: str, sql: Sql) -> None:
    expected = expected_reports(sample)[report]
    print(report, view, expected)
