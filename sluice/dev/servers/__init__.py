"""A real Apache Kafka and a real Elasticsearch on this machine, from Maven Central, with nothing but Java and Maven;
and a real PostgreSQL, from what is installed.

Everything here is synchronous: starting a server is waiting for another process, and both callers (pytest's session
fixtures and the ``sluice dev servers`` command) have no event loop to share. Inside one, use ``asyncio.to_thread``.
"""

from sluice.dev.servers.elasticsearch import ElasticsearchServer, start_elasticsearch
from sluice.dev.servers.errors import FetchError, MissingPrerequisitesError, ServerError, ServerStartError
from sluice.dev.servers.kafka import KafkaServer, start_kafka
from sluice.dev.servers.opensearch import OpenSearchServer, start_opensearch
from sluice.dev.servers.postgres import PostgresServer, start_postgres
from sluice.dev.servers.prerequisites import missing_postgres, missing_prerequisites
from sluice.dev.servers.progress import Progress, Step, silent
from sluice.dev.servers.server import Server

__all__ = [
    "ElasticsearchServer",
    "FetchError",
    "KafkaServer",
    "MissingPrerequisitesError",
    "OpenSearchServer",
    "PostgresServer",
    "Progress",
    "Server",
    "ServerError",
    "ServerStartError",
    "Step",
    "missing_postgres",
    "missing_prerequisites",
    "silent",
    "start_elasticsearch",
    "start_kafka",
    "start_opensearch",
    "start_postgres",
]
