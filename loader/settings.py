"""The sections of the configuration and their allowed values."""

from __future__ import annotations

import os
import re
from datetime import date, datetime, timezone
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from loader import own_stack
from loader.durations import seconds_of
from loader.redaction import unset_variables

DEFAULT_FILE = "loader.toml"
_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_TABLE = rf"^{_NAME}\.{_NAME}$"
_TOPIC_TABLE = rf"^{_NAME}\.({_NAME}(\{{topic\}})?|\{{topic\}})[A-Za-z0-9_]*$"
_FILE_TABLE = rf"^{_NAME}\.{_NAME}(\{{name\}})?[A-Za-z0-9_]*$"
_IMPORT_TABLE = rf"^{_NAME}\.([A-Za-z0-9_]|\{{schema\}}|\{{table\}})+$"
_URL = re.compile(
    r"^(?:jdbc:)?(postgresql|postgres|mysql|mariadb)://(?:([^/@?]*)@)?([^/?@]+)/([^/?@]+)(?:\?(.*))?$"
)
# In lower case, as the metastore stores names: raw.A and raw.a are one table and need one ledger.
_Table = Annotated[str, Field(pattern=_TABLE), AfterValidator(str.lower)]
_FileTable = Annotated[str, Field(pattern=_FILE_TABLE), AfterValidator(str.lower)]
_ImportTable = Annotated[str, Field(pattern=_IMPORT_TABLE), AfterValidator(str.lower)]
_TopicTable = Annotated[str, Field(pattern=_TOPIC_TABLE), AfterValidator(str.lower)]
# Properties that the loader sets itself, with the reason: another value would break its guarantees.
_OWNED = {
    "bootstrap.servers": "set bootstrap_servers of the section instead",
    "group.id": "set group_id of the section instead; the loader reads without a group",
    "isolation.level": "set isolation_level of the section instead",
    "auto.offset.reset": "every range is planned; set start of the topic instead",
    "enable.auto.commit": "the ledger holds the offsets",
    "key.deserializer": "keys are landed as bytes",
    "value.deserializer": "values are landed as bytes",
    "interceptor.classes": "nothing may change a record before it is landed",
}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


def _instant(value: object) -> object:
    """``2026-01-31`` or ``2026-01-31T12:00:00+01:00`` as a time; UTC without a zone."""
    if isinstance(value, str) and re.match(r"^\d{4}-\d\d-\d\d", value):
        value = datetime.fromisoformat(value.replace("Z", "+00:00"))
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=timezone.utc)
    return value


Start = Annotated[
    Literal["earliest", "latest"] | datetime | dict[int, int], BeforeValidator(_instant)
]


def _seconds(value: object) -> object:
    """``30s``, ``10m``, ``24h`` or ``7d`` as seconds; any other value unchanged."""
    seconds = seconds_of(str(value))
    return value if seconds is None else seconds


def _schema(table: str) -> str:
    return table.partition(".")[0]


class Topic(_Section):
    """One Kafka topic, or all topics whose whole name matches ``pattern``, and their raw table.

    ``{topic}`` in ``table`` is the topic's name with underscores for all characters except letters
    and digits; without it, all matching topics share the table. ``start`` is the position of a
    topic that is loaded for the first time: ``earliest``, ``latest``, a time (the first record of
    that time or later), or an offset per partition. It has no effect later.
    """

    topic: str | None = Field(default=None, pattern=r"^[A-Za-z0-9._-]{1,249}$")
    pattern: str | None = None
    table: _TopicTable
    start: Start = "earliest"

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            message = f"{value!r} is no regular expression ({error})"
            raise ValueError(message) from error
        return value

    @model_validator(mode="after")
    def _one_way(self) -> Topic:
        if (self.topic is None) == (self.pattern is None):
            raise ValueError("give either topic or pattern")
        return self

    @property
    def name(self) -> str:
        """The topic or the pattern."""
        return self.topic or self.pattern or ""

    def matches(self, topic: str) -> bool:
        """Whether this entry matches ``topic``. A pattern never matches Kafka's internal topics."""
        if self.pattern is None:
            return topic == self.topic
        return not topic.startswith("__") and re.fullmatch(self.pattern, topic) is not None

    def table_of(self, topic: str) -> str:
        """The raw table (``schema.name``) of ``topic``."""
        table = self.table.replace("{topic}", re.sub(r"\W", "_", topic).lower())
        return re.sub(r"\.(?=\d)", ".t_", table)  # a table name must not begin with a digit


class Kafka(_Section):
    """One Kafka cluster: ``[kafka.<name>]``.

    ``properties`` are those of Kafka's Java client (``security.protocol``, ``sasl.jaas.config``,
    ``ssl.truststore.location`` …); both clients of the loader get them, see
    ``sources.kafka.client``. The loader commits the ledger's offsets to the consumer group
    ``group_id``, for lag tools; if it is empty, to none. ``bootstrap_servers`` is empty if nothing
    configures it: see ``located``.
    """

    bootstrap_servers: str = Field(
        default_factory=lambda: os.environ.get("KAFKA_BOOTSTRAP_SERVERS", ""), min_length=1
    )
    topics: tuple[Topic, ...] = ()
    request_timeout_seconds: float = Field(default=30.0, gt=0)
    isolation_level: Literal["read_committed", "read_uncommitted"] = "read_committed"
    group_id: str = "lacustre-loader"
    properties: dict[str, str] = {}

    @property
    def schemas(self) -> set[str]:
        """The schemas of the cluster's raw tables."""
        return {_schema(topic.table) for topic in self.topics}

    @field_validator("properties")
    @classmethod
    def _not_owned(cls, value: dict[str, str]) -> dict[str, str]:
        for key in value:
            name = key.removeprefix("kafka.")
            if name in _OWNED:
                message = f"{key} is the loader's own: {_OWNED[name]}"
                raise ValueError(message)
        return value


class Limits(_Section):
    """How much one round loads; the next round loads the rest.

    ``max_records`` counts offsets, ``max_bytes`` bytes of unpacked records. A record of more than
    ``max_record_bytes`` (key, value and headers) is not landed: the run reports it, and the ledger
    keeps the gap. After ``max_seconds`` a run begins no further round, and each round is planned
    for what the speed of the newest batches allows. A topic with fewer than ``min_records`` new
    offsets waits, but at most ``max_delay_seconds`` after its last batch, so that a quiet topic
    does not write a tiny file per run.
    """

    max_records: int | None = Field(default=None, gt=0)
    max_bytes: ByteSize | None = Field(default=None, gt=0)
    max_record_bytes: ByteSize = Field(default=ByteSize(64 << 20), gt=0)
    max_seconds: float | None = Field(default=None, gt=0)
    min_records: int = Field(default=0, ge=0)
    max_delay_seconds: float = Field(default=900.0, ge=0)


class Files(_Section):
    """One set of reference files: ``[files.<name>]``.

    ``path`` is a path or glob that Spark can read (local, ``hdfs://``, ``s3a://``). Each file lands
    in ``table``; ``{name}`` is the file's name without extension. All columns of CSV and JSON lines
    land as text (for JSON, each member of the objects), those of Parquet with their types. For CSV
    without a header line, ``columns`` names the columns; the default is c1, c2 and so on. If the
    path contains an unset environment variable, the run skips the section with a remark.
    """

    path: str = Field(min_length=1)
    table: _FileTable
    format: Literal["csv", "json", "parquet"] = "csv"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    header: bool = True
    columns: tuple[str, ...] = ()
    encoding: str = "UTF-8"

    @property
    def schemas(self) -> set[str]:
        """The schema of the raw tables, as a set."""
        return {_schema(self.table)}

    @model_validator(mode="after")
    def _columns_without_header(self) -> Files:
        if self.columns and (self.header or self.format != "csv"):
            raise ValueError(
                "columns is for csv with header = false; elsewhere the file names them"
            )
        return self


class JdbcTable(_Section):
    """The import of one table or view of ``[jdbc.<name>]``, or of a ``query`` under the name
    ``name``.

    ``mode`` is ``full`` (each import is a new version of the whole table), ``append`` (rows whose
    growing ``column`` is above the watermark) or ``last_modified`` (rows whose timestamp ``column``
    is above it). The last two read the ``overlap`` below the watermark again (a number, or a
    duration such as ``10m``) for rows that were committed late, and land only what is new in it.
    ``key`` identifies a row; the default is the primary key. ``compare_keys`` reads all keys at
    each import and so finds deleted rows. ``count_older`` counts the rows below the overlap and so
    finds rows that were committed even later. ``split_by`` and ``splits`` divide the read into
    parts. ``columns`` maps a column to another type in raw.
    """

    name: str = Field(min_length=1)
    query: str | None = None
    table: _ImportTable | None = None
    mode: Literal["full", "append", "last_modified"] = "full"
    column: str | None = None
    overlap: str | None = None
    key: tuple[str, ...] = ()
    compare_keys: bool = False
    count_older: bool = True
    split_by: tuple[str, ...] = ()
    splits: int | None = Field(default=None, gt=0)
    columns: dict[str, str] = {}
    on_drift: Literal["fail", "evolve"] | None = None

    @field_validator("key", "split_by", mode="before")
    @classmethod
    def _one_or_more(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_column(self) -> JdbcTable:
        if (self.mode == "full") != (self.column is None):
            raise ValueError(
                "column is required for mode append and last_modified, and not allowed for full"
            )
        if self.compare_keys and self.mode == "full":
            raise ValueError("compare_keys is for append and last_modified; full sees deletes")
        return self


class Jdbc(_Section):
    """One database: ``[jdbc.<name>]``, PostgreSQL or MariaDB/MySQL.

    ``include`` and ``exclude`` are patterns of tables and views (``public.*``; without a schema, of
    the default schema). Each lands in ``table``, in which ``{table}`` and ``{schema}`` are its
    names. ``connections`` is the number of connections that read at the same time. ``every`` is the
    minimum age of an import before the next one; without it, each run checks whether the table
    changed. ``session_init`` is SQL that every session runs first. If the url contains an unset
    environment variable, the run skips the section with a remark.
    """

    url: str = Field(min_length=1)
    user: str | None = None
    password: SecretStr | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    table: _ImportTable
    tables: tuple[JdbcTable, ...] = ()
    connections: int = Field(default=4, gt=0)
    fetch_size: int = Field(default=10_000, ge=0)
    statement_timeout_seconds: float = Field(default=3600.0, gt=0)
    session_init: str = ""
    every: Annotated[float | None, BeforeValidator(_seconds)] = None
    on_drift: Literal["fail", "evolve"] = "fail"

    @field_validator("url")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if unset_variables(value):
            return value
        match = _URL.match(value)
        if match is None:
            raise ValueError(
                "write it as jdbc:postgresql://host:port/database or jdbc:mariadb://host:port/"
                "database, without user and password, which are keys of their own"
            )
        if ":" in (match[2] or "") or re.search(r"(?i)password=", match[5] or ""):
            raise ValueError("a password does not belong into the url; set password instead")
        return value

    @property
    def address(self) -> tuple[str, str, str, str]:
        """Kind (``postgresql`` or ``mysql``), host with port, database and parameters, from the
        url.
        """
        match = _URL.match(self.url)
        assert match is not None  # noqa: S101 - the validator's promise
        kind = "postgresql" if match[1].startswith("postgres") else "mysql"
        return kind, match[3], match[4], match[5] or ""

    @property
    def schemas(self) -> set[str]:
        """The schemas of the database's raw tables."""
        return {_schema(each) for each in (self.table, *(e.table for e in self.tables)) if each}

    @property
    def login(self) -> str | None:
        """The user's name, from ``user`` or else from the url; None without one."""
        match = _URL.match(self.url)
        return self.user or (match[2] if match else None) or None


class Settings(_Section):
    """The whole configuration.

    An empty ``spark_remote`` means a local Spark session; None means that nothing configures it
    (see ``located``). ``spark_timeout_seconds`` limits the wait for Spark's first answer.
    """

    spark_remote: str | None = Field(default_factory=lambda: os.environ.get("SPARK_REMOTE"))
    spark_timeout_seconds: float = Field(default=30.0, gt=0)
    ledger: _Table = "raw.loader_batches"
    limits: Limits = Limits()
    kafka: dict[str, Kafka] = {}
    files: dict[str, Files] = {}
    jdbc: dict[str, Jdbc] = {}

    @property
    def schemas(self) -> set[str]:
        """The schemas of all tables that the loader writes, with the ledger's."""
        sections: list[Kafka | Files | Jdbc] = [
            *self.kafka.values(),
            *self.files.values(),
            *self.jdbc.values(),
        ]
        return {self.ledger.partition(".")[0]}.union(*(each.schemas for each in sections))

    @model_validator(mode="after")
    def _one_source_per_table(self) -> Settings:
        owners = {self.ledger: "ledger"}
        for cluster, kafka in self.kafka.items():
            topics = [topic.topic for topic in kafka.topics if topic.topic]
            repeated = {topic for topic in topics if topics.count(topic) > 1}
            if repeated:
                message = f"[kafka.{cluster}] lists topic {min(repeated)!r} twice"
                raise ValueError(message)
            for topic in kafka.topics:
                table = topic.table_of(topic.topic) if topic.topic else topic.table
                _claim(owners, table, f"kafka.{cluster}")
        for name, files in self.files.items():
            _claim(owners, files.table, f"files.{name}")
        for name, jdbc in self.jdbc.items():
            _claim(owners, jdbc.table, f"jdbc.{name}")
            for each in jdbc.tables:
                if each.table is not None:
                    _claim(owners, each.table, f"jdbc.{name} table {each.name}")
        return self


def _claim(owners: dict[str, str], table: str, claimant: str) -> None:
    owner = owners.setdefault(table, claimant)
    if owner != claimant:
        message = f"table {table} is used by both {owner} and {claimant}"
        raise ValueError(message)


def located(settings: Settings) -> Settings:
    """``settings`` with the own stack's addresses where nothing else configures one.

    Raises the errors of ``own_stack.kafka``, so that no command connects to a server of somebody
    else.
    """
    found: dict[str, object] = {}
    if settings.spark_remote is None:
        found["spark_remote"] = own_stack.connect("SPARK_REMOTE")
    if any(not kafka.bootstrap_servers for kafka in settings.kafka.values()):
        own = own_stack.kafka("KAFKA_BOOTSTRAP_SERVERS")
        found["kafka"] = {
            name: kafka
            if kafka.bootstrap_servers
            else kafka.model_copy(update={"bootstrap_servers": own})
            for name, kafka in settings.kafka.items()
        }
    return settings.model_copy(update=found)
