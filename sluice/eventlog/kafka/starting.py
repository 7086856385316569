"""Starts a client of aiokafka's so that one which is cut off while it connects leaves no connection behind."""

from __future__ import annotations

from traceback import walk_tb

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection


async def start(client: AIOKafkaAdminClient | AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Start it. Raises what its own ``start`` raises; the caller stops it then too."""
    try:
        await client.start()
    except BaseException as error:
        # its first connection is known to one local variable of ``bootstrap`` until the cluster has answered, and who
        # is cancelled then leaves it to the garbage collector, which logs an error for each
        beyond = error.__traceback__ and error.__traceback__.tb_next  # our own locals have the error, and would keep it
        for frame, _ in walk_tb(beyond):
            connection = frame.f_locals.get("bootstrap_conn")
            if isinstance(connection, AIOKafkaConnection) and connection.connected():
                connection.close()
        raise
