"""Personal data that must be hidden is in no table below raw, salts are nowhere, and every report
has the same counts.

Two sites have the same visits; one is stored unchanged, the other with the profile `cnil_exempt`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet
import pytest
from kafka import KafkaAdminClient

from stack import Stack
from tests.conftest import ROOT, Answer, Run, Sql
from tests.end_to_end.conftest import Send
from tests.spark_ui import SparkUi

pytestmark = [pytest.mark.stack, pytest.mark.exhaustive]


PLAIN, HIDDEN = 1, 2
SALT, KEY = "planted-salt-of-matomo", "planted-key-0123456789-of-the-lake"
PROFILE = {
    "matomo_privacy": {"sites": {HIDDEN: {"profile": "cnil_exempt", "drop_fields": ["dimension2"]}}}
}


# Reports whose rows stay distinct when personal parts of their labels are removed.
REPORTS = [
    f"matomo_{name}" for name in (
        "visits_summary", "visit_frequency", "actions_summary", "goals_summary", "orders_summary",
        "countries", "referrer_types", "user_ids", "events_by_action", "site_search_keywords",
        "items_by_sku", "visits_per_visit_count",
    )
]  # fmt: skip

# Metrics that add up even if rows whose labels lost personal parts have become one row.
ADDITIVE = {
    "nb_hits", "nb_events", "sum_event_value", "nb_impressions", "nb_interactions", "quantity",
    "revenue", "sum_time_spent", "entry_nb_visits", "entry_bounce_count",
    "entry_sum_visit_length", "exit_nb_visits", "sum_visit_length", "bounce_count",
    "nb_conversions",
}  # fmt: skip
# A dropped dimension has no values; the second view is no report.
GONE = {"matomo_custom_dimension_values", "matomo_report_differences"}
OTHERS = sorted(
    {path.stem for path in (ROOT / "models/views/matomo").glob("*.sql")} - set(REPORTS) - GONE
)


@dataclass(frozen=True)
class Person:
    """The person of a site's visits. No word about one person is a word about the other."""

    name: str
    phone: str
    ips: tuple[str, str]
    latitude: str
    resolution: str

    def mail(self, number: int) -> str:
        return f"{self.name}{number}@example.org"


PEOPLE = {
    PLAIN: Person("openly", "+33 6 11 22 33 44", ("198.51.100.7", "2001:db8:1::1"), "1.5", "1x1"),
    HIDDEN: Person(
        "planted",
        "+33 6 98 76 54 32",
        ("203.0.113.77", "2001:db8:77:88::1"),
        "48.123456",
        "1234x987",
    ),
}
# Every personal string of the hidden site contains one of these.
PERSONAL = ["planted", "98 76 54 32", "203.0.113.77", "2001:db8:77:88", "48.123456", "1234x987"]


def personal(visit: dict[str, Any], number: int, who: Person) -> dict[str, Any]:
    """The same visit by a person who is identified by every field that can
    contain personal data.
    """
    name, phone = who.name, who.phone
    actions = [dict(action) for action in visit["actionDetails"]]
    for action in actions:
        if action.get("url"):
            action["url"] += f"?customer={name}-{number}&mail={who.mail(number)}#session={name}"
        action["subtitle"] = action["title"] = f"{action.get('url')} {who.mail(number)}"
        action |= {"accountHolder": name, "dimension2": f"{name}, free text"}
        if action["type"] == "action":
            action["pageTitle"] = f"{action.get('pageTitle')} for {who.mail(1)}, {phone}"
            action["customVariablePageName1"] = "contact"
            action["customVariablePageValue1"] = who.mail(2)
            action["productViewName"] = f"Gift for {who.mail(3)}"
            action["productViewSku"] = "gift"
    last = {"timestamp": actions[-1]["timestamp"]}
    actions += [
        {"type": "search", **last, "pageId": number * 1000 + 1, "url": None,
         "siteSearchKeyword": f"order of {who.mail(4)}", "siteSearchCategory": phone},
        {"type": "event", **last, "pageId": number * 1000 + 2,
         "url": f"https://{name}:{name}@shop.example/event", "eventCategory": who.mail(5),
         "eventAction": f"call {phone}", "eventName": f"https://shop.example/?u={name}&{who.mail(5)}"},
        {"type": "13", **last, "pageId": number * 1000 + 3, "url": "",
         "contentName": who.mail(6), "contentPiece": f"mailto:{who.mail(6)}",
         "contentTarget": f"https://shop.example/?who={name}", "contentInteraction": ""},
        {"type": "ecommerceOrder", **last, "url": "", "orderId": f"{name}-{number}",
         "revenue": "20.00", "revenueSubTotal": "20.00", "revenueTax": "0", "items": "2",
         "revenueShipping": "0", "revenueDiscount": 0,
         "itemDetails": [{"itemSKU": "gift", "itemName": f"Gift for {who.mail(7)}",
                          "itemCategory": who.mail(7), "categories": [who.mail(7)],
                          "price": "10.00", "quantity": "2"}]},
    ]  # fmt: skip
    ids = {
        field: "".join(f"{int(digit, 16) ^ len(name):x}" for digit in visit[field])
        for field in ("visitorId", "fingerprint") if visit.get(field)
    }  # fmt: skip
    return (
        visit
        | ids
        | {
            "visitIp": who.ips[number % 2],
            "userId": f"{name}.user.{number % 5}" if number % 2 else None,
            "referrerUrl": f"https://forum.example/{name}/{number}?q={name}",
            "referrerName": f"{name} campaign" if visit["referrerType"] == "campaign" else "forum",
            "referrerKeyword": f"{name} keyword",
            "campaignName": f"{name} campaign",
            "providerName": f"{name}.example",
            "sessionReplayUrl": f"https://matomo.example/{name}",
            "latitude": who.latitude,
            "longitude": "2.123456",
            "resolution": who.resolution,
            "plugins": name,
            "dimension1": f"contract of {who.mail(8)}",
            "customVariables": {
                "1": {"customVariableName1": "contact", "customVariableValue1": who.mail(9)}
            },
            "accountHolder": name,
            "accountDetails": {"name": name, "phones": [phone]},
            "actions": int(visit["actions"]) + 2,
            "actionDetails": actions,
        }
    )


def exported(folder: Path) -> list[dict[str, Any]]:
    """Visits of the simulator that have actions."""
    subprocess.run(
        [sys.executable, "-m", "simulator", "matomo", "--out", str(folder), "--from", "2024-03-01",
         "--days", "2", "--sites", "1", "--visits-per-day", "15"],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    visits: dict[int, dict[str, Any]] = {}
    for line in (folder / "messages.jsonl").read_text(encoding="utf-8").splitlines():
        value = json.loads(line).get("value")
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict) and "idVisit" in each and each.get("actionDetails"):
                visits[int(each["idVisit"])] = each
    return [visit for _, visit in sorted(visits.items())]


def files_below_raw(stack: Stack) -> Iterator[tuple[Path, str]]:
    """Every file of the tables below raw, with its text (for Parquet, its rows)."""
    folders = [
        folder for folder in (stack.directory / "warehouse").glob("privacy_*")
        if folder.name not in ("privacy_raw.db", "privacy_restricted.db")
    ]  # fmt: skip
    assert {folder.name for folder in folders} >= {
        "privacy_staging.db", "privacy_snapshots.db", "privacy_lake.db",
    }  # fmt: skip
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        if path.suffix == ".parquet":
            yield path, repr(pyarrow.parquet.ParquetFile(path).read().to_pylist())
        else:
            yield path, path.read_bytes().decode("utf-8", errors="replace")


class Dbt(Protocol):
    """The fixture `privacy`: runs dbt on its lake with the variables ``privacy``."""

    def __call__(self, *words: str, privacy: dict[str, Any] = PROFILE) -> Answer: ...


@pytest.fixture(scope="module")
def privacy(
    stack: Stack,
    run: Run,
    sql: Sql,
    send: Send,
    tmp_path_factory: pytest.TempPathFactory,
    profiles: Path,
) -> Dbt:
    """A lake with both sites, built; a call runs dbt on it again."""
    folder = tmp_path_factory.mktemp("privacy")
    visits = exported(folder / "visits")
    admin = KafkaAdminClient(bootstrap_servers=stack.endpoints.kafka_bootstrap_servers)
    admin.create_topics({"privacy": {"num_partitions": 1}}, wait_for_metadata=True)
    admin.close()
    send("privacy", [
        (None, json.dumps(personal(visit, number, who) | {"idSite": site}).encode(), None)
        for site, who in PEOPLE.items() for number, visit in enumerate(visits)
    ])  # fmt: skip
    # Rejected messages, of which quarantine stores only the kind.
    send("privacy", [
        (None, json.dumps({"idSite": HIDDEN, "idVisit": "planted"}).encode(), None),
        (None, json.dumps({"idSite": HIDDEN, "idVisit": 7, "visitIp": "planted"}).encode(), None),
        (None, json.dumps({"idSite": HIDDEN, "greeting": "planted"}).encode(), None),
        (None, json.dumps({"idsite": HIDDEN, "timezone": "UTC", "name": "Shop",
                           "creator_login": "planted"}).encode(), None),
    ])  # fmt: skip
    config = folder / "loader.toml"
    config.write_text(
        'ledger = "privacy_raw.loader_batches"\n[kafka.default]\n[[kafka.default.topics]]\n'
        'topic = "privacy"\ntable = "privacy_raw.matomo"\n',
        encoding="utf-8",
    )
    loaded = run("loader", "--config", config)
    assert loaded.code == 0, loaded.text

    def dbt(*words: str, privacy: dict[str, Any] = PROFILE) -> Answer:
        options = ("--target", "test", "--profiles-dir", profiles, "--vars", json.dumps(privacy))
        return run("dbt", *words, *options,
                   DBT_TEST_SCHEMA="privacy", LACUSTRE_RAW_SCHEMA="privacy_raw")  # fmt: skip

    first = dbt("run", "--select", "stg_matomo__documents")
    assert first.code != 0
    said = re.sub(r"\s+", " ", first.text)
    assert "the table privacy_restricted.matomo_keys of keys does not exist" in said

    keys = folder / "keys.json"
    keys.write_text(json.dumps({"site_id": 9, "user_id_salt": SALT, "hash_key": KEY}) + "\n")
    assert dbt("run-operation", "load_matomo_keys", "--args", f"{{path: '{keys}'}}").code == 0
    second = dbt("run", "--select", "stg_matomo__documents")
    assert second.code != 0
    assert re.search(r"matomo_keys has no \w+ for site 2; add it", re.sub(r"\s+", " ", second.text))

    keys.write_text(json.dumps({"user_id_salt": SALT, "hash_key": KEY}) + "\n")
    assert dbt("run-operation", "load_matomo_keys", "--args", f"{{path: '{keys}'}}").code == 0
    built = dbt("build", "--select", "+views.matomo",
                "--exclude-resource-type", "test", "unit_test")  # fmt: skip
    assert built.code == 0, built.text[-5000:]
    return dbt


def test_nothing_personal_is_in_any_file_below_raw(privacy: Dbt, stack: Stack, sql: Sql) -> None:
    words = PERSONAL + [
        row[0] for row in sql(
            "select distinct explode(array(get_json_object(message, '$.visitorId'), "
            "get_json_object(message, '$.fingerprint'))) from (select cast(value as string) as "
            f"message from privacy_raw.matomo) where message like '%\"idSite\": {HIDDEN}%' "
            "and message like '%visitorId%'"
        ) if row[0]
    ]  # fmt: skip
    assert len(words) > len(PERSONAL) + 5
    files = list(files_below_raw(stack))
    found = {
        (word, path.parent.name) for path, text in files for word in words
        if word.lower() in text.lower()
    }  # fmt: skip
    assert found == set()
    # The search itself works: the other site has all personal strings.
    everything = " ".join(text for _, text in files)
    person = PEOPLE[PLAIN]
    for word in (person.mail(7), person.phone, *person.ips, f"{person.name}-3", "hidden-email"):
        assert word in everything


def test_no_salt_is_outside_the_restricted_table(privacy: Dbt, stack: Stack, sql: Sql) -> None:
    assert [tuple(row) for row in sql("select * from privacy_restricted.matomo_keys")] == [
        (None, SALT, KEY)
    ]
    ui = SparkUi(stack.spark.address("spark_ui"))
    executions = ui.executions()
    plans = json.dumps(executions)
    assert "matomo_keys" in plans
    pages = ["/jobs/", "/stages/", "/storage/", "/environment/", "/executors/", "/SQL/",
             "/sqlserver/"]  # fmt: skip
    pages += [f"{ui.api}/{part}" for part in ("jobs", "stages", "environment")]
    pages += [
        f"/SQL/execution/?id={plan['id']}" for plan in executions
        if "matomo_keys" in plan["planDescription"]
    ]  # fmt: skip
    texts = {"plans": plans, **{path: ui.page(path) for path in pages}}
    folders = ["dbt-target", "dbt-logs", "logs", "metastore_db"]
    assert all((stack.directory / name).is_dir() for name in folders)
    for path in (path for name in folders for path in (stack.directory / name).rglob("*")):
        if path.is_file():
            texts[str(path)] = path.read_bytes().decode("utf-8", errors="replace")
    texts |= {str(path): text for path, text in files_below_raw(stack)}
    assert [place for place, text in texts.items() if SALT in text or KEY in text] == []


@pytest.mark.parametrize("view", REPORTS)
def test_a_report_counts_the_same(view: str, privacy: Dbt, stack: Stack, sql: Sql) -> None:
    manifest = json.loads((stack.directory / "dbt-target" / "manifest.json").read_text())
    columns = manifest["nodes"][f"model.lacustre.{view}"]["columns"]
    # Pages that differed only in hidden parts are one page, which a visit views once.
    left_out = {"site_id", "label", "code", "nb_uniq_pageviews", "nb_uniq_downloads"}
    metrics = ", ".join(name for name in columns if name not in left_out)
    rows = sql(f"select site_id, to_json(struct({metrics})) from privacy_views.{view}")
    plain, hidden = (sorted(row[1] for row in rows if row[0] == site) for site in PEOPLE)
    assert len(plain) > 0
    assert hidden == plain


@pytest.mark.parametrize("view", OTHERS)
def test_the_rows_of_a_report_add_up_to_the_same(
    view: str, privacy: Dbt, stack: Stack, sql: Sql
) -> None:
    manifest = json.loads((stack.directory / "dbt-target" / "manifest.json").read_text())
    columns = manifest["nodes"][f"model.lacustre.{view}"]["columns"]
    # Pages that became one have the hits of all, also of a page that was never an entry.
    own = next((each for each in ("entry_", "exit_") if f"_{each}" in view), "")
    sums = [
        f"round(sum({name}), 2)"
        for name in columns if name in ADDITIVE and name.startswith(own)
    ] or ["count(*)"]  # fmt: skip
    rows = sql(
        f"select site_id, period, cast(period_start as string), {', '.join(sums)} "
        f"from privacy_views.{view} group by all"
    )
    plain, hidden = (
        {tuple(row[1:]) for row in rows if row[0] == site} for site in PEOPLE
    )  # fmt: skip
    assert hidden == plain
