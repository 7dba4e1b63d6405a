"""A JVM with Apache Spark and Iceberg, until standard input ends.

    python apache_server.py FOLDER CATALOG SQLITE_JAR

It prints its port and secret. Tables and their catalogue are in FOLDER, and last.
"""

import sys
from pathlib import Path

import snowpark_connect_deps_iceberg
from pyspark import SparkConf, SparkContext
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession

folder, catalog, sqlite = sys.argv[1:]
jars = Path(snowpark_connect_deps_iceberg.__file__).parent / "jars"
iceberg = next(jars.glob("iceberg-spark-runtime-3.5_2.12-*.jar"))
# Few rows want few parts, and little compiled.
options = {
    "spark.master": "local[2]",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.memory": "2g",
    "spark.ui.enabled": "false",
    "spark.sql.ui.retainedExecutions": "1",
    "spark.jars": f"{iceberg},{sqlite}",
    "spark.driver.extraLibraryPath": "/usr/lib/x86_64-linux-gnu/jni",  # SQLite's own part
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.warehouse.dir": f"{folder}/spark",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    f"spark.sql.catalog.{catalog}": "org.apache.iceberg.spark.SparkCatalog",
    f"spark.sql.catalog.{catalog}.type": "jdbc",
    f"spark.sql.catalog.{catalog}.uri": f"jdbc:sqlite:{folder}/catalog.db",
    f"spark.sql.catalog.{catalog}.jdbc.schema-version": "V1",  # with views
    f"spark.sql.catalog.{catalog}.jdbc.busy_timeout": "60000",  # each session has a connection
    f"spark.sql.catalog.{catalog}.jdbc.journal_mode": "WAL",
    f"spark.sql.catalog.{catalog}.warehouse": f"{folder}/tables",
}
conf = SparkConf()
for name, value in options.items():
    conf.set(name, value)
gateway = launch_gateway(conf)
context = SparkContext(gateway=gateway, conf=conf)  # all clients share it
context.setLogLevel("ERROR")  # else each stage is written out
SparkSession(context)
print(gateway.gateway_parameters.port, gateway.gateway_parameters.auth_token, flush=True)
sys.stdin.read()
gateway.shutdown()
