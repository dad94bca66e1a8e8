"""How kafka-python is set up, and which properties of a cluster it understands.

Both clients get the same properties, named as Kafka's Java client names them. The Python one
understands these of them: ``security.protocol``, ``sasl.mechanism``, ``sasl.jaas.config`` (name and
password), ``sasl.kerberos.service.name``, ``ssl.truststore.location`` and
``ssl.keystore.location`` (PEM files, which Java reads with ``ssl.truststore.type`` = ``PEM``),
``ssl.key.password``, ``ssl.endpoint.identification.algorithm``. All others reach Spark alone.
"""

from __future__ import annotations

import logging
import re
import socket
import ssl
import time
from collections.abc import Mapping

import kafka.net.manager
from kafka.errors import KafkaConnectionError
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

from loader.errors import ConfigurationError
from loader.settings import Kafka

CLIENT_ID = "lacustre-loader"
_BITE = 1 << 20


def received(sock: socket.socket) -> tuple[bytes, Exception | None]:
    """What came in, in bites of a megabyte instead of 4 kB: the client spends its time on them.

    The client throws bytes away that come with an error. A broker that refuses a password answers
    and hangs up at once, so the answer goes first; the next read finds the end of the connection.
    """
    parts: list[bytes] = []
    error: Exception | None = None
    try:
        while part := sock.recv(_BITE):  # until TLS, too, has no more unpacked
            parts.append(part)
        error = KafkaConnectionError("socket disconnected")
    except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        pass
    except Exception as found:
        error = KafkaConnectionError(found)
    return b"".join(parts), None if parts else error


class _PlainTransport(KafkaTCPTransport):  # type: ignore[misc]
    def _sock_recv(self) -> tuple[bytes, Exception | None]:
        return received(self._sock)


class Transport(KafkaSSLTransport):  # type: ignore[misc]
    """TLS whose handshake has a deadline: the client would wait for a silent peer without an end.

    ``seconds`` are those of the cluster that was connected to last.
    """

    seconds = 30.0

    def _sock_recv(self) -> tuple[bytes, Exception | None]:
        return received(self._sock)

    async def handshake(self) -> None:
        """Raises what the client makes of a deadline that passed."""
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                self._sock.do_handshake()
            except ssl.SSLWantReadError:
                await self._net.wait_read(self._sock, deadline)
            except ssl.SSLWantWriteError:
                await self._net.wait_write(self._sock, deadline)
            else:
                return


kafka.net.manager.KafkaTCPTransport = _PlainTransport
kafka.net.manager.KafkaSSLTransport = Transport


class _Heard(logging.Handler):
    """Keeps why a connection was lost: the client only logs it, and then says that it timed out."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.why = ""

    def emit(self, record: logging.LogRecord) -> None:
        _, found, why = record.getMessage().partition("Connection lost: ")
        # A broker that refuses a password hangs up the next time without a word.
        if found and not ("uthentication" in self.why or "SSL" in self.why):
            self.why = why.rpartition("Error: ")[2]


heard = _Heard()
logging.getLogger("kafka").addHandler(heard)


def spark_properties(config: Kafka, polls: int) -> dict[str, str]:
    """Options of Spark's Kafka source for the cluster; a task holds ``polls`` records."""
    return {
        "kafka.bootstrap.servers": config.bootstrap_servers,
        "kafka.isolation.level": config.isolation_level,
        "kafka.client.id": CLIENT_ID,
        # Larger bites than Kafka's defaults: a third more records a second (see DESIGN.md).
        "kafka.max.poll.records": str(polls),
        "kafka.max.partition.fetch.bytes": str(8 << 20),
        "kafka.receive.buffer.bytes": str(1 << 20),
        # At the end of a log the prefetch waits at the broker and blocks Spark's end-offset request
        # on the same connection, half a second per partition.
        "kafka.fetch.max.wait.ms": "10",
        **{f"kafka.{key.removeprefix('kafka.')}": item for key, item in config.properties.items()},
    }


def python_properties(section: str, properties: Mapping[str, str]) -> dict[str, str | bool]:
    """Keyword arguments of kafka-python for properties of the Java client.

    Raises ``ConfigurationError`` for what only Java understands and a connection needs.
    """
    given = {key.removeprefix("kafka."): value for key, value in properties.items()}
    options: dict[str, str | bool] = {}
    for java, python in (
        ("security.protocol", "security_protocol"),
        ("sasl.mechanism", "sasl_mechanism"),
        ("sasl.kerberos.service.name", "sasl_kerberos_service_name"),
        ("ssl.key.password", "ssl_password"),
    ):
        if java in given:
            options[python] = given[java]
    jaas = given.get("sasl.jaas.config")
    mechanism = given.get("sasl.mechanism", "")
    if jaas and mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        for name in ("username", "password"):
            value = re.search(rf'\b{name}\s*=\s*"((?:[^"\\]|\\.)*)"', jaas)
            if value is None:
                message = (
                    f'[kafka.{section}.properties] sasl.jaas.config has no {name}="…"; write it as '
                    'org.apache.kafka.common.security.plain.PlainLoginModule required username="…" '
                    'password="…";'
                )
                raise ConfigurationError(message, section=section)
            options[f"sasl_plain_{name}"] = re.sub(r"\\(.)", r"\1", value[1])
    elif mechanism not in ("", "GSSAPI", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        message = (
            f"[kafka.{section}.properties] sasl.mechanism {mechanism} is not supported; use "
            "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or GSSAPI."
        )
        raise ConfigurationError(message, section=section)
    stores = {"truststore": ("ssl_cafile",), "keystore": ("ssl_certfile", "ssl_keyfile")}
    for store, names in stores.items():
        path = given.get(f"ssl.{store}.location")
        if path is None:
            continue
        if given.get(f"ssl.{store}.type", "JKS").upper() != "PEM":
            message = (
                f"[kafka.{section}.properties] ssl.{store}.location must be a PEM file, which both "
                f'clients read; convert it and set "ssl.{store}.type" = "PEM".'
            )
            raise ConfigurationError(message, section=section)
        options.update(dict.fromkeys(names, path))
    if given.get("ssl.endpoint.identification.algorithm", "https") == "":
        options["ssl_check_hostname"] = False
    return options
