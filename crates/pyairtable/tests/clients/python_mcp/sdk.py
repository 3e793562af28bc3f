"""One face for both generations of the client: connect in some way, list tools, call them, answer questions."""

from __future__ import annotations

import asyncio
import importlib.metadata
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mcp.client.stdio import StdioServerParameters, stdio_client

import mcp

VERSION = importlib.metadata.version("mcp")
IS_NEW = not VERSION.startswith("1.")

# How a client can be connected. The new one shakes hands as the old one does if it is told to.
WAYS = ["http", "stdio", "http-legacy", "stdio-legacy"] if IS_NEW else ["http", "stdio"]


@dataclass
class Result:
    is_error: bool
    text: str
    data: Any
    meta: dict[str, Any]

    def ok(self) -> Any:
        assert not self.is_error, self.text
        return self.data

    def refused(self, *expected: str) -> str:
        assert self.is_error, self.text
        for part in expected:
            assert part in self.text, self.text
        return self.text


@dataclass
class Connection:
    """A connected client. `questions` are the messages that its user was asked with."""

    client: Any
    questions: list[str] = field(default_factory=list)
    progress: list[tuple[float, str | None]] = field(default_factory=list)

    async def tools(self) -> dict[str, Any]:
        listed = await self.client.list_tools()
        return {tool.name: tool for tool in listed.tools}

    async def call(self, name: str, /, watch: bool = False, **arguments: Any) -> Result:
        async def note(done: float, total: float | None, message: str | None) -> None:
            self.progress.append((done, message))

        given = {"progress_callback": note} if watch else {}
        result = await self.client.call_tool(name, arguments, **given)
        is_error = result.is_error if IS_NEW else result.isError
        data = result.structured_content if IS_NEW else result.structuredContent
        text = "\n".join(block.text for block in result.content if block.type == "text")
        return Result(bool(is_error), text, data, dict(result.meta or {}))


@dataclass
class Target:
    """Where the server is, and what starts one on standard input and output."""

    url: str
    command: str
    environment: dict[str, str]


Answer = Callable[[str], tuple[str, dict[str, Any] | None]]


def yes(_: str) -> tuple[str, dict[str, Any] | None]:
    return "accept", {"confirm": True}


def no(_: str) -> tuple[str, dict[str, Any] | None]:
    return "decline", None


@asynccontextmanager
async def connect(way: str, target: Target, key: str, answer: Answer | None = None) -> AsyncIterator[Connection]:
    """Connects; `answer` is the user, `None` a client that cannot ask."""
    connection = Connection(None)

    async def ask(_context: Any, params: Any) -> Any:
        connection.questions.append(params.message)
        action, content = answer(params.message)
        return mcp.types.ElicitResult(action=action, content=content)

    callbacks = {"elicitation_callback": ask} if answer else {}
    parameters = StdioServerParameters(
        command=target.command, args=["--stdio"], env={**target.environment, "PYAIRTABLE_API_KEY": key}
    )
    headers = {"Authorization": f"Bearer {key}"}
    if IS_NEW:
        import httpx2
        from mcp.client.streamable_http import streamable_http_client

        mode = "legacy" if way.endswith("-legacy") else "auto"
        if way.startswith("http"):
            async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
                transport = streamable_http_client(target.url, http_client=http)
                async with mcp.Client(transport, mode=mode, **callbacks) as client:
                    connection.client = client
                    yield connection
        else:
            async with mcp.Client(parameters, mode=mode, **callbacks) as client:
                connection.client = client
                yield connection
    else:
        from mcp.client.streamable_http import streamablehttp_client

        streams = streamablehttp_client(target.url, headers=headers) if way == "http" else stdio_client(parameters)
        async with streams as (read, write, *_), mcp.ClientSession(read, write, **callbacks) as session:
            await session.initialize()
            connection.client = session
            yield connection


def run(work: Awaitable[Any]) -> Any:
    """Runs a test's coroutine, and gives up on a hang."""

    async def bounded() -> Any:
        return await asyncio.wait_for(work, 60)

    return asyncio.run(bounded())
