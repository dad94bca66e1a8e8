"""A column of a visit is declared once, and everything else is derived from the declaration."""

from __future__ import annotations

import re

import pytest

from tests.models.conftest import Render


def test_each_column_has_a_name_of_its_own_and_known_roles(macro: Render) -> None:
    columns = macro("matomo_visit_columns")
    names = [name for name, _, _ in columns]
    assert len(names) == len(set(names)) > 50
    for name, roles, _ in columns:
        assert set(roles.split()) <= {"hash", "lake", "dimension", "clock"}, name
        # The lake stores each column of a visit once.
        assert len(set(roles.split()) & {"lake", "dimension", "clock"}) <= 1, name


@pytest.mark.parametrize("decimals", ["all", 2, -1])
def test_what_a_column_reads_is_a_known_field(decimals: str | int, macro: Render) -> None:
    known = macro("matomo_is_known_field", "visit", "name", variables={
        "matomo_coordinate_decimals": decimals
    })  # fmt: skip
    read = {
        field
        for _, _, expression in macro("matomo_visit_columns")
        for field in re.findall(r"fields\['(\w+)'\]", expression)
    }
    assert {"latitude", "longitude", "visitorId", "customVariables"} <= read
    assert {field for field in read if f"'{field}'" not in known} == set()


def test_the_hash_of_a_version_keeps_its_columns_in_their_order(macro: Render) -> None:
    """Another order gives another hash, so every visit that is exported again would be a new
    version.
    """
    names = " ".join(macro("matomo_visit_columns", "hash"))
    assert names.startswith(
        "first_action_at last_action_at first_utc_offset_seconds last_utc_offset_seconds "
        "visitor_id fingerprint user_id visit_ip visitor_type visit_count visit_duration_seconds "
        "action_count interaction_count search_count event_count goal_conversion_count "
        "is_converted ecommerce_status seconds_since_first_visit seconds_since_last_visit "
        "seconds_since_last_order visitor_local_time referrer_type referrer_name referrer_keyword "
        "referrer_url device_brand device_model operating_system_code operating_system_version "
        "browser_family browser_code browser_version resolution plugins language_code "
        "continent_code country_code region_code city latitude longitude truncated_action_count "
        "custom_dimensions custom_variables extras"
    )
