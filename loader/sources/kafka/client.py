"""Set-up of kafka-python, and the cluster properties that it supports.

Both clients get the same properties, under the names of Kafka's Java client. kafka-python supports
``security.protocol``, ``sasl.mechanism``, ``sasl.jaas.config`` (user name and password),
``sasl.kerberos.service.name``, ``ssl.truststore.location`` and ``ssl.keystore.location`` (PEM
files, which Java reads with ``ssl.truststore.type`` = ``PEM``), ``ssl.key.password`` and
``ssl.endpoint.identification.algorithm``. Only Spark gets all others.
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
    """The bytes in the socket, and the error of a lost connection, for kafka-python's transport.

    Reads chunks of 1 MiB instead of 4 kB, whose overhead dominates kafka-python's run time. The
    client drops bytes that are returned together with an error. A broker that refuses a password
    answers and closes the connection at once, so the answer is returned without the error; the next
    read returns the error.
    """
    parts: list[bytes] = []
    error: Exception | None = None
    try:
        while part := sock.recv(_BITE):  # also bytes that TLS has decrypted
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
    """TLS with a deadline for the handshake; kafka-python would wait forever for a silent peer.

    ``seconds`` is the timeout of the cluster that was connected to last.
    """

    seconds = 30.0

    def _sock_recv(self) -> tuple[bytes, Exception | None]:
        return received(self._sock)

    async def handshake(self) -> None:
        """Do the handshake; raises the client's timeout error at the deadline."""
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
    """Keeps the reason of a lost connection: kafka-python only logs it, and later
    raises a timeout.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.why = ""

    def emit(self, record: logging.LogRecord) -> None:
        _, found, why = record.getMessage().partition("Connection lost: ")
        # After a failed login the broker closes the next connection without a reason; keep the
        # first.
        if found and not ("uthentication" in self.why or "SSL" in self.why):
            self.why = why.rpartition("Error: ")[2]


heard = _Heard()
logging.getLogger("kafka").addHandler(heard)


def spark_properties(config: Kafka, polls: int) -> dict[str, str]:
    """Options of Spark's Kafka source for the cluster; a task holds ``polls`` records at once."""
    return {
        "kafka.bootstrap.servers": config.bootstrap_servers,
        "kafka.isolation.level": config.isolation_level,
        "kafka.client.id": CLIENT_ID,
        # Larger fetches than Kafka's defaults: a third more records per second (see DESIGN.md).
        "kafka.max.poll.records": str(polls),
        "kafka.max.partition.fetch.bytes": str(8 << 20),
        "kafka.receive.buffer.bytes": str(1 << 20),
        # At the end of a log the prefetch waits at the broker and blocks Spark's end-offset request
        # on the same connection, half a second per partition.
        "kafka.fetch.max.wait.ms": "10",
        **{f"kafka.{key.removeprefix('kafka.')}": item for key, item in config.properties.items()},
    }


def python_properties(section: str, properties: Mapping[str, str]) -> dict[str, str | bool]:
    """Keyword arguments of kafka-python for ``properties`` of the Java client.

    Raises ``ConfigurationError`` for a login or a store that kafka-python does not support.
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
