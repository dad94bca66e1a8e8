"""The JSON of Matomo's API, with the differences between PHP versions."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from simulator.visits import (
    ACTIONS,
    CART,
    CONTENT,
    ORDER,
    Goal,
    Item,
    Row,
    Site,
    Visit,
    dimension_values,
)
from simulator.vocabulary import LABELS, LANGUAGES

_MONTHS = {
    "en": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "fr": [
        "janv.",
        "févr.",
        "mars",
        "avr.",
        "mai",
        "juin",
        "juil.",
        "août",
        "sept.",
        "oct.",
        "nov.",
        "déc.",
    ],
}
_BOOLEAN_PLUGINS = "cookie, pdf"
_IMAGES = "plugins/Morpheus/images"
_RETURNING_ICON = "plugins/Live/images/returningVisitor.png"
_ICONS = "plugins/Morpheus/icons/dist"


class _Typing:
    """How a PHP version writes database columns: PHP 7 as strings, PHP 8 as numbers; null stays
    null.
    """

    def __init__(self, php: int) -> None:
        self._php = php

    def __call__(self, value: int | None) -> int | str | None:
        return str(value) if self._php < 8 and value is not None else value


def visit_json(
    visit: Visit, goal_names: dict[int, str], *, cap: int, locale: str | None = None
) -> dict[str, Any]:
    """An element of Live.getLastVisitsDetails; `goal_names` maps goal ids to their names at the
    export.

    Visit-level timestamps are UTC. Those of actions are the site's wall clock written as if it were
    UTC, as Matomo does. If a visit has more than `cap` actions, the last ones are left out and
    counted. Labels are in the site's language, or in `locale` ("en" or "fr").
    """
    number = _Typing(visit.php)
    site, device, country, referrer = visit.site, visit.device, visit.country, visit.referrer
    locale = locale or site.locale
    label = LABELS[locale]
    last = datetime.fromtimestamp(visit.last, timezone.utc)
    shown = _capped(visit, cap)
    status = _ecommerce_status(visit)
    referrer_type = str(referrer["type"])
    unknown = country["code"] == "xx"
    country_label = label[str(country["code"])]
    return {
        "idSite": number(site.id),
        "idVisit": number(visit.id),
        "visitIp": visit.ip,
        "visitorId": visit.visitor_id if site.shows_visitors else False,
        "fingerprint": visit.fingerprint,
        "actionDetails": [
            _row_json(visit, index, number, goal_names, locale) for index in range(shown)
        ],
        "goalConversions": visit.count("goal"),
        "siteCurrency": site.currency[0],
        "siteCurrencySymbol": site.currency[1],
        "siteName": site.name,
        "serverDate": last.strftime("%Y-%m-%d"),
        "visitServerHour": str(last.hour),
        "lastActionTimestamp": visit.last,
        "lastActionDateTime": last.strftime("%Y-%m-%d %H:%M:%S"),
        "serverTimestamp": visit.last,
        "firstActionTimestamp": visit.first,
        "serverTimePretty": f"{site.local(visit.last):%H:%M:%S}",
        "serverDatePretty": _pretty_date(site, visit.last, locale),
        "serverTimePrettyFirstAction": f"{site.local(visit.first):%H:%M:%S}",
        "serverDatePrettyFirstAction": _pretty_date(site, visit.first, locale),
        "userId": visit.user_id,
        "visitorType": visit.kind,
        "visitorTypeIcon": None if visit.number == 1 else _RETURNING_ICON,
        "visitConverted": number(int(visit.converted)),
        "visitCount": number(visit.number),
        "visitConvertedIcon": f"{_IMAGES}/goal.svg" if visit.converted else None,
        "visitEcommerceStatus": status,
        "visitEcommerceStatusIcon": None if status == "none" else f"{_IMAGES}/{status}.svg",
        "daysSinceFirstVisit": visit.since_first // 86400,
        "secondsSinceFirstVisit": number(visit.since_first),
        "daysSinceLastVisit": visit.since_last // 86400,
        "secondsSinceLastVisit": number(visit.since_last),
        "daysSinceLastEcommerceOrder": (visit.since_order or 0) // 86400,
        "secondsSinceLastEcommerceOrder": number(visit.since_order),
        "visitDuration": number(visit.length),
        "visitDurationPretty": _pretty_seconds(visit.length),
        "searches": number(visit.count("search")),
        "actions": number(visit.count(*ACTIONS)),
        "interactions": number(visit.count("action", "search")),
        "events": number(visit.count("event")),
        "referrerType": referrer_type,
        "referrerTypeName": label[referrer_type],
        "referrerName": referrer["name"],
        "referrerKeyword": referrer["keyword"],
        "referrerKeywordPosition": None,
        "referrerUrl": referrer["url"],
        "referrerSearchEngineUrl": referrer["url"] if referrer_type == "search" else None,
        "referrerSearchEngineIcon": None,
        "referrerSocialNetworkUrl": referrer["url"] if referrer_type == "social" else None,
        "referrerSocialNetworkIcon": None,
        "languageCode": country["language"],
        "language": LANGUAGES[locale][str(country["language"])],
        "deviceType": label[device["type"]],
        "deviceTypeIcon": f"{_ICONS}/devices/{device['type'].lower()}.png",
        "deviceBrand": device["brand"],
        "deviceModel": device["model"],
        "operatingSystem": f"{device['os']} {device['os_version']}",
        "operatingSystemName": device["os"],
        "operatingSystemIcon": f"{_ICONS}/os/{device['os_code']}.png",
        "operatingSystemCode": device["os_code"],
        "operatingSystemVersion": device["os_version"],
        "browserFamily": device["engine"],
        "browserFamilyDescription": device["engine"],
        "browser": f"{device['browser']} {device['browser_version']}",
        "browserName": device["browser"],
        "browserIcon": f"{_ICONS}/browsers/{device['browser_code']}.png",
        "browserCode": device["browser_code"],
        "browserVersion": device["browser_version"],
        "continent": label[str(country["continent"])],
        "continentCode": country["continent"],
        "country": country_label,
        "countryCode": country["code"],
        "countryFlag": f"plugins/Morpheus/icons/dist/flags/{country['code']}.png",
        "region": country["region"],
        "regionCode": country["region_code"],
        "city": country["city"],
        "location": country_label if unknown else f"{country['city']}, {country_label}",
        "latitude": country["latitude"],
        "longitude": country["longitude"],
        "visitLocalTime": f"{site.local(visit.first):%H:%M:%S}",
        "visitLocalHour": str(site.local(visit.first).hour),
        "resolution": device["resolution"],
        "plugins": _BOOLEAN_PLUGINS,
        "pluginsIcons": [
            {"pluginIcon": f"plugins/Morpheus/icons/dist/plugins/{name}.png", "pluginName": name}
            for name in _BOOLEAN_PLUGINS.split(", ")
        ],
        "customVariables": [],
        **{f"dimension{n}": value for n, value in dimension_values(visit, None).items()},
        **_lifetime(visit, number),
        **(
            {"truncatedActionsCount": visit.actions - cap}
            if shown < len(visit.rows) and visit.actions > cap
            else {}
        ),
    }


def _capped(visit: Visit, cap: int) -> int:
    """Number of exported rows: all before the first action above the cap."""
    if visit.actions <= cap:
        return len(visit.rows)
    actions = 0
    for index, row in enumerate(visit.rows):
        actions += row.type in ACTIONS
        if actions > cap:
            return index
    raise AssertionError("unreachable: there are more actions than allowed")


def _ecommerce_status(visit: Visit) -> str:
    kinds = [row.type for row in visit.rows if row.type in (ORDER, CART)]
    if not kinds:
        return "none"
    if kinds == [CART]:
        return "abandonedCart"
    return "orderedThenAbandonedCart" if kinds[-1] == CART else "ordered"


def _lifetime(visit: Visit, number: _Typing) -> dict[str, Any]:
    """Sums over all visits of the visitor so far; only sites with a shop have them."""
    if not visit.site.ecommerce:
        return {}
    orders, carts = visit.orders, visit.carts
    return {
        "totalEcommerceRevenue": f"{orders[1] / 100:.2f}",
        "totalEcommerceConversions": number(orders[0]),
        "totalEcommerceItems": number(orders[2]),
        "totalAbandonedCartsRevenue": f"{carts[1] / 100:.2f}",
        "totalAbandonedCarts": number(carts[0]),
        "totalAbandonedCartsItems": number(carts[2]),
    }


def goals_json(site: Site, names: dict[int, str]) -> dict[str, Any] | list[Any]:
    """Goals.getGoals in the site's shape: an object keyed by id, an array, or `[]` without goals.

    Contains only goals with a name in `names`; the others have been deleted.
    """
    goals = {
        str(goal.id): _goal_json(site, goal, names[goal.id])
        for goal in site.goals
        if goal.id in names
    }
    return goals if site.goals_shape == "object" else list(goals.values())


def site_json(site: Site) -> dict[str, Any]:
    """An element of SitesManager.getSitesWithAtLeastViewAccess, reduced to a few fields."""
    return {
        "idsite": str(site.id),
        "name": site.name,
        "main_url": site.domain,
        "timezone": site.timezone,
        "currency": site.currency[0],
        "ecommerce": str(int(site.ecommerce)),
        "sitesearch": "1",
        "type": "website",
    }


def dimensions_json(
    site: Site, *, after_switch: bool, names: dict[int, str] | None = None
) -> list[dict[str, Any]]:
    """CustomDimensions.getConfiguredCustomDimensions. Inactive dimensions are listed too, but one
    that reuses another's slot only after the switch. `names` are new names by id.
    """
    return [
        {
            "idcustomdimension": str(dimension.id),
            "idsite": str(site.id),
            "name": (names or {}).get(dimension.id, dimension.name),
            "index": str(dimension.index),
            "scope": dimension.scope,
            "active": dimension.is_active(after_switch),
            "extractions": [],
            "case_sensitive": True,
        }
        for dimension in site.dimensions
        if after_switch or dimension.active != "after"
    ]


def _goal_json(site: Site, goal: Goal, name: str) -> dict[str, Any]:
    manually = goal.path is None
    return {
        "idsite": str(site.id),
        "idgoal": str(goal.id),
        "name": name,
        "description": "",
        "match_attribute": "manually" if manually else "url",
        **(
            {}
            if manually
            else {"pattern": goal.path, "pattern_type": "contains", "case_sensitive": "0"}
        ),
        "allow_multiple": "0",
        "revenue": goal.revenue,
        "deleted": "0",
        "event_value_as_revenue": "0",
    }


def _row_json(
    visit: Visit, index: int, number: _Typing, goal_names: dict[int, str], locale: str
) -> dict[str, Any]:
    row, site, more = visit.rows[index], visit.site, visit.rows[index].more
    local = site.local(row.at)
    offset = local.utcoffset()
    common: dict[str, Any] = {
        "type": row.type,
        "url": row.about,
        "serverTimePretty": f"{_pretty_date(site, row.at, locale)} {local:%H:%M:%S}",
        "timestamp": row.at + (int(offset.total_seconds()) if offset else 0),
        "title": None,
        "subtitle": None,
        "icon": "",
        "iconSVG": f"plugins/Morpheus/images/{row.type}.svg",
    }
    dimensions = {f"dimension{n}": value for n, value in dimension_values(visit, row).items()}
    source = {
        "referrerType": visit.referrer["type"],
        "referrerName": visit.referrer["name"],
        "referrerKeyword": visit.referrer["keyword"],
    }
    if row.type in (ORDER, CART):
        del common["url"]
        return {**common, **_purchase(row, number, locale), **source}
    if row.type == "goal":
        # Null if the goal has been deleted.
        name = goal_names.get(int(row.about))
        return {
            **common,
            "url": more["url"],
            "title": {"en": "Goal conversion", "fr": "Conversion d'objectif"}[locale],
            "subtitle": name,
            "goalName": name,
            "goalId": number(int(row.about)),
            "revenue": more["revenue"],
            "goalPageId": number(more["goal_page_id"]),
            **source,
            **dimensions,
        }
    ids = {
        "pageId": number(row.page_id),
        "pageIdAction": number(row.about_id),
        "idpageview": f"{row.position:06x}",
        "pageviewPosition": number(row.position),
        "bandwidth": None,
        "bandwidth_pretty": None,
    }
    if row.type == "action":
        spent = _time_spent(visit.rows, index)
        return {
            **common,
            **ids,
            "title": more["title"],
            "subtitle": row.about,
            "pageTitle": more["title"],
            "timeSpent": spent,
            "timeSpentPretty": _pretty_seconds(spent),
            "pageLoadTime": f"{more['load_ms'] / 1000:.2f}s",
            "pageLoadTimeMilliseconds": number(more["load_ms"]),
            **dimensions,
        }
    if row.type == "search":
        return {
            **common,
            **ids,
            "url": None,
            "title": "Site Search",
            "subtitle": row.about,
            "siteSearchKeyword": row.about,
            "siteSearchCategory": more["category"],
            "siteSearchCount": number(more["count"]),
            **dimensions,
        }
    if row.type == "event":
        named = {"eventName": more["name"]} if more["name"] is not None else {}
        valued = {"eventValue": more["value"]} if more["value"] is not None else {}
        return {
            **common,
            **ids,
            "title": "Event",
            "subtitle": f"{more['category']} - {more['action']}",
            "eventCategory": more["category"],
            "eventAction": more["action"],
            **named,
            **valued,
            **dimensions,
        }
    if row.type == CONTENT:
        return {
            **common,
            **ids,
            "type": number(int(CONTENT)),
            "url": None,
            "contentName": more["name"],
            "contentPiece": more["piece"],
            "contentTarget": more["target"],
            "contentInteraction": more["interaction"],
            **dimensions,
        }
    return {**common, **ids, "pageTitle": None, "subtitle": row.about, **dimensions}


def _time_spent(rows: tuple[Row, ...], index: int) -> int:
    """Seconds from a page to the next row that is an action; 0 for the last one."""
    later = [row.at for row in rows[index + 1 :] if row.type in ACTIONS]
    return later[0] - rows[index].at if later else 0


def _purchase(row: Row, number: _Typing, locale: str) -> dict[str, Any]:
    items = sum(item.quantity for item in row.items)
    titles = {
        ORDER: {"en": "Ecommerce Order", "fr": "Commande"},
        CART: {"en": "Abandoned Cart", "fr": "Panier abandonné"},
    }
    common = {
        "title": titles[row.type][locale],
        "revenue": money(row.more["revenue"]),
        "items": number(items),
        "itemDetails": [_item_json(item, number) for item in row.items],
    }
    if row.type == CART:
        return common
    return {
        **common,
        "orderId": row.about,
        "revenueSubTotal": money(row.more["sub_total"]),
        "revenueTax": money(row.more["tax"]),
        "revenueShipping": money(row.more["shipping"]),
        "revenueDiscount": money(row.more["discount"]),
    }


def _item_json(item: Item, number: _Typing) -> dict[str, Any]:
    return {
        "itemSKU": item.sku,
        "itemName": item.name,
        "itemCategory": item.categories[0] if item.categories else None,
        "price": money(item.price),
        "quantity": number(item.quantity),
        "categories": list(item.categories),
    }


def money(cents: int) -> str:
    """An amount as Matomo writes it, without trailing zeros ("10", "12.5", "24.99")."""
    whole, rest = divmod(cents, 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".")


def _pretty_seconds(seconds: int) -> str:
    return f"{seconds // 60} min {seconds % 60}s" if seconds >= 60 else f"{seconds}s"


def _pretty_date(site: Site, at: int, locale: str) -> str:
    local = site.local(at)
    month = _MONTHS[locale][local.month - 1]
    if locale == "fr":
        return f"{local.day} {month} {local.year}"
    return f"{month} {local.day}, {local.year}"
