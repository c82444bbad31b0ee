"""An OpenAI-compatible server for tests that misbehaves as told.

A picture made by picture(name) carries its name; `script[name]` is a list of behaviours, one a request, the last one for
all further requests.  A behaviour is a text (the model's answer), a dict (the whole response), or a function of the
request handler that does what it likes.  Without a script a good answer is given.
"""

import base64
import collections
import json
import re
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PNG = b"\x89PNG\r\n\x1a\n"


def picture(name, head=PNG):
    return head + b"name=" + name.encode() + b";"


def good(n_labels=1, who="someone"):
    sentences = [f"an image of {who} playing instrument {i + 1}" for i in range(n_labels)]
    return json.dumps({"foreground": sentences[0] if n_labels == 1 else sentences, "background": "an image of a sofa and a lamp"})


def completion(text, finish="stop"):
    return {"id": "x", "object": "chat.completion", "model": "test-model", "system_fingerprint": "fp_1",
            "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}]}


# ---- behaviours -----------------------------------------------------------------------------------------------------


def status(code, headers=(), body=b'{"error": {"message": "told to fail"}}'):
    def behave(handler):
        handler.send_response(code)
        for name, value in headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def body(content, headers=()):
    return status(200, headers, content)


def hang(seconds):
    def behave(handler):
        time.sleep(seconds)
        handler.close_connection = True

    return behave


def drip(handler):
    """A byte now and then: every read succeeds, the whole never ends."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    try:
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.1)
    except OSError:
        pass
    handler.close_connection = True


def disconnect(handler):
    """Closes in the middle of the body."""
    content = json.dumps(completion(good())).encode()
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.wfile.flush()
    handler.close_connection = True


def reset(handler):
    """Nothing but a TCP reset."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.shutdown(socket.SHUT_RD)
    handler.wfile.close()
    handler.connection.close()
    handler.close_connection = True


def no_http(handler):
    handler.wfile.write(b"220 smtp.example ready\r\n")
    handler.close_connection = True


def huge_body(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", str(1 << 33))
    handler.end_headers()
    try:
        for _ in range(1024):
            handler.wfile.write(b"x" * 65536)
            handler.server.owner.n_chunks += 1
    except OSError:
        pass
    handler.close_connection = True


# ---- the server -----------------------------------------------------------------------------------------------------


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def version_string(self):
        return "testsoft/1"

    def log_message(self, *args):
        pass

    def handle(self):
        try:
            super().handle()
        except (OSError, ValueError):
            pass  # the client went away, or reset() closed the files

    def finish(self):
        try:
            super().finish()
        except (OSError, ValueError):
            pass

    def reply(self, value):
        content = json.dumps(value).encode()
        body(content, [("Content-Type", "application/json")])(self)

    def do_GET(self):
        owner = self.server.owner
        owner.seen_headers.append(dict(self.headers))
        if self.path == "/v1/models" and owner.models is not None:
            if callable(owner.models):
                return owner.models(self)
            return self.reply({"object": "list", "data": [
                {"id": name, "object": "model", "owned_by": "vllm", "root": "weights/" + name} for name in owner.models]})
        if self.path == "/version" and owner.version:
            return self.reply({"version": owner.version})
        status(404)(self)

    def do_POST(self):
        owner = self.server.owner
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        url = request["messages"][0]["content"][0]["image_url"]["url"]
        content = base64.b64decode(url.partition(",")[2])
        name = re.search(rb"name=(.*?);", content).group(1).decode()
        with owner.lock:
            number = len(owner.requests[name])
            owner.requests[name].append(request)
            owner.times[name].append(time.monotonic())
            owner.active += 1
            owner.most_active = max(owner.most_active, owner.active)
        try:
            if owner.delay:
                time.sleep(owner.delay)
            steps = owner.script.get(name)
            step = steps[min(number, len(steps) - 1)] if steps else good(owner.n_labels.get(name, 1), name)
            if callable(step):
                step(self)
            else:
                self.reply(completion(step) if isinstance(step, str) else step)
        finally:
            with owner.lock:
                owner.active -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request, address):
        pass  # clients of these tests go away in the middle


class BadServer:
    def __init__(self):
        self.script, self.n_labels = {}, {}
        self.models, self.version, self.delay = ["test-model"], "0.6.1", 0
        self.requests, self.times = collections.defaultdict(list), collections.defaultdict(list)
        self.seen_headers, self.lock, self.active, self.most_active, self.n_chunks = [], threading.Lock(), 0, 0, 0
        self.port = 0
        self.start()

    def start(self):
        self.server = _Server(("127.0.0.1", self.port), _Handler)
        self.server.owner = self
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"
