"""A malformed address of Spark, or one without a server, is an error within seconds."""

from __future__ import annotations

import pytest

from loader.errors import ConfigurationError, SourceUnavailable
from loader.lake.session import connect
from loader.settings import Settings


def test_a_spark_address_of_another_scheme_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="must look like sc://host:port"):
        connect(Settings(spark_remote="http://127.0.0.1:1"))


def test_a_closed_port_is_reported_at_once() -> None:
    with pytest.raises(SourceUnavailable, match=r"Spark Connect at 127\.0\.0\.1:1 does not answer"):
        connect(Settings(spark_remote="sc://127.0.0.1:1"))
