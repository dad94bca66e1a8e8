"""Spark sessions: connect, keep alive, disconnect."""

from __future__ import annotations

import os
import re
import socket
import warnings
from contextlib import suppress

import grpc
from pyspark.sql import SparkSession
from pyspark.sql.connect.client import ChannelBuilder, DefaultChannelBuilder
from pyspark.sql.connect.client.retries import DefaultPolicy

from loader.errors import ConfigurationError, SourceUnavailable
from loader.redaction import shown_remote
from loader.settings import Settings, located

# With these a dead Connect server is reported after about five seconds instead of ten minutes.
_RETRIES, _BACKOFF_MS = 5, 2000
# A statement may take hours, so it has no deadline. A server that does not answer a ping within the
# timeout is gone. The interval is above five minutes, because servers refuse clients that ping more
# often.
ChannelBuilder.GRPC_DEFAULT_OPTIONS = [
    *ChannelBuilder.GRPC_DEFAULT_OPTIONS,
    ("grpc.keepalive_time_ms", 310_000),
    ("grpc.keepalive_timeout_ms", 20_000),
]
# Settings for statements on few rows: no code generation, no adaptive replanning, one task.
_SMALL = {
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "1",
    # A batch has few files, found by their partition, so statistics are not needed. The source rows
    # of a merge are literals of the statement, so they need not be materialized.
    "spark.databricks.delta.stats.collect": "false",
    "spark.databricks.delta.merge.materializeSource": "none",
}


def connect(settings: Settings, *, small: bool = False) -> SparkSession:
    """A session of the Spark Connect server at ``spark_remote``, or a local session if that is
    empty.

    With ``small`` the session is for statements on few rows. Raises ``ConfigurationError`` for a
    malformed address, and ``SourceUnavailable`` within ``spark_timeout_seconds`` if nothing answers
    there; a Connect client would retry for minutes.
    """
    remote = located(settings).spark_remote
    if not remote:
        # pyspark would use an empty SPARK_REMOTE as an address, and a SPARK_CONNECT_MODE_ENABLED
        # left by an earlier session as a request: remove both.
        for name in ("SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED"):
            os.environ.pop(name, None)
        own = SparkSession.builder.appName("lacustre-loader").enableHiveSupport().getOrCreate()
        if not small:
            return own
        session = own.newSession()
        for name, value in _SMALL.items():
            session.conf.set(name, value)
        return session
    shown = shown_remote(remote)
    match = re.fullmatch(r"sc://(\[[^\]]+\]|[^:/;]+)(?::(\d+))?(/.*)?", remote)
    if match is None:
        message = (
            f"spark_remote must look like sc://host:port, with /;key=value behind it where needed; "
            f"the one for {shown!r} does not."
        )
        raise ConfigurationError(message, spark_remote=shown)
    host, port = match[1].strip("[]"), int(match[2] or 15002)
    try:
        socket.create_connection((host, port), timeout=settings.spark_timeout_seconds).close()
        _await_answer(remote, settings.spark_timeout_seconds)
    except (OSError, TimeoutError) as error:
        message = (
            f"Spark Connect at {host}:{port} does not answer ({error}); start it "
            "(`python -m stack up`) or set SPARK_REMOTE, and run again."
        )
        raise SourceUnavailable(message, spark_remote=f"{host}:{port}") from error
    builder = SparkSession.builder.remote(remote)
    for name, value in (_SMALL if small else {}).items():
        builder = builder.config(name, value)
    spark: SparkSession = builder.create()
    spark.client.set_retry_policies([DefaultPolicy(max_retries=_RETRIES, max_backoff=_BACKOFF_MS)])
    # The client reports it twice: as a warning, and as the error that the loader reports itself.
    warnings.filterwarnings("ignore", message=r"\[RETRIES_EXCEEDED\]")
    return spark


def _await_answer(remote: str, seconds: float) -> None:
    """Raise ``TimeoutError`` unless a server speaks gRPC at ``remote`` within ``seconds``. A
    Connect client would wait forever for a server that only accepts connections.
    """
    channel = DefaultChannelBuilder(remote).toChannel()
    try:
        grpc.channel_ready_future(channel).result(seconds)
    except grpc.FutureTimeoutError as error:
        message = f"nothing within {seconds:g} s"
        raise TimeoutError(message) from error
    finally:
        channel.close()


def keep_alive(spark: SparkSession) -> None:
    """Send a small request: the server drops a session that is unused for an hour."""
    spark.conf.get("spark.sql.session.timeZone")


def disconnect(spark: SparkSession) -> None:
    """End the session; no error if its server is gone."""
    with suppress(Exception):  # a classic session has no client
        spark.client.set_retry_policies([])
    with suppress(Exception):
        spark.stop()
