"""The vocabulary of visits: pages, devices, places, referrers and items.

Lists begin with the most frequent values: see `Stream.favourite`.
"""

from __future__ import annotations

# (path, title). As in Matomo, the same page with a query string is another URL.
PAGES = (
    ("/", "Welcome"),
    ("/index.html", "Welcome"),
    ("/products/", "Our products"),
    ("/products/kettle", "Kettle – products"),
    ("/products/lamp?colour=red", "Lamp – products"),
    ("/products/lamp?colour=blue", "Lamp – products"),
    ("/blog/2024/how-we-work", "How we work"),
    ("/blog/2024/été", "L'été arrive ☀"),
    ("/help/delivery", "Delivery & returns"),
    ("/pricing", "Prices"),
    ("/contact/thanks", "Thank you"),
    ("/newsletter/done", "Subscribed"),
)
# (SKU, name, categories, price in cents)
ITEMS: tuple[tuple[str, str, tuple[str, ...], int], ...] = (
    ("KET-1", "Kettle", ("Kitchen", "Electric"), 3990),
    ("LAM-RED", "Lamp, red", ("Light",), 2450),
    ("LAM-BLU", "Lamp, blue", ("Light",), 2450),
    ("COF-250", 'Coffee "Matin" 250 g', ("Food", "Kitchen"), 799),
    ("BUL-E27", "Bulb", ("Light", "Spare parts", "Électrique"), 350),
    ("GIFT", "Gift card", (), 1000),
)
KEYWORDS = ("kettle", "red lamp", "opening hours", "livraison", "café filtre", "warranty")
DOWNLOADS = ("/files/catalogue.pdf", "/files/manual-kettle.pdf", "/files/terms.zip")
OUTLINKS = (
    "https://partner.example.net/shop?ref=1",
    "https://social.example.org/@us",
    "https://maps.example.com/place/42#map",
)
EVENTS = (
    ("video", "play", "intro", None),
    ("video", "finish", "intro", 92.5),
    ("form", "error", None, None),
    ("basket", "add", "kettle", 1),
)
CONTENTS = (
    ("banner-spring", "/img/spring.png", "/products/"),
    ("banner-news", "/img/news.png", "/newsletter/done"),
)

# name, type, search engine / site / campaign / network fields
REFERRERS: tuple[dict[str, str | None], ...] = (
    {"type": "direct", "name": "", "keyword": "", "url": ""},
    {
        "type": "search",
        "name": "Findwell",
        "keyword": "Keyword not defined",
        "url": "https://findwell.example/",
    },
    {
        "type": "search",
        "name": "Findwell",
        "keyword": "red lamp",
        "url": "https://findwell.example/?q=red+lamp",
    },
    {
        "type": "website",
        "name": "reviews.example.net",
        "keyword": "",
        "url": "https://reviews.example.net/lamps?page=2",
    },
    {"type": "campaign", "name": "spring-mail", "keyword": "header", "url": None},
    {
        "type": "social",
        "name": "Chirper",
        "keyword": "",
        "url": "https://chirper.example/t/1",
    },
)

DEVICES: tuple[dict[str, str], ...] = (
    {
        "type": "Desktop",
        "brand": "Unknown",
        "model": "Generic Desktop",
        "os": "Windows",
        "os_code": "WIN",
        "os_family": "Windows",
        "os_version": "10",
        "browser": "Firefox",
        "browser_code": "FF",
        "browser_version": "123.0",
        "engine": "Gecko",
        "resolution": "1920x1080",
    },
    {
        "type": "Smartphone",
        "brand": "Samsung",
        "model": "Galaxy S21",
        "os": "Android",
        "os_code": "AND",
        "os_family": "Android",
        "os_version": "13",
        "browser": "Chrome Mobile",
        "browser_code": "CM",
        "browser_version": "122.0",
        "engine": "Blink",
        "resolution": "360x800",
    },
    {
        "type": "Tablet",
        "brand": "Apple",
        "model": "iPad",
        "os": "iPadOS",
        "os_code": "IPA",
        "os_family": "iOS",
        "os_version": "17.3",
        "browser": "Mobile Safari",
        "browser_code": "MF",
        "browser_version": "17.3",
        "engine": "WebKit",
        "resolution": "820x1180",
    },
)

COUNTRIES: tuple[dict[str, str | None], ...] = (
    {
        "code": "fr",
        "continent": "eur",
        "region_code": "IDF",
        "region": "Ile-de-France",
        "city": "Paris",
        "latitude": "48.857000",
        "longitude": "2.352000",
        "language": "fr-fr",
    },
    {
        "code": "de",
        "continent": "eur",
        "region_code": "BE",
        "region": "Berlin",
        "city": "Berlin",
        "latitude": "52.520000",
        "longitude": "13.405000",
        "language": "de",
    },
    {
        "code": "us",
        "continent": "amn",
        "region_code": "NY",
        "region": "New York",
        "city": "New York",
        "latitude": "40.713000",
        "longitude": "-74.006000",
        "language": "en-us",
    },
    {
        "code": "xx",
        "continent": "unk",
        "region_code": None,
        "region": None,
        "city": None,
        "latitude": None,
        "longitude": None,
        "language": "en-gb",
    },
)

# Matomo translates labels into the language of the user who exports.
LABELS: dict[str, dict[str, str]] = {
    "en": {
        "fr": "France",
        "de": "Germany",
        "xx": "Unknown",
        "us": "United States",
        "eur": "Europe",
        "amn": "North America",
        "unk": "Unknown",
        "direct": "Direct Entry",
        "search": "Search Engines",
        "website": "Websites",
        "campaign": "Campaigns",
        "social": "Social Networks",
        "Desktop": "Desktop",
        "Smartphone": "Smartphone",
        "Tablet": "Tablet",
    },
    "fr": {
        "fr": "France",
        "de": "Allemagne",
        "xx": "Inconnu",
        "us": "États-Unis",
        "eur": "Europe",
        "amn": "Amérique du Nord",
        "unk": "Inconnu",
        "direct": "Entrées directes",
        "search": "Moteurs de recherche",
        "website": "Sites web",
        "campaign": "Campagnes",
        "social": "Réseaux sociaux",
        "Desktop": "Bureau",
        "Smartphone": "Smartphone",
        "Tablet": "Tablette",
    },
}
LANGUAGES: dict[str, dict[str, str]] = {
    "en": {"fr-fr": "French", "de": "German", "en-us": "English", "en-gb": "English"},
    "fr": {"fr-fr": "français", "de": "allemand", "en-us": "anglais", "en-gb": "anglais"},
}
