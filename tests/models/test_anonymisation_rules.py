"""Matomo's rules of anonymisation, one by one: Matomo's own, and those of the lake."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Sql
from tests.models.conftest import Refused, Render

stack = pytest.mark.stack

# An address, and its rest when 0, 1, 2, 3 and 4 bytes are masked.
ADDRESSES: dict[str, list[str | None]] = {
    "156.5.3.2": ["156.5.3.2", "156.5.3.0", "156.5.0.0", "156.0.0.0", "0.0.0.0"],
    "255.255.255.255": [
        "255.255.255.255", "255.255.255.0", "255.255.0.0", "255.0.0.0", "0.0.0.0",
    ],
    "2001:db8:0:8d3:0:8a2e:70:7344": [
        "2001:db8:0:8d3:0:8a2e:70:7344", "2001:db8:0:8d3::", "2001:db8::", "2001:d00::", "::",
    ],
    "2001:0DB8:00ff:8d3::1": [
        "2001:0DB8:00ff:8d3::1", "2001:db8:ff:8d3::", "2001:db8:ff::", "2001:d00::", "::",
    ],
    "::1": ["::1", "::", "::", "::", "::"],
    "0:0:1:0:5:6:7:8": ["0:0:1:0:5:6:7:8", "0:0:1::", "0:0:1::", "::", "::"],
    "64:ff9b::1.2.3.4": ["64:ff9b::1.2.3.4", "64:ff9b::", "64:ff9b::", "64:ff00::", "::"],
    "fe80::1%eth0": ["fe80::1%eth0", "fe80::", "fe80::", "fe80::", "::"],
    "::ffff:156.5.3.2": [
        "::ffff:156.5.3.2", "::ffff:156.5.3.0", "::ffff:156.5.0.0", "::ffff:156.0.0.0",
        "::ffff:0.0.0.0",
    ],
    "::FFFF:9C05:0302": [
        "::FFFF:9C05:0302", "::ffff:156.5.3.0", "::ffff:156.5.0.0", "::ffff:156.0.0.0",
        "::ffff:0.0.0.0",
    ],
    "0:0:0:0:0:ffff:156.5.3.2": [
        "0:0:0:0:0:ffff:156.5.3.2", "::ffff:156.5.3.0", "::ffff:156.5.0.0", "::ffff:156.0.0.0",
        "::ffff:0.0.0.0",
    ],
    # A text that is no address is hidden completely.
    "jane.doe": ["jane.doe", None, None, None, None],
    "156.5.3.256": ["156.5.3.256", None, None, None, None],
    "1:2:3:4:5:6:7:8:9": ["1:2:3:4:5:6:7:8:9", None, None, None, None],
}  # fmt: skip

# A referrer's URL, and its rest without the query, without the path, and without everything.
REFERRERS = {
    "https://example.org/path/page?q=jane#top": [
        "https://example.org/path/page", "https://example.org/", "",
    ],
    "http://user:pw@example.org:8080/a/b": [
        "http://user:pw@example.org:8080/a/b", "http://example.org/", "",
    ],
    "//example.org/path?x": ["//example.org/path", "//example.org/", ""],
    "https://[2001:db8::1]/path": ["https://[2001:db8::1]/path", "https://[2001:db8::1]/", ""],
    "android-app://com.example/path": [
        "android-app://com.example/path", "android-app://com.example/", "",
    ],
    # Without path or host there is nothing for Matomo to cut.
    "https://example.org": ["https://example.org", "https://example.org", ""],
    "example.org/path": ["example.org/path", "example.org/path", ""],
    "no address": ["no address", "no address", ""],
}  # fmt: skip

ALLOWED = {
    "https://example.org/a?id=1&name=jane&page=2#top": "https://example.org/a?id=1&page=2#top",
    "https://example.org/a?name=jane": "https://example.org/a",
    "https://example.org/a?name=jane#id=3&token=x": "https://example.org/a#id=3",
    "https://example.org/a?jane@example.org": "https://example.org/a",
    "https://example.org/a?ID[]=1&ID%5B%5D=2&idea=3": "https://example.org/a?ID[]=1&ID%5B%5D=2",
    "https://example.org/a?name=Jane Doe&id=1": "https://example.org/a?id=1",
    "https://jane:secret@example.org/a": "https://example.org/a",
    "https://example.org/a#top": "https://example.org/a#top",
    "https://example.org/a?id=https://other.org?name=jane": "https://example.org/a?id=https://other.org",
    "https://example.org/": "https://example.org/",
}

DENIED = {
    "https://example.org/a?id=1&email=jane&page=2#top": "https://example.org/a?id=1&page=2#top",
    "https://example.org/a?EMAIL=jane": "https://example.org/a",
    "https://example.org/a?email[]=jane&x": "https://example.org/a?x",
    "https://example.org/a?emails=2": "https://example.org/a?emails=2",
    "https://example.org/a?tok_a=1&tok_b=2&id=3": "https://example.org/a?id=3",
    "https://example.org/a#email=jane&id=3": "https://example.org/a#id=3",
    "https://example.org/a?email#top": "https://example.org/a#top",
}

PATTERNS = {
    "Write to jane.doe+x@mail.example.org!": "Write to hidden-email!",
    "https://example.org/u/jane%40example.org/x": "https://example.org/u/hidden-email/x",
    "https://example.org/?m=jane%2540example%2Eorg&b=1": "https://example.org/?m=hidden-email&b=1",
    "jürgen.müller@bücher.example": "hidden-email",
    "o'brien@example.org": "hidden-email",
    '{"1":{"value":"a@example.org"}}': '{"1":{"value":"hidden-email"}}',
    "Tel. +33 6 12 34 56 78 (mobile)": "Tel. hidden-phone (mobile)",
    "0612345678": "hidden-phone",
    "06.12.34.56.78": "hidden-phone",
    "0033612345678": "hidden-phone",
    "tel:+49 (0)30 1234567": "tel:hidden-phone",
    "call (555) 123-4567 now": "call hidden-phone now",
    "https://example.org/?p=%2B33612345678": "https://example.org/?p=hidden-phone",
    "https://example.org/?p=+33%206%2012%2034%2056%2078&a=1": "https://example.org/?p=hidden-phone&a=1",
    "customer KD-123456": "customer hidden",
    # Texts that are neither.
    "2024-03-01 13:34:20": "2024-03-01 13:34:20",
    "1709300000": "1709300000",
    "user@localhost, 50 % @ home": "user@localhost, 50 % @ home",
    "Version 10.11.12.1300, price 1234567.89": "Version 10.11.12.1300, price 1234567.89",
    "550e8400-e29b-41d4-a716-446655440000": "550e8400-e29b-41d4-a716-446655440000",
}  # fmt: skip


def results(sql: Sql, expression: str, texts: list[str]) -> list[Any]:
    """The results of an expression of `text` for each of the texts, from one statement."""
    quoted = [text.replace("\\", "\\\\").replace("'", "\\'") for text in texts]
    rows = ", ".join(f"({number}, '{text}')" for number, text in enumerate(quoted))
    found = sql(f"select number, {expression} from values {rows} as t (number, text)")
    return [row[1] for row in sorted(found, key=lambda row: int(row[0]))]


@stack
@pytest.mark.parametrize("masked", range(5))
def test_an_address_is_masked_as_matomo_does(masked: int, macro: Render, sql: Sql) -> None:
    found = results(sql, macro("matomo_masked_ip", "text", masked), list(ADDRESSES))
    expected = {address: masks[masked] for address, masks in ADDRESSES.items()}
    assert dict(zip(ADDRESSES, found, strict=True)) == expected


@stack
def test_the_pseudonym_of_a_user_id_is_matomos(macro: Render, sql: Sql) -> None:
    found = results(sql, macro("matomo_hashed_user_id", "text", "'simpleuseridsalt1'"), ["foobar"])
    assert found == ["11d45007a54ea2dce76e57b9a1c2f0644b79687e"]


@stack
@pytest.mark.parametrize(
    ("place", "level"), enumerate(["exclude_query", "exclude_path", "exclude_all"])
)
def test_a_referrers_url_is_cut_as_matomo_does(
    place: int, level: str, macro: Render, sql: Sql
) -> None:
    expression = macro("matomo_anonymised_referrer_url", "text", level)
    found = results(sql, expression, list(REFERRERS))
    expected = {url: left[place] for url, left in REFERRERS.items()}
    assert dict(zip(REFERRERS, found, strict=True)) == expected


@stack
@pytest.mark.parametrize("kind", ["search", "website", "campaign", "social", "direct"])
@pytest.mark.parametrize("level", ["none", "exclude_query", "exclude_path", "exclude_all"])
def test_a_level_empties_keywords_and_names_as_matomo_does(
    level: str, kind: str, macro: Render, sql: Sql
) -> None:
    expression = macro(
        "matomo_anonymised", "fields",
        variables={"matomo_privacy": {"default": {"referrer": level}}},
    )  # fmt: skip
    ((found,),) = sql(
        f"select array_join(map_values({expression}), '|') from (select 1 as site_id, 'visit' as "
        f"message_type, map('referrerType', '{kind}', 'referrerName', 'name', 'referrerKeyword', "
        "'keyword') as fields)"
    )
    keyword = "keyword" if level == "none" or kind == "campaign" else ""
    name = "" if level == "exclude_all" and kind in ("website", "direct") else "name"
    assert found == f"{kind}|{name}|{keyword}"


@stack
def test_only_allowed_query_parameters_are_left(macro: Render, sql: Sql) -> None:
    expression = macro("matomo_filtered_query", "text", ["id", "page"], "allow", True)
    found = results(sql, expression, list(ALLOWED))
    assert dict(zip(ALLOWED, found, strict=True)) == ALLOWED


@stack
def test_denied_query_parameters_are_removed(macro: Render, sql: Sql) -> None:
    expression = macro("matomo_filtered_query", "text", ["email", "tok_*"], "deny", True)
    found = results(sql, expression, list(DENIED))
    assert dict(zip(DENIED, found, strict=True)) == DENIED


@stack
def test_query_parameters_in_texts_end_with_their_url(macro: Render, sql: Sql) -> None:
    texts = {
        'see "https://example.org/a?name=jane" or ask? Yes & no': (
            'see "https://example.org/a" or ask? Yes & no'
        ),
        "is this it? a=b & c": "is this it? a=b & c",
        "opened /account?name=jane and left": "opened /account and left",
        "/search?jane": "/search",
        "form.php?name=jane": "form.php",
    }
    expression = macro("matomo_filtered_query", "text", [], "allow", False)
    assert dict(zip(texts, results(sql, expression, list(texts)), strict=True)) == texts


@stack
def test_addresses_and_numbers_in_texts_are_hidden(macro: Render, sql: Sql) -> None:
    patterns = ["email", "phone", {"regex": r"\bKD-\d{6}\b"}]
    expression = macro("matomo_without_patterns", "text", patterns)
    found = results(sql, expression, list(PATTERNS))
    assert dict(zip(PATTERNS, found, strict=True)) == PATTERNS


@pytest.mark.parametrize("column", ["fields", "actions"])
def test_without_configuration_nothing_is_added(column: str, macro: Render) -> None:
    assert macro("matomo_anonymised", column).strip() == column
    assert macro("matomo_keys_joined").strip() == ""
    nothing = {"matomo_privacy": {"default": {"profile": "none"}, "sites": {1: {}}}}
    assert macro("matomo_anonymised", column, variables=nothing).strip() == column


def test_without_configuration_a_coordinate_is_stored_as_it_was_sent(macro: Render) -> None:
    assert macro("matomo_coordinate", "text").strip() == (
        "if(abs(try_cast(text as double)) <= 180, try_cast(text as double), null)"
    )


@pytest.mark.parametrize("column", ["fields", "actions"])
def test_decimals_of_coordinates_hide_at_every_site(column: str, macro: Render) -> None:
    for decimals in (2, -1):
        few = {"matomo_coordinate_decimals": decimals}
        expression = macro("matomo_anonymised", column, variables=few)
        assert "title" in expression
        assert ("round(" in expression) == (decimals == 2)
        assert ("|latitude|longitude" in expression) == (decimals == -1)


def test_decimals_of_coordinates_that_are_no_number_are_refused(macro: Render) -> None:
    with pytest.raises(
        Refused, match="matomo_coordinate_decimals: 'two' is not allowed; use all, -1, 0"
    ):
        macro("matomo_coordinate", "text", variables={"matomo_coordinate_decimals": "two"})


@pytest.mark.parametrize(
    ("privacy", "words"),
    [
        ({"defaults": {}}, ["'defaults'", "'default' and 'sites'"]),
        ({"ip_mask_bytes": 2}, ["'ip_mask_bytes' belongs below"]),
        ({"sites": {"shop": {}}}, ["'shop' is not a site id"]),
        ({"default": {"ip_mask_byte": 2}}, ["'ip_mask_byte'", "did you mean 'ip_mask_bytes'?"]),
        ({"sites": {3: {"user_ids": "hash"}}}, ["sites.3", "did you mean 'user_id'?"]),
        ({"default": {"user_id": "hashed"}}, ["'hashed'", "did you mean 'hash'?"]),
        ({"default": {"ip_mask_bytes": 5}}, ["default.ip_mask_bytes", "'5'", "0, 1, 2, 3, 4"]),
        ({"default": {"profile": "cnil"}}, ["did you mean 'cnil_exempt'?"]),
        ({"default": {"referrer": "exclude_paths"}}, ["did you mean 'exclude_path'?"]),
        ({"default": {"query_parameters": ["a"]}}, ["{allow: [names]} or {deny: [names]}"]),
        ({"default": {"query_parameters": {"deny": ["a'b"]}}}, ["a'b", "not a name of a query"]),
        ({"default": {"patterns": ["mail"]}}, ["did you mean 'email'?", "{regex: …}"]),
        ({"default": {"patterns": "email"}}, ["patterns must be a list"]),
        ({"default": {"drop_fields": ["a|.*"]}}, ["'a|.*' is not a field name"]),
        ({"default": 2}, ["default must hold options"]),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_its_place_and_the_nearest_one(
    privacy: dict[str, Any], words: list[str], macro: Render
) -> None:
    with pytest.raises(Refused) as refusal:
        macro("matomo_policies", privacy)
    assert str(refusal.value).startswith("matomo_privacy")
    for word in words:
        assert word in str(refusal.value)


def test_a_site_goes_before_its_profile_and_that_before_the_default(macro: Render) -> None:
    policies = macro("matomo_policies", {
        "default": {"ip_mask_bytes": 1, "user_id": "drop", "drop_fields": ["dimension1"]},
        "sites": {
            1: {"profile": "cnil_exempt", "ip_mask_bytes": 3, "drop_fields": ["dimension2"]},
            2: {"ip_mask_bytes": 0},
            "3": {"profile": "none"},
            4: {},
            5: {"ip_mask_bytes": 0},
        },
    })  # fmt: skip
    found = {site: each["policy"] for each in policies for site in each["sites"]}
    assert policies[0]["sites"] == [4]
    assert [found[2], found[5]] == [policies[2]["policy"]] * 2
    assert (found[1]["ip_mask_bytes"], found[1]["user_id"]) == (3, "hash")
    assert found[1]["drop_fields"][-1] == "dimension2"
    assert "sessionReplayUrl" in found[1]["drop_fields"]
    assert (found[2]["ip_mask_bytes"], found[2]["user_id"]) == (0, "drop")
    assert (found[3]["ip_mask_bytes"], found[3]["user_id"]) == (0, "keep")


def test_no_policy_of_the_profile_is_left_at_its_default(macro: Render) -> None:
    ((policy),) = macro("matomo_policies", {"default": {"profile": "cnil_exempt"}})
    options = macro("matomo_privacy_options")
    same = [name for name in options if policy["policy"][name] == options[name]["default"]]
    # Without a configured period the visitor's hash does not change, so that counts stay the same.
    assert same == ["hash_rotation"]


@stack
def test_a_site_may_round_drop_and_rotate(macro: Render, sql: Sql) -> None:
    """Two visits of one visitor in two years; a third at another site."""
    privacy = {
        "default": {"visitor_id": "hash", "hash_rotation": "year", "coordinate_decimals": 1},
        "sites": {2: {"user_id": "drop", "order_id": "drop", "resolution": "drop"}},
    }
    expression = macro("matomo_anonymised", "fields", variables={"matomo_privacy": privacy})
    rows = sql(
        f"select to_json({expression}) from (select site_id, 'visit' as message_type, map("
        "'visitorId', 'aa', 'fingerprint', 'false', 'userId', 'jane', 'orderId', 'o', 'latitude', "
        "'48.16', 'resolution', '1x1', 'firstActionTimestamp', first) as fields from values "
        "(1, '1703980800'), (1, '1703900000'), (1, '1704067200'), (2, '1703980800') "
        "as t (site_id, first)) cross join (select 'k' as hash_key) as site_keys "
        "cross join (select 'k' as hash_key) as common_keys"
    )
    first, same_year, next_year, other = (json.loads(row[0]) for row in rows)
    visitors = [each["visitorId"] for each in (first, same_year, next_year, other)]
    assert all(len(visitor) == 16 for visitor in visitors)
    assert visitors[0] == visitors[1]
    assert len(set(visitors)) == 3
    kept = {"fingerprint": "false", "latitude": "48.2", "userId": "jane", "orderId": "o"}
    assert kept.items() <= first.items()
    assert {"userId", "orderId", "resolution"}.isdisjoint(other)
