"""Imported tables equal their source; each import lands once or not at all. With real servers."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow
import pyarrow.parquet
import pyspark
import pytest

from loader.batch import Batch
from loader.configuration import load
from loader.content import Import
from loader.errors import ConfigurationError, LoaderError, SourceUnavailable
from loader.settings import Jdbc, JdbcTable
from loader.sources.jdbc.columns import Column, Typed
from loader.sources.jdbc.database import DIALECTS
from loader.sources.jdbc.imports import proposed
from loader.sources.jdbc.postgresql import PostgreSQL
from loader.sources.jdbc.types import takes
from loader.sources.jdbc.watermark import lowered
from simulator.databases import fill
from simulator.meters import MeterSettings, meter_park, write_meters
from stack import Stack
from tests.conftest import DATABASES, PLANTED, ROOT, Source
from tests.loader.conftest import Kill, Lake, Open, text_of
from tests.spark_ui import SparkUi

# Number of rows of the table with every type; a million take about two minutes.
ROWS = int(os.environ.get("IMPORT_ROWS", "50000"))


def configured(lake: Lake, source: Source, body: str) -> None:
    lake.configure(tail=source.section(f'table = "{lake.schema}.{{table}}"\n{body}'))


def made(source: Source, name: str, columns: str, *rows: str) -> None:
    """Create the table again with ``rows`` of values."""
    source.ask(f"drop table if exists {name}")
    source.ask(f"create table {name} ({columns})")
    if rows:
        source.ask(f"insert into {name} values {', '.join(rows)}")


def rows_of(lake: Lake, name: str, columns: str = "*", batch: str | None = None) -> list[Any]:
    """The rows of a raw table: of its newest committed batch, or of ``batch``."""
    newest = (
        f"(select max(batch_id) from {lake.ledger} where state = 'committed' and "
        f"table_name = '{lake.table(name)}')"
    )
    statement = f"select {columns} from {lake.table(name)} where batch_id = {batch or newest}"
    return sorted(map(tuple, lake.sql(statement)), key=repr)


def loaded(lake: Lake, code: int = 0, *words: str) -> str:
    answer = lake.command(*(words or ["run"]))
    text = text_of(answer)
    assert answer.exit_code == code, text
    assert PLANTED not in text
    return text


def abandoned(lake: Lake) -> None:
    """Give the planned rows an owner that has ended, because their owner is this process."""
    lake.sql(f"update {lake.ledger} set owner = 'gone/1/1/1' where state = 'planned'")


# --- types

_POSTGRES = """
create table every_type as select i::bigint as id, (i % 32767)::smallint as small, i as whole,
    (i % 3 = 0) as flag, (i/7.0)::real as r, (i/3.0)::float8 as d, (i/7.0)::numeric as bare,
    (i/7.0)::numeric(12,2) as price, (i * 12345678901234567890::numeric * 10^20)::numeric(50,3)
    as huge, 'text ' || i || ' é' as t, ('c' || i)::char(12) as ch, ('v' || i)::varchar(20) as vc,
    date '1400-01-01' + (i % 300000) as day,
    timestamp '1582-10-01 00:00:00.123456' + i * interval '1 hour 3 microseconds' as ts,
    timestamptz '1900-03-25 00:00:00.000001+00' + i * interval '1 hour' as tsz,
    time '12:34:56.789123' as tm, interval '1 day 3 hours' as iv, md5(i::text)::uuid as u,
    json_build_object('a', i) as j, jsonb_build_object('b', array[i, null]) as jb,
    array[i, null, i + 1] as arr, array[['a', 'b"'], ['c', null]] as arr2,
    decode(md5(i::text), 'hex') as bin, b'1011'::bit(4) as bits, inet '10.1.2.3' as ip,
    int4range(i, i + 5) as span, null::text as nothing
from generate_series(1, {rows}) i;
alter table every_type add primary key (id); analyze every_type
"""
_MARIADB = """
create table every_type (id bigint unsigned primary key, ti tinyint, flag tinyint(1),
    tu tinyint unsigned, su smallint unsigned, mu mediumint unsigned, iu int unsigned,
    big bigint, price decimal(12,2), huge decimal(65,10), f float, d double, y year, b bit(64),
    day date, dt datetime(6), ts timestamp(6) null, tm time(6), ch char(12), vc varchar(20),
    t longtext, e enum('sad', 'ok'), s set('a', 'b'), j json, vb varbinary(40), bl blob, u uuid,
    nothing text) character set utf8mb4;
insert into every_type select 18446744073709551615 - seq, -1 * cast(seq % 128 as signed),
    seq % 7, seq % 256, seq % 65536, seq % 16777216, 4294967295 - seq,
    -9223372036854775808 + cast(seq as signed), seq / 7,
    seq * 1234567890123456789012345678901234567890.0123456789, seq / 7, seq / 3,
    1901 + seq % 250, 18446744073709551615 - seq, date '1000-01-01' + interval seq % 300000 day,
    timestamp '1582-10-01 00:00:00.123456' + interval seq hour + interval seq microsecond,
    from_unixtime(86400 + seq * 3600.5), sec_to_time(-3000000.25 + seq), concat('c', seq),
    concat('v', seq), concat('text ', seq, ' é'), 'ok', 'a,b', json_object('a', seq),
    unhex(md5(seq)), unhex(md5(seq)), uuid(), null
from seq_1_to_{rows}
"""
# Expressions that give the same text for a column in the source and in raw.
_PG_TEXT = {
    "ts": "to_char(ts, 'YYYY-MM-DD HH24:MI:SS.US')",
    "tsz": "to_char(tsz at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
    "arr": "array_to_json(arr)::text",
    "arr2": "array_to_json(arr2)::text",
    "bin": "encode(bin, 'hex')",
    "r": "round((r::float8 * 1000)::numeric)::text",
    "d": "round((d * 1000)::numeric)::text",
    "ch": "rpad(ch::text, 12)",
    "flag": "case flag when true then 'true' else 'false' end",
}
_MARIADB_TEXT = {
    "flag": "cast(flag as char)",
    "b": "cast(cast(b as unsigned) as char)",
    "f": "cast(round(cast(f as double) * 1000) as char)",
    "d": "cast(round(d * 1000) as char)",
    "dt": "date_format(dt, '%Y-%m-%d %H:%i:%s.%f')",
    "ts": "date_format(ts, '%Y-%m-%d %H:%i:%s.%f')",
    "vb": "lower(hex(vb))",
    "bl": "lower(hex(bl))",
}
_TIME = "date_format({c}, 'yyyy-MM-dd HH:mm:ss.SSSSSS')"
_FLOAT = "cast(cast(round(cast({c} as double) * 1000) as bigint) as string)"
_SPARK_TEXT = {
    "ts": _TIME, "tsz": _TIME, "dt": _TIME, "bin": "lower(hex({c}))", "vb": "lower(hex({c}))",
    "bl": "lower(hex({c}))", "r": _FLOAT, "d": _FLOAT, "f": _FLOAT,
}  # fmt: skip


@pytest.mark.stack
@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_every_type_lands_equal_to_the_source(
    lake: Lake, request: pytest.FixtureRequest, password: str, kind: str
) -> None:
    """Compares the number of rows and, per column, a checksum that neither loader nor driver
    computes.
    """
    source = request.getfixturevalue(kind)
    source.ask("drop table if exists every_type")
    for statement in (_POSTGRES if kind == "postgres" else _MARIADB).format(rows=ROWS).split(";"):
        source.ask(
            statement.replace("%", "%%") if kind == "mariadb" and "%Y" in statement else statement
        )
    body = 'include = ["every_type"]\n[[jdbc.src.tables]]\nname = "every_type"\nsplits = 4'
    configured(lake, source, body)
    loaded(lake)
    columns = [row[0] for row in lake.sql(f"describe {lake.table('every_type')}")][3:]
    assert len(columns) == (27 if kind == "postgres" else 28)
    texts = _PG_TEXT if kind == "postgres" else _MARIADB_TEXT
    if kind == "postgres":
        digest = "count({t}), sum(('x' || left(md5({t}), 15))::bit(60)::bigint)"
    else:
        digest = "count({t}), sum(cast(conv(left(md5({t}), 15), 16, 10) as unsigned))"
    cast = "{c}::text" if kind == "postgres" else "cast({c} as char character set utf8mb4)"
    theirs = source.ask(
        "select " + ", ".join(digest.format(t=texts.get(c, cast.format(c=c))) for c in columns)
        + " from every_type"
    )[0]  # fmt: skip
    spark = "count({t}), sum(cast(conv(left(md5(cast({t} as binary)), 15), 16, 10) as decimal(38)))"
    ours = lake.sql(
        "select " + ", ".join(
            spark.format(t=_SPARK_TEXT.get(c, "cast({c} as string)").format(c=c)) for c in columns
        ) + f" from {lake.table('every_type')}"
    )[0]  # fmt: skip
    found = {c: (ours[2 * at], ours[2 * at + 1]) for at, c in enumerate(columns)}
    wanted = {c: (theirs[2 * at], theirs[2 * at + 1]) for at, c in enumerate(columns)}
    assert {c: v for c, v in found.items() if v != wanted[c]} == {}
    assert found["id"][0] == ROWS
    splits = lake.sql(f"select explode(imported.splits.rows) from {lake.ledger}")
    sizes = [row[0] for row in splits]
    assert len(sizes) == 4
    assert max(sizes) < 1.6 * min(sizes)


@pytest.mark.stack
def test_values_that_no_type_holds_are_an_error_and_text_takes_them(
    lake: Lake, postgres: Source, password: str
) -> None:
    columns = "id int primary key, n numeric(5, 2), d date, t timestamptz"
    made(postgres, "odd", columns, "(1, 'NaN', 'infinity', '0044-03-15 BC')")
    overrides = ""
    for column in ("n", "d", "t"):
        body = f'[[jdbc.src.tables]]\nname = "odd"\ncolumns = {{ {overrides} }}'
        configured(lake, postgres, body)
        text = loaded(lake, 2)
        assert f"Column {column} " in text
        assert "cannot hold" in text
        overrides += f', {column} = "string"' if overrides else f'{column} = "string"'
    configured(lake, postgres, f'[[jdbc.src.tables]]\nname = "odd"\ncolumns = {{ {overrides} }}')
    loaded(lake)
    assert rows_of(lake, "odd", "n, d, t") == [("NaN", "infinity", "0044-03-15 00:00:00+00 BC")]
    body = '[[jdbc.src.tables]]\nname = "odd"\ncolumns = { nn = "string" }'
    configured(lake, postgres, body)
    assert "no column 'nn'" in loaded(lake, 2)


@pytest.mark.stack
def test_an_override_that_would_round_is_refused_before_it_is_visible(
    lake: Lake, postgres: Source, password: str
) -> None:
    made(postgres, "exact", "id int primary key, n numeric", "(1, 1.005)", "(2, 3)")
    body = '[[jdbc.src.tables]]\nname = "exact"\ncolumns = { n = "decimal(10, 2)" }'
    configured(lake, postgres, body)
    assert "column n (numeric), landed as decimal(10, 2)" in loaded(lake, 5)
    assert rows_of(lake, "exact", batch="1") == []
    postgres.ask("update exact set n = 1.25 where id = 1")
    abandoned(lake)
    text = loaded(lake)
    assert "finishing batch 1" in text
    assert [str(row[0]) for row in rows_of(lake, "exact", "n")] == ["1.25", "3.00"]


@pytest.mark.exhaustive
@pytest.mark.stack
def test_an_override_that_loses_anything_is_refused_even_where_the_sums_agree(
    lake: Lake, postgres: Source, password: str
) -> None:
    chosen = {
        "pairs": ("numeric", "decimal(10, 2)", "(1, 1.004), (2, 0.996)", "'1.50'"),
        "hours": ("timestamp", "date", "(1, '2024-05-01 12:00')", "'2024-05-01'"),
        "codes": ("text", "int", "(1, '007')", "v"),
    }
    body = ""
    for name, (kind, wanted, rows, _) in chosen.items():
        made(postgres, name, f"id int primary key, v {kind}", rows)
        body += f'[[jdbc.src.tables]]\nname = "{name}"\ncolumns = {{ v = "{wanted}" }}\n'
    configured(lake, postgres, body)
    text = loaded(lake, 5)
    for name, (kind, wanted, _, exact) in chosen.items():
        kind = {"timestamp": "timestamp without time zone"}.get(kind, kind)
        assert f"column v ({kind}), landed as {wanted}, has other values" in text
        assert rows_of(lake, name, batch="1") == []
        postgres.ask(f"update {name} set v = {exact}")
    abandoned(lake)
    configured(lake, postgres, body.replace('"int"', '"string"'))  # the remedy in the error
    loaded(lake)
    assert {str(row[0]) for row in rows_of(lake, "pairs", "v")} == {"1.50"}
    assert [str(row[0]) for row in rows_of(lake, "hours", "v")] == ["2024-05-01"]
    assert rows_of(lake, "codes", "v") == [("007",)]


@pytest.mark.exhaustive
@pytest.mark.stack
def test_text_of_mariadb_s_floats_is_exact_and_of_bytes_only_where_they_are_text(
    lake: Lake, mariadb: Source, password: str
) -> None:
    made(mariadb, "texts", "id int primary key, f float, b blob", "(1, 1.0 / 7, x'ff41fe')")
    body = '[[jdbc.src.tables]]\nname = "texts"\ncolumns = { f = "string", b = "string" }'
    configured(lake, mariadb, body)
    assert "column b (blob), landed as string" in loaded(lake, 5)
    mariadb.ask("update texts set b = 'é'")
    abandoned(lake)
    loaded(lake)
    assert rows_of(lake, "texts", "f, b") == [("0.1428571492433548", "é")]


@pytest.mark.stack
def test_a_type_that_raw_cannot_take_is_an_error_before_anything_is_planned(
    lake: Lake, postgres: Source, password: str
) -> None:
    made(postgres, "turned", "id int primary key, v bigint, t timestamp", "(1, 5, now())")
    entry = 'on_drift = "evolve"\n[[jdbc.src.tables]]\nname = "turned"\n'
    configured(lake, postgres, entry + 'columns = { t = "bigint" }')
    assert "Column t (timestamp without time zone)" in (text := loaded(lake, 2))
    assert "would land as bigint, which Spark cannot make of it" in text
    configured(lake, postgres, entry)
    loaded(lake)
    # Delta would round it silently.
    postgres.ask("alter table turned alter column v type numeric(12, 2)")
    for words in ((), ("plan",)):
        text = loaded(lake, 2, *words)
        assert "Column v (numeric(12,2)) of public.turned" in text
        assert (
            f"would land as decimal(12, 2), but {lake.table('turned')} holds it as bigint" in text
        )
        assert 'columns = { v = "bigint" }' in text
    assert lake.states() == [("turned", 1, "committed")]
    configured(lake, postgres, entry + 'columns = { v = "bigint" }')
    postgres.ask("update turned set v = 6")
    loaded(lake)
    assert rows_of(lake, "turned", "v") == [(6,)]


@pytest.mark.parametrize(
    ("held", "new", "taken"),
    [
        ("smallint", "bigint", True),
        ("bigint", "int", True),
        ("int", "decimal(12,2)", True),
        ("bigint", "decimal(12, 2)", False),
        ("decimal(12,2)", "decimal(14, 4)", True),
        ("decimal(14,4)", "decimal(12, 2)", True),
        ("decimal(12,2)", "decimal(20, 0)", False),
        ("decimal(12,2)", "int", True),
        ("decimal(12,2)", "bigint", False),
        ("double", "float", True),
        ("double", "bigint", False),
        ("date", "timestamp_ntz", True),
        ("date", "timestamp", False),
        ("timestamp", "timestamp_ntz", False),
        ("string", "int", False),
        ("boolean", "int", False),
    ],
)
def test_a_raw_column_takes_only_what_it_keeps_whole(held: str, new: str, taken: bool) -> None:
    assert takes(held, new) == taken


@pytest.mark.exhaustive
@pytest.mark.stack
def test_zero_dates_and_negative_times_of_mariadb(
    lake: Lake, mariadb: Source, password: str
) -> None:
    made(mariadb, "zero", "id int primary key, d date, t time", "(1, '0000-00-00', '-12:30:00')")
    configured(lake, mariadb, 'include = ["zero"]')
    assert "Column d (date)" in loaded(lake, 2)
    body = '[[jdbc.src.tables]]\nname = "zero"\ncolumns = { d = "string" }'
    configured(lake, mariadb, body)
    loaded(lake)
    assert rows_of(lake, "zero", "d, t") == [("0000-00-00", "-12:30:00")]


# --- full imports


@pytest.mark.stack
@pytest.mark.parametrize("kind", DATABASES)
def test_a_full_import_is_a_new_version_only_when_something_changed(
    lake: Lake, request: pytest.FixtureRequest, password: str, kind: str
) -> None:
    source = request.getfixturevalue(kind)
    made(source, "versions", "id int primary key, name varchar(20)", "(1, 'a')", "(2, 'b')")
    configured(lake, source, 'include = ["versions"]')
    plan = loaded(lake, 0, "plan")
    assert "versions full" in plan
    assert 'select "id"' in plan or "select cast(`id`" in plan
    loaded(lake)
    assert "0 records in 0 batches" in loaded(lake)
    source.ask("update versions set name = 'B' where id = 2")
    source.ask("delete from versions where id = 1")
    assert "versions batch 2" in loaded(lake)
    assert rows_of(lake, "versions", "id, name") == [(2, "B")]
    assert rows_of(lake, "versions", "id, name", "1") == [(1, "a"), (2, "b")]
    source.ask("delete from versions")
    loaded(lake)
    assert rows_of(lake, "versions") == []
    assert "versions" in loaded(lake, 0, "status")
    assert lake.states() == [("versions", 1, "committed"), ("versions", 2, "committed"),
                             ("versions", 3, "committed")]  # fmt: skip


@pytest.mark.stack
@pytest.mark.parametrize(
    ("kind", "mode", "moment"),
    [
        ("postgres", "full", "written"),
        ("postgres", "append", "writing"),
        *(
            pytest.param(*case, marks=pytest.mark.exhaustive)
            for case in (
                ("postgres", "full", "surveyed"),
                ("postgres", "full", "planned"),
                ("postgres", "full", "writing"),
                ("postgres", "append", "planned"),
                ("postgres", "append", "written"),
                ("mariadb", "full", "planned"),
                ("mariadb", "append", "writing"),
                ("mariadb", "full", "written"),
            )
        ),
    ],
)
def test_a_kill_at_any_step_leaves_the_old_version_and_the_next_run_the_new_one(
    lake: Lake,
    request: pytest.FixtureRequest,
    password: str,
    killed: Kill,
    kind: str,
    mode: str,
    moment: str,
) -> None:
    source = request.getfixturevalue(kind)

    def put(value: str, first: int, last: int) -> None:
        rows = ", ".join(f"({key}, '{value}')" for key in range(first, last + 1))
        source.ask(f"insert into killed values {rows}")

    made(source, "killed", "id int primary key, v varchar(9)")
    put("a", 1, 1000)
    entry = '[[jdbc.src.tables]]\nname = "killed"\n'
    body = entry + ('mode = "append"\ncolumn = "id"\noverlap = "0"' if mode == "append" else "")
    configured(lake, source, body)
    loaded(lake)
    put("b", 1001, 1500)
    assert killed(lake, moment) == -9
    assert len(rows_of(lake, "killed")) == 1000
    put("c", 1501, 1600)
    text = loaded(lake)
    assert ("finishing batch 2" in text) == (moment != "surveyed")
    wanted = source.ask("select id, v from killed")
    if mode == "full":
        assert rows_of(lake, "killed", "id, v") == sorted(wanted, key=repr)
    else:
        everything = lake.sql(f"select id, v from {lake.table('killed')}")
        assert sorted(map(tuple, everything)) == sorted(wanted)
    assert "0 records in 0 batches" in loaded(lake)


@pytest.mark.exhaustive
@pytest.mark.stack
def test_an_empty_version_that_was_killed_is_closed_as_it_was(
    lake: Lake, postgres: Source, password: str, killed: Kill
) -> None:
    made(postgres, "emptied", "id int primary key")
    configured(lake, postgres, 'include = ["emptied"]')
    assert killed(lake, "written") == -9
    postgres.ask("insert into emptied select generate_series(1, 9)")
    text = loaded(lake)
    assert "finishing batch 1" in text
    assert rows_of(lake, "emptied", "id") == [(key,) for key in range(1, 10)]


@pytest.mark.exhaustive
@pytest.mark.stack
def test_rows_without_a_key_are_not_doubled_by_a_new_column(
    lake: Lake, postgres: Source, password: str
) -> None:
    made(postgres, "journal", "at int, v text", "(1, 'a')", "(2, 'b')", "(2, 'b')")
    entry = '[[jdbc.src.tables]]\nname = "journal"\nmode = "append"\ncolumn = "at"\noverlap = "1"'
    configured(lake, postgres, f'on_drift = "evolve"\n{entry}')
    loaded(lake)
    postgres.ask("alter table journal add column extra int")
    postgres.ask("insert into journal values (2, 'b', 5), (3, null, 6)")
    loaded(lake)
    rows = lake.sql(f"select at, v from {lake.table('journal')}")
    assert sorted(map(tuple, rows), key=repr) == sorted(
        postgres.ask("select at, v from journal"), key=repr
    )
    extra = lake.sql(f"select extra from {lake.table('journal')} where at = 3")
    assert [tuple(row) for row in extra] == [(6,)]
    configured(lake, postgres, 'include = ["journal"]\nevery = "1h"')
    assert "0 records in 0 batches" in loaded(lake)


# --- incremental imports


def current(lake: Lake, name: str, columns: str, key: str = "id") -> list[tuple[Any, ...]]:
    """The rows that readers of an incremental import see: the newest of each key, without deleted
    ones.
    """
    rows = lake.sql(
        f"select {columns} from {lake.table(name)} where not is_deleted qualify "
        f"batch_id = max(batch_id) over (partition by {key})".replace("where not is_deleted", "")
        + " and not is_deleted"
    )
    return sorted(map(tuple, rows))


@pytest.mark.stack
@pytest.mark.parametrize("kind", DATABASES)
def test_rows_committed_late_and_a_clock_that_went_back_lose_nothing(
    lake: Lake, request: pytest.FixtureRequest, password: str, kind: str
) -> None:
    source = request.getfixturevalue(kind)
    stamp = "timestamptz" if kind == "postgres" else "datetime(6)"
    made(source, "late", f"id int primary key, v varchar(9), at {stamp}")
    noon = datetime(2024, 5, 1, 12)

    def put(key: int, value: str, minutes: float) -> None:
        source.ask(f"delete from late where id = {key}")
        when = noon + timedelta(minutes=minutes)
        source.ask(f"insert into late values ({key}, '{value}', '{when}')")

    def same() -> None:
        assert current(lake, "late", "id, v") == sorted(source.ask("select id, v from late"))
        table = lake.table("late")
        total, different = lake.sql(f"select count(*), count(distinct id, v, at) from {table}")[0]
        assert total == different

    for key in range(10):
        put(key, "a", key)
    body = '[[jdbc.src.tables]]\nname = "late"\nmode = "last_modified"\ncolumn = "at"\n'
    configured(lake, source, body + 'overlap = "5m"')
    loaded(lake)
    same()
    put(10, "late", 6)  # within the overlap, below the highest value
    put(3, "b", 20)
    assert "3 records" not in loaded(lake)
    same()
    put(11, "back", -60)  # the clock went back an hour
    text = loaded(lake)
    assert "a clock went back" in text
    same()
    put(12, "new", 30)
    assert "from 2024-05-01 12:15" in loaded(lake)
    same()
    put(0, "modified", 31)  # moves from below the overlap to above it
    put(13, "late", 1)  # must not be hidden by the modified row
    loaded(lake)
    same()
    assert "0 records in 0 batches" in loaded(lake)


@pytest.mark.stack
def test_deleted_rows_are_found_by_comparing_keys(
    lake: Lake, postgres: Source, password: str
) -> None:
    made(postgres, "gone", "id int primary key, n int")
    postgres.ask("insert into gone select i, i from generate_series(1, 20) i")
    body = '[[jdbc.src.tables]]\nname = "gone"\nmode = "append"\ncolumn = "id"\noverlap = "0"\n'
    configured(lake, postgres, body)
    loaded(lake)
    postgres.ask("delete from gone where id in (3, 20)")
    loaded(lake)
    assert len(current(lake, "gone", "id")) == 20, "deletes are not seen without the compare"
    configured(lake, postgres, body + "compare_keys = true")
    loaded(lake)
    assert current(lake, "gone", "id, n") == sorted(postgres.ask("select id, n from gone"))
    postgres.ask("insert into gone values (3, 33), (21, 21)")
    loaded(lake)
    assert current(lake, "gone", "id, n") == sorted(postgres.ask("select id, n from gone"))
    assert "0 records in 0 batches" in loaded(lake)
    postgres.ask("delete from gone")
    loaded(lake)
    assert current(lake, "gone", "id, n") == []
    assert "0 records in 0 batches" in loaded(lake)


@pytest.mark.exhaustive
@pytest.mark.stack
def test_a_chosen_key_that_names_several_rows_is_refused_before_they_are_visible(
    lake: Lake, postgres: Source, password: str
) -> None:
    made(postgres, "named", "a int, b int, at timestamptz", "(1, 1, now())", "(1, 2, now())")
    body = '[[jdbc.src.tables]]\nname = "named"\nmode = "last_modified"\ncolumn = "at"\n'
    configured(lake, postgres, body + 'key = "a"')
    assert "public.named of [jdbc.src]" in (text := loaded(lake, 2))
    assert "is not unique: 2 rows have a = 1." in text
    assert rows_of(lake, "named", batch="1") == []
    configured(lake, postgres, body + 'key = ["a", "b"]')
    abandoned(lake)
    loaded(lake)
    assert current(lake, "named", "a, b", "a, b") == [(1, 1), (1, 2)]


@pytest.mark.parametrize(
    ("hours", "is_due"), [(None, True), (22.7, False), (22.9, True), (48, True)]
)
def test_an_import_is_due_by_its_plan_and_a_twentieth_early(
    hours: float | None, is_due: bool
) -> None:
    now = datetime(2024, 5, 2, 5, tzinfo=timezone.utc)
    config = Jdbc(url="jdbc:postgresql://h/d", table="raw.{table}", every="24h")
    source: Any = SimpleNamespace(
        database=SimpleNamespace(config=config), relation=SimpleNamespace(name="t"), section="x",
        entry=JdbcTable(name="t"), columns=(), key=(), table="raw.t",
    )  # fmt: skip
    last = None
    if hours is not None:
        planned = now - timedelta(hours=hours)
        last = Batch("raw.t", 1, "jdbc.x", Import("t", "full", ()),
                     planned_at=planned, committed_at=planned + timedelta(hours=3))  # fmt: skip
    assert (proposed(source, last, now) is not None) == is_due


# --- splits


@pytest.mark.exhaustive
@pytest.mark.stack
@pytest.mark.parametrize("kind", DATABASES)
def test_skewed_null_text_and_composite_keys_are_divided_by_quantiles(
    lake: Lake, request: pytest.FixtureRequest, password: str, kind: str
) -> None:
    source = request.getfixturevalue(kind)
    made(source, "skewed", "k bigint, s varchar(30), d date, v int")
    series = "generate_series(1, 4000) i" if kind == "postgres" else "seq_1_to_4000 s"
    i = "i" if kind == "postgres" else "seq"
    day = (
        f"date '2024-01-01' + {i} % 300"
        if kind == "postgres"
        else f"date '2024-01-01' + interval {i} % 300 day"
    )
    source.ask(
        f"insert into skewed select case when {i} % 10 = 0 then null when {i} % 10 = 1 then "
        f"1000000000000 + {i} else {i} end, case when {i} % 7 = 0 then null else "
        f"concat('it''s ', {i}) end, {day}, {i} from {series}"
    )
    entry = '[[jdbc.src.tables]]\nname = "skewed"\nsplits = 4\n'
    configured(lake, source, entry)
    assert "no primary key and no split_by" in loaded(lake, 2)
    for number, split_by in enumerate((["k"], ["s"], ["d"], ["k", "s"]), start=1):
        configured(lake, source, entry + f"split_by = {json.dumps(split_by)}")
        source.ask(f"update skewed set v = v + 1 where v = {4000 + number - 1} or v = 7")
        loaded(lake)
        rows = lake.sql(
            f"select explode(imported.splits.rows) from {lake.ledger} where batch_id = {number}"
        )
        sizes = [row[0] for row in rows]
        assert sum(sizes) == 4000
        assert len(sizes) == 4
        assert max(sizes) < 2000, (split_by, sizes)
        ours = rows_of(lake, "skewed", "k, s, v")
        assert ours == sorted(map(tuple, source.ask("select k, s, v from skewed")), key=repr)
    configured(lake, source, entry + 'split_by = "nope"')
    assert "no column 'nope'" in loaded(lake, 2)


# --- the shipped example


@pytest.mark.stack
@pytest.mark.parametrize("kind", DATABASES)
def test_the_nine_tables_of_the_park_are_imported_by_the_shipped_section(
    lake: Lake, request: pytest.FixtureRequest, password: str, kind: str, tmp_path: Path
) -> None:
    """From the database that the simulator fills; the rows equal those of its files."""
    source = request.getfixturevalue(kind)
    write_meters(tmp_path, MeterSettings(7, date(2024, 1, 1), date(2024, 1, 3), meters=60))
    park = meter_park(json.loads((tmp_path / "manifest.json").read_bytes()))
    fill(source.admin, park)
    text = (ROOT / "loader.toml.example").read_text(encoding="utf-8")
    section = text[text.index("[jdbc.parc]") : text.index("# The park's reference files")]
    assert "${PARC_URL}" in section
    section = section.replace("${PARC_URL}", source.url).replace("${PARC_USER}", source.user)
    lake.configure(tail=section.replace("raw.parc_", f"{lake.schema}.parc_"))
    loaded(lake)
    loaded_tables = {}
    for name, content in park.files(None):
        header, *rows = csv.reader(content.splitlines())
        columns = [re.sub(r"\W+", "_", each.lower()) for each in header]
        texts = ", ".join(
            f"coalesce(date_format({each}, 'yyyyMMdd'), '')"
            if each.startswith("date_")
            else f"cast({each} as string)"
            for each in columns
        )
        ours = [list(row) for row in rows_of(lake, f"parc_{name}", texts)]
        assert sorted(ours) == sorted(rows), name
        loaded_tables[name] = len(rows)
    assert len(loaded_tables) == 9
    assert "0 records in 0 batches" in loaded(lake)


# --- files


@pytest.mark.stack
def test_files_of_each_format_land_once_and_a_changed_one_is_said(
    lake: Lake, tmp_path: Path
) -> None:
    (tmp_path / "plain.csv").write_bytes("1|é\n2|b\n".encode("latin-1"))
    lines = ['{"Id": 1, "price": 1.50, "tags": ["a", {"b": null}]}', "no json", '{"Id": "2"}']
    (tmp_path / "objects.jsonl").write_text("\n".join(lines), encoding="utf-8")
    held = pyarrow.table({"Id": [1, 2], "when": [date(2024, 1, 1), None]})
    pyarrow.parquet.write_table(held, tmp_path / "typed.parquet")
    tail = "".join(
        f'[files.{name}]\npath = "{tmp_path}/{file}"\ntable = "{lake.schema}.f_{{name}}"\n{more}\n'
        for name, file, more in (
            ("one", "*.csv", 'delimiter = "|"\nheader = false\nencoding = "ISO-8859-1"'),
            ("two", "*.jsonl", 'format = "json"'),
            ("three", "*.parquet", 'format = "parquet"'),
        )
    )
    lake.configure(
        tail=tail.replace("f_{name}", "one_{name}", 1).replace("f_{name}", "two_{name}", 1)
    )
    loaded(lake)
    assert rows_of(lake, "one_plain", "c1, c2") == [("1", "é"), ("2", "b")]
    assert rows_of(lake, "two_objects", "id, price, tags, corrupt_record") == [
        ("1", "1.50", '["a", {"b": null}]', None), ("2", None, None, None),
        (None, None, None, "no json"),
    ]  # fmt: skip
    assert rows_of(lake, "f_typed", "id, cast(when as string)") == [(1, "2024-01-01"), (2, None)]
    assert "0 records in 0 batches" in loaded(lake)
    (tmp_path / "objects.jsonl").write_text('{"Id": 3}', encoding="utf-8")
    assert "objects.jsonl changed since it was loaded" in loaded(lake)
    assert rows_of(lake, "two_objects", "id") == [("3",)]


@pytest.mark.stack
def test_times_without_a_zone_land_from_parquet_in_the_first_file_and_in_a_later_one(
    lake: Lake, tmp_path: Path
) -> None:
    clock = pyarrow.array([datetime(2024, 3, 31, 2, 30)], pyarrow.timestamp("us"))
    lake.configure(
        tail=f'[files.clocks]\npath = "{tmp_path}/*.parquet"\n'
        f'table = "{lake.schema}.clock_{{name}}"\nformat = "parquet"\n'
    )
    pyarrow.parquet.write_table(pyarrow.table({"at": clock}), tmp_path / "first.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"id": [1]}), tmp_path / "later.parquet")
    loaded(lake)
    held = pyarrow.table({"id": [2], "at": clock})
    pyarrow.parquet.write_table(held, tmp_path / "later.parquet")
    loaded(lake)
    assert rows_of(lake, "clock_first", "cast(at as string)") == [("2024-03-31 02:30:00",)]
    assert rows_of(lake, "clock_later", "id, cast(at as string)") == [(2, "2024-03-31 02:30:00")]


# --- what goes wrong


@pytest.mark.stack
@pytest.mark.parametrize("kind", DATABASES)
def test_each_failure_says_what_to_do(
    lake: Lake,
    request: pytest.FixtureRequest,
    password: str,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = request.getfixturevalue(kind)
    source.ask("drop view if exists seen")
    made(source, "fine", "id int primary key, v int, w int", "(1, 1, 1)")
    source.ask("create view seen as select id, v from fine")
    configured(lake, source, 'include = ["fine", "sen"]')
    text = loaded(lake, 2)
    assert "no table or view sen" in text
    assert "did you mean" in text
    configured(lake, source, 'include = ["fine", "seen"]')
    with monkeypatch.context() as patch:
        patch.setenv("PARC_PASSWORD", "wrong-secret")
        answer = lake.command("run")
        assert answer.exit_code == 2
        assert "refuses user 'loader'" in text_of(answer)
        assert "wrong-secret" not in text_of(answer)
    loaded(lake)
    assert rows_of(lake, "seen", "id, v") == [(1, 1)]
    source.ask("drop view seen")
    source.ask("alter table fine drop column w")
    source.ask("alter table fine add column z varchar(5)")
    text = loaded(lake, 2)
    assert "column w is gone; column z" in text
    assert "on_drift=evolve" in text
    configured(lake, source, 'include = ["fine"]\non_drift = "evolve"')
    assert "seen of [jdbc.src] is not there any more" in loaded(lake, 2)
    assert rows_of(lake, "fine", "id, v, w, z") == [(1, 1, None, None)]
    configured(lake, source, 'include = ["fine"]\nexclude = ["seen"]\non_drift = "evolve"')
    source.ask("alter table fine alter column v type bigint" if kind == "postgres" else
               "alter table fine modify column v bigint")  # fmt: skip
    source.ask("update fine set v = 5000000000")
    loaded(lake)
    assert rows_of(lake, "fine", "v") == [(5000000000,)]
    configured(lake, source, 'include = ["fine"]\nstatement_timeout_seconds = 0.001')
    if kind == "postgres":
        assert "took longer than statement_timeout_seconds" in loaded(lake, 5)


@pytest.mark.stack
def test_a_query_is_read_in_sessions_that_begin_as_told_and_can_only_read(
    lake: Lake, postgres: Source, password: str
) -> None:
    for statement in ("drop schema if exists aside cascade", "create schema aside",
                      "create sequence aside.numbers",
                      "grant usage on sequence aside.numbers to loader"):  # fmt: skip
        postgres.ask(statement)
    made(postgres, "aside.orders", "id int, paid boolean, cost numeric(6, 2)",
         "(1, true, 9.5)", "(2, false, 1.25)")  # fmt: skip
    # The counted and the read rows are equal only if both sessions ran session_init.
    body = 'session_init = "set lake.paid = false;"\n[[jdbc.src.tables]]\nname = "open_orders"\n'
    query = "from aside.orders where paid = current_setting('lake.paid', true)::boolean"
    body += f'query = "select id, cost {query};"'
    configured(lake, postgres, body)
    assert f"select id, cost {query}" in loaded(lake, 0, "plan")
    loaded(lake)
    assert rows_of(lake, "open_orders", "id, cost") == [(2, Decimal("1.25"))]
    drawn = "query = \"select nextval('aside.numbers') as id\""
    configured(lake, postgres, body + '\n[[jdbc.src.tables]]\nname = "drawn"\n' + drawn)
    assert "read-only transaction" in loaded(lake, 5)
    assert postgres.ask("select last_value, is_called from aside.numbers") == [(1, False)]


@pytest.mark.exhaustive
@pytest.mark.stack
def test_empty_tables_and_tables_with_only_null_keys_land(
    lake: Lake, postgres: Source, password: str
) -> None:
    made(postgres, "empty_one", "id int, v text")
    made(postgres, "nulls", "k int, v int")
    postgres.ask("insert into nulls select null, i from generate_series(1, 50) i")
    body = (
        'include = ["empty_one"]\n[[jdbc.src.tables]]\nname = "nulls"\nsplit_by = "k"\nsplits = 3'
    )
    configured(lake, postgres, body)
    loaded(lake)
    assert rows_of(lake, "empty_one", "id, v") == []
    assert len(rows_of(lake, "nulls", "k, v")) == 50
    assert "0 records in 0 batches" in loaded(lake)


@pytest.mark.exhaustive
@pytest.mark.stack
def test_a_table_that_changes_while_mariadb_is_read_is_not_made_visible(
    lake: Lake, mariadb: Source, password: str, loader: Open
) -> None:
    made(mariadb, "moving", "id int primary key")
    mariadb.ask("insert into moving select seq from seq_1_to_100")
    configured(lake, mariadb, 'include = ["moving"]')
    one = loader()
    survey = one.survey()
    one.bound(survey, lambda note: None, survey.errors)
    ours, _ = one.ledger.propose(survey.batches)
    mariadb.ask("insert into moving values (101)")
    errors: list[LoaderError] = []
    one.land(survey, ours, lambda landed: None, lambda note: None, errors)
    assert [type(error) for error in errors] == [SourceUnavailable]
    assert "was changed while it was read" in str(errors[0])
    assert rows_of(lake, "moving", batch="1") == []
    abandoned(lake)
    loaded(lake)
    assert len(rows_of(lake, "moving")) == 101


@pytest.mark.stack
def test_all_parts_of_postgresql_read_one_snapshot(
    lake: Lake, postgres: Source, password: str, loader: Open
) -> None:
    made(postgres, "still", "id int primary key, v int")
    postgres.ask("insert into still select i, 0 from generate_series(1, 1000) i")
    configured(lake, postgres, '[[jdbc.src.tables]]\nname = "still"\nsplits = 4\nmode = "full"')
    one = loader()
    survey = one.survey()
    one.bound(survey, lambda note: None, survey.errors)
    ours, _ = one.ledger.propose(survey.batches)
    postgres.ask("delete from still where id <= 300; update still set v = 1")
    errors: list[LoaderError] = []
    one.land(survey, ours, lambda landed: None, lambda note: None, errors)
    assert errors == []
    assert rows_of(lake, "still", "count(*), sum(v)") == [(1000, 0)]


# --- secrets


@pytest.mark.stack
def test_the_password_is_seen_nowhere(
    lake: Lake, postgres: Source, mariadb: Source, password: str, stack: Stack
) -> None:
    for source in (postgres, mariadb):
        made(source, "secret", "id int primary key", "(1)")
    tail = [
        source.section(f'include = ["secret"]\ntable = "{lake.schema}.{name}_{{table}}"', name=name)
        for name, source in (("one", postgres), ("two", mariadb))
    ]
    lake.configure(tail="\n".join(tail))
    for words in (["plan"], ["run"], ["status"], ["config"], ["--json", "plan"]):
        loaded(lake, 0, *words)
    # Spark reports a read that fails in the driver, too.
    postgres.ask("update secret set id = 2")
    told = text_of(lake.load("--json", "run"))
    ui = SparkUi(stack.spark.address("spark_ui"))
    executions = ui.executions()
    seen = {
        "told": told,
        "ledger": str(lake.sql(f"select * from {lake.ledger}")),
        "plans": json.dumps(executions),
    }
    pages = ["/jobs/", "/stages/", "/SQL/", "/connect/", "/environment/", "/executors/"]
    pages += [f"{ui.api}/{part}" for part in ("jobs", "stages", "environment")]
    pages += [f"/SQL/execution/?id={execution['id']}" for execution in executions[-40:]]
    for page in pages:
        seen[page] = ui.page(page)
    for page in set(re.findall(r"/connect/session/\?id=[^'\"]+", seen["/connect/"])):
        seen[page] = ui.page(page)
    for log in (stack.directory / "logs").glob("*"):
        seen[log.name] = log.read_text(errors="replace")
    assert any("jdbc" in text for text in seen.values()), "the pages show nothing of the reads"
    assert [place for place, text in seen.items() if PLANTED in text] == []


# --- connections


@pytest.mark.stack
def test_both_clients_of_mariadb_use_tls_or_neither_connects(
    lake: Lake, mariadb: Source, password: str
) -> None:
    made(mariadb, "locked", "id int primary key", "(1)")
    for host in ("'127.0.0.1'", "localhost"):
        mariadb.ask(f"create user locked@{host} identified by '{PLANTED}' require ssl")
        mariadb.ask(f"grant select on parc.* to locked@{host}")

    def through(parameters: str) -> None:
        url = f"{mariadb.url}?{parameters}"
        configured(lake, replace(mariadb, url=url, user="locked"), 'include = ["locked"]')

    for plain in ("", "sslMode=disable"):
        through(plain)
        assert "refuses user 'locked'" in loaded(lake, 2)
    through("sslMode=verify-full")  # by an unknown authority
    assert "certificate verify failed" in loaded(lake, 5)
    for number, mode in enumerate(("trust", "verify-ca", "verify-full"), start=1):
        through(f"sslMode={mode}" + (f"&serverSslCert={mariadb.authority}" if number > 1 else ""))
        mariadb.ask(f"update locked set id = {number + 1}")
        loaded(lake)
        assert rows_of(lake, "locked", "id") == [(number + 1,)]


@pytest.mark.parametrize(
    ("dialect", "parameters", "understood"),
    [
        ("postgresql", {}, {}),
        ("postgresql", {"ssl": "true"}, {"sslmode": "verify-full"}),
        ("postgresql", {"ssl": "", "sslmode": "require"}, {"sslmode": "require"}),
        ("postgresql", {"ssl": "false", "sslrootcert": "a"}, {"sslrootcert": "a"}),
        ("postgresql", {"sslfactory": "x"}, "sslfactory of the url applies to only one"),
        ("mysql", {}, {"ssl_disabled": True}),
        ("mysql", {"sslmode": "DISABLE"}, {"ssl_disabled": True}),
        ("mysql", {"sslMode": "trust"}, (False, "CERT_NONE")),
        ("mysql", {"sslMode": "verify-ca"}, (False, "CERT_REQUIRED")),
        ("mysql", {"SslMode": "Verify-Full"}, (True, "CERT_REQUIRED")),
        ("mysql", {"sslMode": "trust", "serverSslCert": "a"}, "only with the last two"),
        ("mysql", {"serverSslCert": "a"}, "only with the last two"),
        ("mysql", {"sslMode": "verify-ca", "serverSslCert": "/no"}, "no PEM file"),
        ("mysql", {"sslMode": "on"}, "sslMode=on is not what both"),
        ("mysql", {"useSsl": "true"}, "useSsl of the url applies to only one"),
        ("mysql", {"keyStore": "a"}, "keyStore of the url applies to only one"),
    ],
)
def test_tls_is_the_same_for_both_clients_or_refused(
    dialect: str, parameters: dict[str, str], understood: Any
) -> None:
    mapped = DIALECTS[dialect]().tls
    if isinstance(understood, str):
        with pytest.raises(ConfigurationError, match=understood):
            mapped(parameters)
        return
    found: Any = dict(mapped(parameters))
    if isinstance(understood, tuple):
        context = found.pop("ssl")
        found = found or (context.check_hostname, context.verify_mode.name)
    assert found == understood


def test_infinity_of_a_number_is_asked_only_where_postgresql_knows_it() -> None:
    server = PostgreSQL()
    refused = []
    for server.version in (130014, 140000):
        refused.append(server.column(Typed("n", "numeric(5,2)", True, "n"), None).refused)
    assert refused == ["\"n\" = 'NaN'", "\"n\" = 'NaN' or abs(\"n\") = 'Infinity'"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('url = "jdbc:postgresql://h/d"\npassword = "written"', "must not be written"),
        ('url = "postgresql://me:secret@h/d"', "does not belong into the url"),
        ('url = "jdbc:postgresql://h/d?password=secret"', "does not belong into the url"),
        ('url = "jdbc:mysql://h/d?a=b&keyStorePassword=secret"', "does not belong into the url"),
        ('url = "jdbc:oracle://h/d"', "jdbc:postgresql://host:port/database"),
        (
            'url = "jdbc:mysql://h/d"\n[[jdbc.x.tables]]\nname = "t"\nmode = "append"',
            "column is required for mode append",
        ),
        ('url = "jdbc:mysql://h/d"\ninclud = ["x"]', "did you mean 'include'"),
        ('url = "jdbc:mysql://h/d"\n[[jdbc.x.tables]]\nnam = "t"', "did you mean 'name'"),
    ],
)
def test_a_section_that_cannot_be_right_is_refused(tmp_path: Path, body: str, said: str) -> None:
    file = tmp_path / "loader.toml"
    file.write_text(f'[jdbc.x]\ntable = "raw.{{table}}"\n{body}\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=re.escape(said)) as caught:
        load(file)
    assert "secret" not in str(caught.value).replace("is a secret", "")


@pytest.mark.parametrize(
    ("family", "value", "overlap", "low"),
    [
        ("number", "10", "3", "7"),
        ("time", "2024-05-01 12:00:00.12", "1m", "2024-05-01 11:59:00.120000"),
        ("date", "2024-05-01", "1d", "2024-04-30"),
        ("number", "NaN", "3", None),
        ("time", "infinity", "1m", None),
        ("date", "12024-05-01", "1d", None),
    ],
)
def test_a_highest_value_that_orders_nothing_is_named(
    family: str, value: str, overlap: str, low: str | None
) -> None:
    column = Column("at", "at", "x", "at", "x", "x", "{c}", (), None, family, True)
    source: Any = SimpleNamespace(  # only used in the error of a wrong overlap
        relation=SimpleNamespace(name="t"), database=SimpleNamespace(where="d")
    )
    if low is not None:
        assert lowered(value, overlap, column, source) == low
        return
    with pytest.raises(ConfigurationError, match=f"at .*{value}.*mode full"):
        lowered(value, overlap, column, source)


def test_passwords_come_from_the_environment_a_file_or_a_credential_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "loader.toml"
    (tmp_path / "secret").write_text(PLANTED + "\n", encoding="utf-8")
    monkeypatch.setenv("A_PASSWORD", PLANTED)
    body = '[jdbc.{name}]\nurl = "jdbc:postgresql://h/d"\ntable = "{name}.{{table}}"\n'

    def password_of(reference: str) -> str:
        text = body.replace("{name}", "x") + f'password = "{reference}"\n'
        file.write_text(text.replace("{{", "{").replace("}}", "}"), encoding="utf-8")
        settings = load(file)
        found = settings.jdbc["x"].password
        assert found is not None
        assert PLANTED not in repr(settings)
        return found.get_secret_value()

    assert password_of("${A_PASSWORD}") == PLANTED
    assert password_of(f"${{file:{tmp_path}/secret}}") == PLANTED
    with pytest.raises(ConfigurationError, match="would show the password"):
        load(file, {"jdbc.x.password": "shown"})
    provider = f"jceks://file{tmp_path}/parc.jceks"
    jars = Path(str(pyspark.__file__)).parent / "jars" / "*"
    subprocess.run(
        ["java", "-cp", str(jars), "org.apache.hadoop.security.alias.CredentialShell", "create",
         "parc", "-value", PLANTED, "-provider", provider],
        check=True, capture_output=True,
    )  # fmt: skip
    assert password_of(f"${{credential:{provider}#parc}}") == PLANTED
    with pytest.raises(ConfigurationError, match="has no alias 'other'"):
        password_of(f"${{credential:{provider}#other}}")


@pytest.mark.stack
def test_every_file_table_and_query_fails_alone_and_a_known_file_is_not_read_again(
    lake: Lake, postgres: Source, password: str, tmp_path: Path
) -> None:
    made(postgres, "sound", "id int primary key, v int", "(1, 1)")
    postgres.ask("drop view if exists raises")
    postgres.ask("create view raises as select id, 1 / (id - 1) as v from sound")
    folder, parquet = tmp_path / "csv", tmp_path / "parquet"
    folder.mkdir()
    parquet.mkdir()
    (folder / "good.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (folder / "other.csv").write_text("a,b\n3,4\n", encoding="utf-8")
    (folder / "co:lon.csv").write_text("a\n1\n", encoding="utf-8")
    (folder / "twice.csv").write_text("a,A\n1,2\n", encoding="utf-8")
    held = pyarrow.table({"id": [1, 2]})
    pyarrow.parquet.write_table(held, parquet / "good.parquet")
    (parquet / "broken.parquet").write_bytes(b"PAR1 no footer PAR1")
    times = pyarrow.table({"t": pyarrow.array([1], pyarrow.time64("us"))})
    pyarrow.parquet.write_table(times, parquet / "types.parquet")
    # Larger than a file that is read as one value, with a short last line.
    large = folder / "large.csv"
    large.write_bytes(b"a,b\n" + b"1,0123456789012345678901234567890123456789\n" * 400_000)
    tail = (
        f'[files.csv]\npath = "{folder}/*.csv"\ntable = "{lake.table("csv")}"\n'
        f'[files.pq]\npath = "{parquet}/*"\ntable = "{lake.table("pq")}"\nformat = "parquet"\n'
        f'[files.dash]\npath = "{tmp_path}/dash/*"\ntable = "{lake.schema}.d_{{name}}"\n'
    )
    (tmp_path / "dash").mkdir()
    (tmp_path / "dash" / "x-y.csv").write_text("a\n1\n", encoding="utf-8")
    (tmp_path / "dash" / "xy.csv").write_text("a\n1\n", encoding="utf-8")
    body = (
        'include = ["sound", "raises"]\n[[jdbc.src.tables]]\nname = "wrong"\nquery = "selec 1"\n'
        '[[jdbc.src.tables]]\nname = "away"\nquery = "select * from nowhere"\n'
        '[[jdbc.src.tables]]\nname = "right"\nquery = "select id from sound"\n'
    )
    table = f'table = "{lake.schema}.{{table}}"\n{body}'
    lake.configure(tail=tail + postgres.section(table))
    text = loaded(lake, 2)
    for said in (
        "co:lon.csv was left out: Spark reads no file whose name has a colon",
        "The header of file:" + str(folder / "twice.csv") + " cannot name columns",
        "broken.parquet cannot be read",
        "types.parquet",
        "x-y.csv was left out: [files.dash] cannot name a table after it",
        "Query public.wrong: [jdbc.src]",
        "Query public.away: [jdbc.src]",
        "public.raises: [jdbc.src]",
    ):
        assert said in text, (said, text)
    assert "current transaction is aborted" not in text
    assert "JVM stacktrace" not in text
    small = sorted(
        tuple(row) for row in lake.sql(f"select a from {lake.table('csv')} where b in ('2', '4')")
    )
    assert small == [("1",), ("3",)]
    assert lake.sql(f"select count(*) from {lake.table('csv')}")[0][0] == 400_002
    assert sorted(row[0] for row in lake.sql(f"select id from {lake.table('pq')}")) == [1, 2]
    assert lake.sql(f"select a from {lake.table('d_xy')}") == [("1",)]
    assert rows_of(lake, "sound", "v") == [(1,)]
    assert rows_of(lake, "right", "id") == [(1,)]

    # A file with the same size and time is not read, so its new content is not noticed. A file with
    # a new time and the same content is not landed again. A file that could not be read is reported
    # without a new batch.
    stat = (folder / "good.csv").stat()
    (folder / "good.csv").write_text("a,b\n8,8\n", encoding="utf-8")
    os.utime(folder / "good.csv", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.utime(large, (1, 1))
    before = lake.states()
    text = loaded(lake, 2)
    assert lake.states() == before
    assert "twice.csv could not be read when it was loaded" in text
    touched = lake.sql(
        f"select cast(file.modified_at as string) from {lake.ledger} lateral view explode(files) "
        "as file where file.path like '%large.csv'"
    )
    assert touched == [("1970-01-01 00:00:01",)]
    # A corrected file lands.
    (folder / "twice.csv").write_text("a,b\n5,5\n", encoding="utf-8")
    loaded(lake, 2)
    assert lake.sql(f"select a from {lake.table('csv')} where batch_id > 1") == [("5",)]
