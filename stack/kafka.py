"""The Kafka broker: one KRaft node, which is broker and controller, on the loopback interface."""

from __future__ import annotations

import base64
import logging
import subprocess
import uuid
from collections.abc import Mapping
from typing import ClassVar

from stack.config import KAFKA_PORTS, LOOPBACK
from stack.errors import StartError
from stack.java import Java, server_environ
from stack.ports import accepts_connections
from stack.server import Server, last_errors

# Relative to the instance's folder, the broker's working directory: `log.dirs` is a list with
# commas, so an absolute path must not contain one.
DATA = "kafka-data"
PROPERTIES = "conf/kafka.properties"

# Room for large raw messages (a visit of 5 MB) with headers and batch overhead; 16 MiB.
MAX_MESSAGE_BYTES = 16 * 1024 * 1024


class KafkaServer(Server):
    """The broker of an instance; its data is in `kafka-data`."""

    name: ClassVar[str] = "kafka"
    title: ClassVar[str] = "Kafka"
    port_specs = KAFKA_PORTS

    def address(self, service: str = "kafka") -> str:
        """The bootstrap server, `host:port`."""
        return f"{LOOPBACK}:{self.ports['kafka']}"

    def endpoint_problems(self) -> dict[str, str | None]:
        """Let the broker describe its cluster; returns the problem or None for "kafka"."""
        port = self.ports.get("kafka")
        if port is None or not accepts_connections(port):
            return {"kafka": "does not accept connections"}
        return {"kafka": _ask(port)}

    def _command(self, java: Java, ports: Mapping[str, int]) -> list[str]:
        properties = self.directory / PROPERTIES
        properties.write_text(server_properties(ports), encoding="utf-8")
        options = [
            str(java.executable),
            "-Dfile.encoding=UTF-8",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
            "-Djava.awt.headless=true",
            "-cp",
            self._class_path(),
        ]
        if not (self.directory / DATA / "meta.properties").exists():
            self._format(java, options)
        # Native compression libraries are unpacked into java.io.tmpdir.
        heap = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"]
        own = [f"-Djava.io.tmpdir={self.directory / 'tmp'}"]
        return [options[0], *heap, *own, *options[1:], "kafka.Kafka", PROPERTIES]

    def _format(self, java: Java, options: list[str]) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # A leading dash would be parsed as an option.
        cluster = "L" + cluster[1:] if cluster.startswith("-") else cluster
        command = [*options, "kafka.tools.StorageTool", "format"]
        command += ["-t", cluster, "-c", PROPERTIES, "--ignore-formatted"]
        with self.log.with_name("kafka-format.log").open("wb") as output:
            code = subprocess.run(
                command,
                cwd=self.directory,
                env=self._environ(java),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=120,
                check=False,
                umask=0o077,
            ).returncode
        if code != 0:
            log = self.log.with_name("kafka-format.log")
            raise StartError(
                f"Kafka could not prepare {self.directory / DATA}: "
                f"{' '.join(last_errors(log, count=1))} Its log: {log}"
            )

    def _environ(self, java: Java) -> dict[str, str]:
        return server_environ(self.settings.environ)


def server_properties(ports: Mapping[str, int]) -> str:
    """The text of the broker's configuration file."""
    broker, controller = ports["kafka"], ports["kafka_controller"]
    values = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{broker},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{broker}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": DATA,
        # A misspelt topic must be an error, not a new topic.
        "auto.create.topics.enable": "false",
        "num.partitions": "1",
        # One node can only hold one replica.
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "5",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "5",
        # No other member will join a local consumer group.
        "group.initial.rebalance.delay.ms": "0",
        "message.max.bytes": str(MAX_MESSAGE_BYTES),
        "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
        # Keep the data forever; people expect it to be there next month.
        "log.retention.ms": "-1",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _ask(port: int) -> str | None:
    from kafka import KafkaAdminClient

    # While a broker starts, the client logs every refused attempt; the result reports it once.
    logger = logging.getLogger("kafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=f"{LOOPBACK}:{port}",
            client_id="lacustre-stack",
            request_timeout_ms=5_000,
            bootstrap_timeout_ms=5_000,
        )
        try:
            brokers = admin.describe_cluster()["brokers"]
        finally:
            admin.close()
    except Exception as error:  # after any error the broker does not work
        return f"does not answer ({type(error).__name__})"
    finally:
        logger.setLevel(level)
    return None if brokers else "has no broker yet"
