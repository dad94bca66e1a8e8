"""The odd inputs of each kind of message, as they are sent to Kafka."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tests.odd.values import FIELD_NAMES, Odd, odd_documents, odd_names, odd_values

# Every field gets these values, and every fourth of the others; which ones differs by field.
ALWAYS = {"null", "empty", "2^63-1", "1e308", "40 digits", "array", "object", "true", "8 KB"}
STRIDE = 4

# Odd documents have another year and other sites than the clean ones.
FIRST_SITE = 10_000
_TIME = 1_614_600_000  # 2021-03-01

_VISIT: dict[str, Any] = {
    "idSite": str(FIRST_SITE),
    "idVisit": "1",
    "visitIp": "198.18.0.1",
    "visitorId": "904935ae3275807e",
    "fingerprint": "81cbdcd5eabb4fc3",
    "userId": "someone",
    "firstActionTimestamp": _TIME,
    "lastActionTimestamp": _TIME + 60,
    "serverTimestamp": _TIME + 60,
    "visitLocalTime": "13:00:00",
    "visitLocalHour": "13",
    "visitorType": "new",
    "visitCount": "1",
    "visitDuration": "61",
    "actions": "1",
    "interactions": "1",
    "searches": "0",
    "events": "0",
    "goalConversions": 1,
    "visitConverted": "1",
    "visitEcommerceStatus": "none",
    "daysSinceLastVisit": 0,
    "secondsSinceFirstVisit": "0",
    "secondsSinceLastVisit": "0",
    "secondsSinceLastEcommerceOrder": "1",
    "truncatedActionsCount": 0,
    "referrerType": "search",
    "referrerName": "Google",
    "referrerKeyword": "words",
    "referrerUrl": "https://www.google.com/?q=words",
    "campaignName": "spring",
    "deviceType": "Desktop",
    "deviceBrand": "Unknown",
    "deviceModel": "X1",
    "operatingSystemCode": "WIN",
    "operatingSystemName": "Windows",
    "operatingSystemVersion": "10",
    "browserFamily": "Blink",
    "browserFamilyDescription": "Blink (Chrome)",
    "browserCode": "CH",
    "browserName": "Chrome",
    "browserVersion": "98.0",
    "resolution": "1920x1080",
    "plugins": "cookie, pdf",
    "language": "French",
    "languageCode": "fr-fr",
    "continent": "Europe",
    "continentCode": "eur",
    "country": "France",
    "countryCode": "fr",
    "region": "Bretagne",
    "regionCode": "BRE",
    "city": "Rennes",
    "latitude": "48.1",
    "longitude": "-1.6",
    "dimension1": "customer",
    "customVariables": {"1": {"customVariableName1": "n", "customVariableValue1": "v"}},
    "actionDetails": [],
}

_ACTION = {"timestamp": _TIME, "pageIdAction": "2", "pageId": "2", "idpageview": "000001"}
_PAGE = {**_ACTION, "url": "https://example.org/a", "pageTitle": "A", "timeSpent": 60}
_ITEM = {
    "itemSKU": "s1",
    "itemName": "Thing",
    "itemCategory": "C",
    "categories": ["C", "D"],
    "price": 1.5,
    "quantity": 2,
}
_ORDER = {
    **_ACTION,
    "type": "ecommerceOrder",
    "orderId": "o1",
    "revenue": 3,
    "revenueSubTotal": 3,
    "revenueTax": 0.5,
    "revenueShipping": 1,
    "revenueDiscount": 0,
    "items": "2",
    "itemDetails": [_ITEM],
}
_ACTIONS: dict[str, dict[str, Any]] = {
    "page": {
        **_PAGE,
        "type": "action",
        "pageLoadTimeMilliseconds": "2011",
        "dimension2": "author",
        "referrerType": "direct",
        "customVariables": {"1": {"customVariablePageName1": "n", "customVariablePageValue1": "v"}},
        "productViewSku": "s1",
        "productViewName": "Thing",
        "productViewPrice": "1.5",
        "productViewCategories": ["C"],
    },
    "search": {
        "type": "search",
        "timestamp": _TIME,
        "siteSearchKeyword": "k",
        "siteSearchCategory": "c",
        "siteSearchCount": "3",
    },
    "event": {
        "type": "event",
        "timestamp": _TIME,
        "eventCategory": "c",
        "eventAction": "a",
        "eventName": "n",
        "eventValue": "1.5",
    },
    "content": {
        "type": "13",
        "timestamp": _TIME,
        "contentName": "n",
        "contentPiece": "p",
        "contentTarget": "t",
        "contentInteraction": "click",
    },
    "goal": {
        "type": "goal",
        "timestamp": _TIME,
        "goalId": "1",
        "goalName": "g",
        "goalPageId": "2",
        "revenue": 5,
    },
    "download": {"type": "download", "timestamp": _TIME, "url": "https://example.org/a.pdf"},
    "outlink": {"type": "outlink", "timestamp": _TIME, "url": "https://example.com/"},
    "order": _ORDER,
    "cart": {
        "type": "ecommerceAbandonedCart",
        "timestamp": _TIME,
        "revenue": 3,
        "items": "2",
        "itemDetails": [_ITEM],
    },
}  # fmt: skip

_GOAL = {
    "idsite": "1",
    "idgoal": "1",
    "name": "Contact",
    "description": "d",
    "match_attribute": "url",
    "pattern": "/thanks",
    "pattern_type": "contains",
    "case_sensitive": "0",
    "allow_multiple": "0",
    "revenue": "5",
    "deleted": "0",
    "event_value_as_revenue": "0",
}
_DIMENSION = {
    "idcustomdimension": "1",
    "idsite": "1",
    "name": "Customer type",
    "index": "1",
    "scope": "visit",
    "active": True,
    "extractions": [],
    "case_sensitive": True,
}
_SITE = {
    "idsite": "1",
    "name": "Shop",
    "main_url": "https://example.org",
    "timezone": "Europe/Paris",
    "currency": "EUR",
    "ecommerce": "1",
}
_REPORTS: dict[str, dict[str, Any]] = {
    "VisitsSummary.get": {"nb_visits": 6, "nb_uniq_visitors": 2, "nb_actions": 10,
                          "nb_visits_converted": 2, "bounce_count": 3, "sum_visit_length": 411,
                          "max_actions": 3, "bounce_rate": "50%"},
    "Actions.get": {"nb_pageviews": 9, "nb_uniq_pageviews": 9, "nb_downloads": 0,
                    "nb_outlinks": 0, "nb_searches": 0, "nb_keywords": 0},
    "Goals.get": {"nb_conversions": 2, "revenue": "0.00", "conversion_rate": "33.33%"},
}  # fmt: skip

_EVENT = {
    "id_evt": "202103010004400000001",
    "date_occur_evt": "2021-03-01 00:04:40",
    "date_system_evt": "2021-03-01 00:04:42",
    "type_evt": "ev_C38",
    "type_equipement": "C",
    "id_equipement": "4",
    "info_div": "",
}


class Message(NamedTuple):
    """An odd input, and the message that contains it."""

    name: str
    topic: str
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


def messages(only: str | None = None) -> list[Message]:
    """Every odd input in a message of its own, or only the one in ``LACUSTRE_ODD=field=value``."""
    found = [*_matomo(only), *_meters(only)]
    return [each for each in found if only is None or each.name == only]


def _chosen(kind: str, odds: Iterator[Odd], only: str | None) -> Iterator[Odd]:
    """The inputs to send: a share per field, or the one that ``only`` names."""
    numbers: dict[str, int] = {}
    for odd in odds:
        number = numbers.setdefault(odd.field, len(numbers))
        numbers[f"{odd.field} "] = numbers.get(f"{odd.field} ", number) + 1
        if only is not None or odd.value in ALWAYS or numbers[f"{odd.field} "] % STRIDE == 0:
            yield Odd(f"{kind}.{odd.field}", odd.value, odd.text)


def _visits(only: str | None) -> Iterator[Odd]:
    plain = {**_VISIT, "actionDetails": [_ACTIONS["page"]]}
    inputs = (odd for odd in odd_documents(plain) if not odd.field.startswith("actionDetails.0."))
    yield from _chosen("visit", inputs, only)
    for odd in odd_names(plain):
        yield Odd("visit.(a field more)", odd.value, odd.text)
    short = {name: _VISIT[name] for name in list(_VISIT)[:8]}
    for kind, action in _ACTIONS.items():
        before, after = json.dumps({**short, "actionDetails": ["@"]}).split('"@"')
        inner = (
            Odd(odd.field, odd.value, before + odd.text + after) for odd in odd_documents(action)
        )
        yield from _chosen(kind, inner, only)
    for name, added in FIELD_NAMES.items():
        action = {**_ACTIONS["page"], **dict.fromkeys(added, "1")}
        text = json.dumps({**short, "actionDetails": [action]})
        yield Odd("page.(a field more)", name, text)


def _matomo(only: str | None) -> Iterator[Message]:
    number = FIRST_SITE

    def message(odd: Odd, site: int, headers: Mapping[str, str], text: str) -> Message:
        key = f"{site}".encode()
        named = [(name, value.encode()) for name, value in headers.items()]
        value = text.encode("utf-8", "surrogatepass")
        return Message(odd.name, "matomo", key, value, named)

    for count, odd in enumerate(_visits(only)):
        # Another visit each; otherwise all but the last would be older versions of one visit.
        text = odd.text.replace('"idVisit": "1"', f'"idVisit": "{1000 + count}"', 1)
        yield message(odd, FIRST_SITE, {"type": "visit"} if count % 2 else {}, text)
    for kind, document in (
        ("goals", _GOAL), ("custom_dimensions", _DIMENSION), ("sites", _SITE)
    ):  # fmt: skip
        for odd in _chosen(kind, odd_documents(document), only):
            number += 1
            # Another site each, because a catalogue replaces all entries of its site.
            text = odd.text.replace('"idsite": "1"', f'"idsite": "{number}"', 1)
            yield message(odd, number, {"type": kind}, f"[{text}]")
    for method, report in _REPORTS.items():
        dated = {**report, "date": "2021-03-01", "period": "day"}
        for odd in _chosen(method, odd_documents(dated), only):
            number += 1
            yield message(odd, number, {"type": "report", "method": method}, odd.text)
        for odd in _chosen(f"{method} by day", odd_documents({"2021-03-01": report}), only):
            number += 1
            yield message(odd, number, {"type": "report", "method": method}, odd.text)
    for name, value in odd_values().items():
        for headers in ({}, {"type": "visit"}):
            odd = Odd(f"matomo.(message{' with a type' if headers else ''})", name, value)
            if value != "[]":  # a message without documents
                yield message(odd, FIRST_SITE, headers, value)


def _meters(only: str | None) -> Iterator[Message]:
    odds: list[Odd] = []
    texts = {
        name: json.loads(value)
        for name, value in odd_values().items()
        if value.startswith('"') and "surrogate" not in name
    }
    for position, field in enumerate(_EVENT):
        for name, text in texts.items():
            parts = list(_EVENT.values())
            parts[position] = text
            odds.append(Odd(f"line.{field}", name, json.dumps({"odd.csv_row1": ",".join(parts)})))
    odds.extend(_chosen("event", odd_documents(_EVENT), only))
    odds.extend(Odd("event.(a field more)", odd.value, odd.text) for odd in odd_names(_EVENT))
    for name, value in odd_values().items():
        odds.append(Odd("meters.(message)", name, value))
        odds.append(Odd("meters.(member)", name, f'{{"odd.csv_row1": {value}}}'))
    for number, odd in enumerate(odds):
        text = odd.text.replace(_EVENT["id_evt"], f"20210301{number:013}", 1)
        yield Message(odd.name, "meter-events", None, text.encode("utf-8", "surrogatepass"), [])
