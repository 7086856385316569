"""One request and its answer, where the flow goes past ASGI."""

from __future__ import annotations

import asyncio

import pytest

from gateway.asgi import CONNECTION, Receive, Scope, Send
from tests.contracts.scripted_upstream import until
from tests.gateway.test_asgi import answer, post, serving

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


async def test_who_begins_knows_of_others_in_its_turn() -> None:
    """As long as there are some whose requests were read in it; of one that came alone there are none."""
    told: list[bool] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        told.append(scope[CONNECTION].others_begin())
        await answer(send, b"a")

    async with serving(app) as house:
        clients = [await house.connect() for _ in range(3)]
        await until(lambda: len(house.connections) == 3)
        for connection in house.connections:
            connection.data_received(GET)
        for client in clients:
            await client.head()
        assert told == [True, True, False]
        await clients[0].send(GET)
        await until(lambda: len(told) == 4)
        assert not told[3]


async def test_who_waits_for_its_client_is_no_other() -> None:
    """It has begun, whatever it waits for."""
    told: asyncio.Queue[bool] = asyncio.Queue()

    async def app(scope: Scope, receive: Receive, _send: Send) -> None:
        told.put_nowait(scope[CONNECTION].others_begin())
        await receive()

    async with serving(app) as house:
        for _ in range(3):
            await house.connect(post(b"abc")[:-3])
            assert not await told.get()


async def test_a_task_is_the_servers_while_it_runs() -> None:
    """uvicorn ends when there is none left; one that fails leaves too."""
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        begun.set()
        await goes_on.wait()
        raise ValueError

    async with serving(app) as house:
        client = await house.connect(GET)
        await begun.wait()
        tasks = house.connections[0].state.tasks
        assert [task.get_name() for task in tasks] == ["exchange"]
        goes_on.set()
        assert b"500" in await client.head()
        await until(lambda: not tasks)


@pytest.mark.parametrize("body", [b"", b"abc", b"x" * 50_000])
async def test_what_is_here_of_a_body_to_its_end_need_not_be_received(body: bytes) -> None:
    """It is given once, and then a ``receive`` waits for the client to leave."""
    told: list[object] = []

    async def app(scope: Scope, receive: Receive, _send: Send) -> None:
        connection, taken = scope[CONNECTION], None
        while taken is None:
            taken = connection.rest_of_body()
            await asyncio.sleep(0)
        told.extend([taken, type(taken), connection.rest_of_body()])
        told.append((await receive())["type"])

    async with serving(app) as house:
        client = await house.connect(post(body))
        await until(lambda: len(told) == 3)
        client.writer.transport.abort()
        await until(lambda: len(told) == 4)
    assert told == [body, bytes, None, "http.disconnect"]


async def test_a_body_without_its_end_has_to_be_received() -> None:
    """And so has one whose client waits to be told to go on."""
    told: list[object] = []

    async def app(scope: Scope, receive: Receive, _send: Send) -> None:
        told.append(scope[CONNECTION].rest_of_body())
        told.append((await receive())["body"])
        told.append(scope[CONNECTION].rest_of_body())

    async with serving(app) as house:
        await house.connect(post(b"abc")[:-1])
        await until(lambda: len(told) == 3)
        await house.connect(post(b"abc", b"expect: 100-continue"))
        await until(lambda: len(told) == 6)
    assert told == [None, b"ab", None, None, b"abc", None]


async def test_of_a_client_that_left_before_its_exchange_began_nothing_is_taken() -> None:
    """However whole its body is: nobody is to be called for it."""
    told: list[object] = []

    async def app(scope: Scope, receive: Receive, _send: Send) -> None:
        told.append(scope[CONNECTION].rest_of_body())
        told.append((await receive())["type"])

    async with serving(app) as house:
        await house.connect()
        await until(lambda: len(house.connections) == 1)
        connection = house.connections[0]
        connection.data_received(post(b"abc"))
        connection.connection_lost(None)
        connection.transport.abort()
        await until(lambda: len(told) == 2)
    assert told == [None, "http.disconnect"]
