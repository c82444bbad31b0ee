"""Talks to an OpenAI-compatible server: every request is retried with growing, jittered waits, and heeds Retry-After."""

import asyncio
import email.utils
import json
import random
import time
import urllib.parse
from dataclasses import dataclass

MAX_BODY = 4 << 20  # bytes of a response that are read
FATAL = {401: "the server wants another API key", 403: "the server forbids it", 404: "no such address or model"}
PASSING = {408, 409, 425, 429}  # and 5xx: worth another try


class ServerError(Exception):
    """No answer to this request, whatever was tried."""


class Fatal(Exception):
    """No request will be answered: the run cannot go on."""


class _Retry(Exception):
    """The attempt failed; `wait` is what the server asked for in seconds, or None."""

    def __init__(self, reason, wait=None):
        super().__init__(reason)
        self.wait = wait


@dataclass
class Limits:
    concurrency: int = 8
    retries: int = 8  # after the first attempt
    timeout: float = 120  # seconds for a whole response
    connect_timeout: float = 10
    backoff: float = 0.5  # seconds before the first retry; doubles
    max_wait: float = 60  # of one wait, Retry-After included


@dataclass
class Reply:
    text: str
    cut_off: bool  # it reached max_tokens
    model: str  # as the response calls it
    fingerprint: str


def base_url(server):
    """"http://host:8000" from that, or from it with /v1 or the whole address."""
    url = server.strip().rstrip("/")
    for ending in ("/chat/completions", "/v1"):
        if url.endswith(ending):
            url = url[: -len(ending)].rstrip("/")
    try:
        parts = urllib.parse.urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0  # .port raises too
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"server '{server}': expected an address such as http://localhost:8000")
    return url


def public_url(url):
    """Without a user and password: fit to be recorded and printed."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def retry_after(value, now=None):
    """Seconds from a Retry-After header: a number or a date; None when absent or unreadable."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = email.utils.parsedate_to_datetime(value)
            seconds = when.timestamp() - (time.time() if now is None else now)
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if seconds == seconds else None


def _message(body):
    """The server's own words about a failure."""
    try:
        error = json.loads(body)
        for key in ("error", "detail", "message"):
            if isinstance(error, dict) and key in error:
                error = error[key]
        text = error.get("message") if isinstance(error, dict) else error
        text = text if isinstance(text, str) else json.dumps(error)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace")
    text = " ".join(text.split())
    return f": {text[:200]}" if text else ""


def _reply(body):
    """The answer inside a chat completion."""
    try:
        response = json.loads(body)
        choice = response["choices"][0]
        content = choice["message"]["content"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise _Retry("the response is no chat completion" + _message(body)) from None
    if isinstance(content, list):  # parts
        content = "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    if content is not None and not isinstance(content, str):
        raise _Retry("the response's content is no text")
    known = {key: value if isinstance(value, str) else "" for key, value in response.items()}
    return Reply(content or "", choice.get("finish_reason") == "length", known.get("model", ""),
                 known.get("system_fingerprint", ""))


class Client:
    """`async with Client(...) as client`; any number of tasks may call chat()."""

    def __init__(self, server, limits=None, api_key=None):
        import httpx  # here: the rest of the package works without

        self.httpx = httpx
        self.name = public_url(base_url(server))  # for people and records: without password
        self.base = self.name if api_key else base_url(server)  # httpx would prefer the address's to the key
        self.limits = limits or Limits()
        self.n_retries = 0
        self._resume_at = 0.0  # nobody asks before: the server said Retry-After
        self._random = random.Random()
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        n = self.limits.concurrency
        self.http = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(self.limits.timeout, connect=self.limits.connect_timeout, pool=None),
            limits=httpx.Limits(max_connections=n, max_keepalive_connections=n),
        )

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.http.aclose()

    async def _attempt(self, method, path, payload):
        """(status, headers, body) of one request."""
        async with self.http.stream(method, self.base + path, json=payload) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY:
                    raise _Retry(f"the response is longer than {MAX_BODY} bytes")
            return response.status_code, response.headers, bytes(body)

    async def _once(self, method, path, payload):
        httpx = self.httpx
        try:
            # httpx's own limit is for each read: a server that drips would be waited for without end.
            status, headers, body = await asyncio.wait_for(self._attempt(method, path, payload), self.limits.timeout)
        except (asyncio.TimeoutError, httpx.TimeoutException):
            raise _Retry(f"no response within {self.limits.timeout:g} s") from None
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise _Retry(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise Fatal(f"{self.name}{path}: {error}") from None
        if status == 200:
            return headers, body
        reason = f"HTTP {status}{_message(body)}"
        if status in PASSING or status >= 500:
            raise _Retry(reason, retry_after(headers.get("retry-after")))
        if status in FATAL or 300 <= status < 400:
            raise Fatal(f"{self.name}{path}: {reason} ({FATAL.get(status, 'the server sends elsewhere')})")
        raise ServerError(reason)

    def _wait(self, failures, asked):
        """Half fixed, half random, so that tasks that failed together do not come back together."""
        longest = self.limits.max_wait
        step = min(longest, self.limits.backoff * 2 ** min(failures - 1, 30))
        jittered = step * self._random.uniform(0.5, 1)
        return jittered if asked is None else min(longest, asked) + min(jittered, 1)

    async def _request(self, method, path, payload=None, read=lambda headers, body: body):
        failures = 0
        while True:
            while (pause := self._resume_at - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            try:
                headers, body = await self._once(method, path, payload)
                return read(headers, body)
            except _Retry as error:
                failures += 1
                if failures > self.limits.retries:
                    raise ServerError(f"{error} (tried {failures} times)") from None
                wait = self._wait(failures, error.wait)
                if error.wait is not None:
                    self._resume_at = max(self._resume_at, time.monotonic() + min(self.limits.max_wait, error.wait))
            self.n_retries += 1
            await asyncio.sleep(wait)

    async def chat(self, payload):
        """The Reply to a chat completion request; ServerError or Fatal."""
        return await self._request("POST", "/v1/chat/completions", payload, lambda headers, body: _reply(body))

    async def describe(self, model=None):
        """(model, {"owned_by", "version", ...}): what the server says of itself, as far as it does.

        Without `model`, the only one the server has.
        """
        try:
            headers, body = await self._request("GET", "/v1/models", read=lambda headers, body: (headers, body))
            entries = json.loads(body)["data"]
            entries = {entry["id"]: entry for entry in entries if isinstance(entry["id"], str)}
        except (ServerError, Fatal, ValueError, LookupError, TypeError) as error:
            if model is None or isinstance(error, ServerError):
                why = error if isinstance(error, (ServerError, Fatal)) else "no list of models in the response"
                raise Fatal(f"{self.name}/v1/models: {why}") from None
            headers, entries = {}, {}
        if model is None:
            if len(entries) != 1:
                names = ", ".join(sorted(entries)) or "none"
                raise Fatal(f"{self.name} has {len(entries)} models: choose one with --model (there: {names})")
            model = next(iter(entries))
        entry = entries.get(model, {})
        about = {key: entry[key] for key in ("owned_by", "root", "created") if isinstance(entry.get(key), (str, int))}
        if headers.get("server"):
            about["software"] = headers["server"]
        version = await self._version()
        if version:
            about["version"] = version
        return model, about

    async def _version(self):
        """vLLM tells its version at /version, llama.cpp at /props; others nowhere."""
        for path, key in (("/version", "version"), ("/props", "build_info")):
            try:
                _, body = await self._once("GET", path, None)
                version = json.loads(body).get(key)
            except (_Retry, ServerError, Fatal, ValueError, AttributeError, RecursionError):
                continue
            if isinstance(version, str) and version:
                return version[:100]
        return None
