"""One Spark JVM with two services, Thrift and Connect, an embedded metastore, and Delta Lake."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from stack import jars, token
from stack.config import LOOPBACK, SPARK_PORTS, Settings
from stack.errors import NotRunningError, StartError
from stack.java import Java, server_environ
from stack.ports import accepts_connections
from stack.server import Server

_ASK_SECONDS = 30.0

# Relative to the instance's folder, Spark's working directory.
_LOCAL_DIRECTORY = "tmp/spark"


class SparkServer(Server):
    """The Spark server of an instance; the tables are in `warehouse`, the metastore in
    `metastore_db`.
    """

    name: ClassVar[str] = "spark"
    title: ClassVar[str] = "Spark"
    port_specs = SPARK_PORTS

    def address(self, service: str) -> str:
        """`host:port` of "thrift", the URL of "connect" and "spark_ui"; without the token."""
        port = self.ports[service]
        scheme = {"connect": "sc://", "spark_ui": "http://"}.get(service, "")
        return f"{scheme}{LOOPBACK}:{port}"

    def remote(self) -> str:
        """The value of SPARK_REMOTE for Connect clients, with the token.

        Without TLS, a client sends the token only to a server that is called localhost.
        """
        return f"sc://localhost:{self.ports['connect']}/;token={token.read(self.directory)}"

    def thrift_endpoint(self) -> tuple[str, int, str]:
        """Host, port and password of the Thrift service.

        Raises:
            NotRunningError: the server does not run.
        """
        if self.pid is None:
            raise NotRunningError(
                f"Spark of {self.directory} is not running; start it with `python -m stack up`."
            )
        return LOOPBACK, self.ports["thrift"], token.read(self.directory)

    def endpoint_problems(self) -> dict[str, str | None]:
        """Run `select 1` through both services; returns the problem or None for each."""
        ports = self.ports
        problems: dict[str, str | None] = {}
        for service, ask in (("connect", _ask_connect), ("thrift", _ask_thrift)):
            if service not in ports or not accepts_connections(ports[service]):
                problems[service] = "does not accept connections"
            else:
                problems[service] = ask(ports[service], token.read(self.directory))
        return problems

    def _command(self, java: Java, ports: Mapping[str, int]) -> list[str]:
        # Left behind by a killed Spark; it removes the files only on a normal exit.
        shutil.rmtree(self.directory / _LOCAL_DIRECTORY, ignore_errors=True)
        # Hive logs an error at the end of every session if this folder is missing.
        (self.directory / _LOCAL_DIRECTORY / "hive-local").mkdir(parents=True)
        conf = self.directory / "conf"
        properties = {
            **spark_properties(self.settings, ports, token.thrift_jar(self.directory, java)),
            "spark.connect.authenticate.token": token.read(self.directory),
        }
        (conf / "spark-defaults.conf").write_text(
            "".join(f"{name} {escape_property(value)}\n" for name, value in properties.items()),
            encoding="utf-8",
        )
        (conf / "log4j2.properties").write_text(_LOG4J2, encoding="utf-8")
        (conf / "hive-site.xml").write_text(_HIVE_SITE, encoding="utf-8")
        # Spark's launcher supplies the class path and the --add-opens of this version. The shell
        # scripts around it would only read more of the environment.
        answer = subprocess.run(
            [
                str(java.executable),
                "-Xmx128m",
                "-cp",
                str(jars.pyspark_home() / "jars" / "*"),
                "org.apache.spark.launcher.Main",
                "org.apache.spark.deploy.SparkSubmit",
                "--class",
                "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2",
                "spark-internal",
            ],
            cwd=self.directory,
            env=self._environ(java),
            capture_output=True,
            timeout=120,
            check=False,
            umask=0o077,
        )
        # The output is optional messages, a NUL and a line break, then the arguments, each followed
        # by a NUL.
        _, _, arguments = answer.stdout.decode("utf-8", errors="replace").rpartition("\0\n")
        command = arguments.split("\0")[:-1]
        if answer.returncode != 0 or not command:
            raise StartError(
                "Spark's launcher gave no command to run: "
                + (answer.stderr or answer.stdout).decode("utf-8", errors="replace").strip()[-400:]
            )
        return command

    def _environ(self, java: Java) -> dict[str, str]:
        return {
            **server_environ(self.settings.environ),
            "JAVA_HOME": str(java.home),
            "SPARK_HOME": str(jars.pyspark_home()),
            "SPARK_CONF_DIR": str(self.directory / "conf"),
            # Also the address of the web interface.
            "SPARK_LOCAL_IP": LOOPBACK,
            # A list with commas, so an absolute path must not contain one.
            "SPARK_LOCAL_DIRS": _LOCAL_DIRECTORY,
            # Set explicitly, so that the launcher does not derive it from folders that it happens
            # to find.
            "SPARK_SCALA_VERSION": "2.13",
        }


def spark_properties(
    settings: Settings, ports: Mapping[str, int], authentication: Path
) -> dict[str, str]:
    """Spark's configuration without secrets; ``authentication`` is the path of
    `token.thrift_jar`.
    """
    directory = settings.directory
    tmp = directory / _LOCAL_DIRECTORY
    # Do not use spark.jars or spark.jars.packages: at the end of a Thrift session its class loader
    # is closed, and then no session finds Delta. The class path is not affected.
    class_path = f"{jars.folder(settings, 'spark') / '*'}:{authentication}"
    java_options = [
        _java_option(f"-Djava.io.tmpdir={tmp}"),
        # Timestamps are converted to the JVM's time zone on their way to Thrift clients.
        "-Duser.timezone=UTC",
        "-Dfile.encoding=UTF-8",
        "-Dderby.stream.error.file=logs/derby.log",
        _java_option(f"-Dlacustre.token.file={directory / token.FILE}"),
        "-XX:+UseParallelGC",
        # Spark's classes need this much; growing to it would cost half a dozen full collections.
        "-XX:MetaspaceSize=256m",
        # Spark's code fills the default of 240 MB within ten minutes; then HotSpot discards code
        # and compiles it again. This is address space: only the used part takes memory.
        "-XX:ReservedCodeCacheSize=512m",
        # A Spark without memory stops answering; a dead process is started again.
        "-XX:+ExitOnOutOfMemoryError",
        *(_java_option(option) for option in settings.spark_java_options),
    ]
    return {
        "spark.app.name": "lacustre-stack",
        "spark.master": settings.spark_master,
        "spark.driver.memory": settings.spark_memory,
        "spark.driver.extraClassPath": class_path,
        "spark.executor.extraClassPath": class_path,
        "spark.driver.extraJavaOptions": " ".join(java_options),
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        # Addresses.
        "spark.driver.host": LOOPBACK,
        "spark.driver.bindAddress": LOOPBACK,
        "spark.hadoop.hive.server2.thrift.bind.host": LOOPBACK,
        "spark.hadoop.hive.server2.thrift.port": str(ports["thrift"]),
        "spark.hadoop.hive.server2.authentication": "CUSTOM",
        "spark.connect.grpc.binding.address": LOOPBACK,
        "spark.connect.grpc.binding.port": str(ports["connect"]),
        "spark.ui.port": str(ports["spark_ui"]),
        # A port that is in use must be an error; by default Spark takes the next number.
        "spark.port.maxRetries": "0",
        # Folders.
        "spark.sql.warehouse.dir": str(directory / "warehouse"),
        # Hadoop sets the permissions of its files itself and ignores the process's umask.
        "spark.hadoop.fs.permissions.umask-mode": "077",
        "spark.hadoop.hive.exec.scratchdir": str(tmp / "hive"),
        "spark.hadoop.hive.exec.local.scratchdir": str(tmp / "hive-local"),
        # A thread keeps its metastore connection, which is slow to open. By default every statement
        # gets a new thread until there are a hundred.
        "spark.hadoop.hive.server2.async.exec.threads": "8",
        "spark.hadoop.hive.server2.async.exec.keepalive.time": "3600s",
        # SQL.
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.sources.default": "delta",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.mapKeyDedupPolicy": "LAST_WIN",
        # On small local data a task costs more than its work.
        "spark.sql.shuffle.partitions": "4",
        "spark.default.parallelism": "4",
        "spark.databricks.delta.snapshotPartitions": "2",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
        # A server that runs for weeks must keep only recent history in memory.
        "spark.ui.retainedJobs": "100",
        "spark.ui.retainedStages": "200",
        "spark.ui.retainedTasks": "5000",
        "spark.ui.retainedDeadExecutors": "5",
        "spark.sql.ui.retainedExecutions": "50",
        "spark.sql.thriftserver.ui.retainedSessions": "50",
        "spark.sql.thriftserver.ui.retainedStatements": "50",
        "spark.connect.ui.retainedSessions": "50",
        "spark.connect.ui.retainedStatements": "50",
        "spark.ui.showConsoleProgress": "false",
        # The web interface has no authentication, so it must not kill jobs.
        "spark.ui.killEnabled": "false",
    }


def escape_property(value: str) -> str:
    """The value escaped for a Java properties file."""
    return value.replace("\\", "\\\\")


def _java_option(option: str) -> str:
    escaped = option.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _ask_thrift(port: int, password: str) -> str | None:
    import thrift_sasl
    from pyhive import hive
    from thrift.transport.TSocket import TSocket

    def sasl() -> object:
        return hive.get_installed_sasl(
            host=LOOPBACK,
            sasl_auth="PLAIN",
            service=None,
            username="stack",
            password=password,
        )

    # PyHive's own transport has no timeout.
    socket = TSocket(LOOPBACK, port)
    socket.setTimeout(_ASK_SECONDS * 1000)
    try:
        transport = thrift_sasl.TSaslClientTransport(sasl, "PLAIN", socket)
        connection = hive.Connection(thrift_transport=transport, username="stack")
        try:
            cursor = connection.cursor()
            cursor.execute("select 1")
            answer = cursor.fetchone()
            cursor.close()
        finally:
            connection.close()
    except Exception as error:  # after any error the service does not work
        return f"does not answer ({type(error).__name__})"
    return None if answer == (1,) else f"answers {answer!r} to select 1"


def _ask_connect(port: int, password: str) -> str | None:
    import grpc
    from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

    # Not with pyspark's session: that one retries for minutes if the server is gone, and becomes
    # the caller's active session.
    options = [("grpc.enable_http_proxy", 0)]
    session = str(uuid.uuid4())
    user = base_pb2.UserContext(user_id="stack", user_name="stack")
    plan = base_pb2.Plan()
    plan.root.sql.query = "select 1"
    try:
        with grpc.insecure_channel(f"{LOOPBACK}:{port}", options=options) as channel:
            service = base_pb2_grpc.SparkConnectServiceStub(channel)  # type: ignore[no-untyped-call]
            request = base_pb2.ExecutePlanRequest(session_id=session, user_context=user, plan=plan)
            told = [("authorization", f"Bearer {password}")]
            answers = list(service.ExecutePlan(request, timeout=_ASK_SECONDS, metadata=told))
            release = base_pb2.ReleaseSessionRequest(session_id=session, user_context=user)
            service.ReleaseSession(release, timeout=_ASK_SECONDS, metadata=told)
    except grpc.RpcError as error:
        return f"does not answer ({error.code().name})"
    rows = sum(answer.arrow_batch.row_count for answer in answers)
    return None if rows == 1 else f"answers {rows} rows to select 1"


# Hive reads this property only from its own file, not from Spark's properties.
_HIVE_SITE = f"""<configuration>
  <property>
    <name>hive.server2.custom.authentication.class</name>
    <value>{token.THRIFT_CLASS}</value>
  </property>
</configuration>
"""

_LOG4J2 = """rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr

appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{yyyy-MM-dd HH:mm:ss.SSS} %p %c{1}: %m%n%ex
# One such line ends every statement over Thrift and means nothing.
appender.stderr.filter.statement.type = RegexFilter
appender.stderr.filter.statement.regex = Failed to cancel job group.*
appender.stderr.filter.statement.onMatch = DENY
appender.stderr.filter.statement.onMismatch = NEUTRAL

# Warnings about a new, empty metastore and about settings that this stack chose on purpose.
logger.objectstore.name = org.apache.hadoop.hive.metastore.ObjectStore
logger.objectstore.level = error
logger.hiveconf.name = org.apache.hadoop.hive.conf.HiveConf
logger.hiveconf.level = error
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
logger.datanucleus.name = DataNucleus
logger.datanucleus.level = error
"""
