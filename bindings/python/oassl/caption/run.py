"""Captions a list of pictures: asks, checks, asks again, writes, and says in the end what could not be done and why."""

import asyncio
import base64
import collections
import datetime
import hashlib
import sys
import time
from dataclasses import dataclass

from .. import __version__
from .answer import BadAnswer, read_answer
from .client import Fatal, ServerError
from .output import encode_line
from .prompt import correction

QUOTED = 2000  # characters of a bad answer that are kept


@dataclass
class Settings:
    model: str
    revision: str = ""
    temperature: float = 0.0
    seed: int = 0
    max_tokens: int = 400
    attempts: int = 3  # answers asked for before a picture is given up
    allow_empty_background: bool = False
    json_mode: bool = False
    max_image_bytes: int = 20 << 20


class Failed(Exception):
    """One picture cannot be captioned.  kind: "picture", "answer" or "server"."""

    def __init__(self, kind, reason, attempts=0, answer=None):
        super().__init__(reason)
        self.kind, self.attempts, self.answer = kind, attempts, answer


def mime_type(content):
    """By what the bytes are, whatever the file is called; None for no picture."""
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if content[:6] in (b"GIF87a", b"GIF89a"):
        return "image/gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    if content[:2] == b"BM" and len(content) > 26:
        return "image/bmp"
    return None


def read_picture(path, max_bytes):
    """(data URL, SHA-256 of the file)."""
    try:
        with open(path, "rb") as file:
            content = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise Failed("picture", f"{path}: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > max_bytes:
        raise Failed("picture", f"{path}: larger than {max_bytes} bytes")
    mime = mime_type(content)
    if not mime:
        raise Failed("picture", f"{path}: expected JPEG, PNG, GIF, WebP or BMP, found "
                     + (f"bytes {content[:8].hex()}" if content else "an empty file"))
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}", hashlib.sha256(content).hexdigest()


class Captioner:
    def __init__(self, client, prompt, settings, about=None):
        self.client, self.prompt, self.settings, self.about = client, prompt, settings, about or {}

    def _payload(self, messages, seed):
        s = self.settings
        payload = {"model": s.model, "messages": messages, "temperature": s.temperature, "seed": seed,
                   "max_tokens": s.max_tokens, "stream": False}
        if s.json_mode:
            payload["response_format"] = {"type": "json_object"}
        return payload

    def _messages(self, text, url, answer, defects, n_labels):
        """The first question, or the question with its bad answer and what is wrong with it."""
        again = correction(defects, n_labels) if defects else ""
        if again and not answer:  # chat templates want turns to alternate and be filled
            text, again = f"{text}\n{again}", ""
        question = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}]
        messages = [{"role": "user", "content": question}]
        if again:
            messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": again}]
        return messages

    async def caption(self, picture):
        """The caption file's record of one picture; raises Failed, or Fatal when going on is useless."""
        s, n_labels = self.settings, len(picture.labels)
        url, image_hash = await asyncio.to_thread(read_picture, picture.path, s.max_image_bytes)
        text, answer, defects = self.prompt.render(picture.labels), "", []
        for attempt in range(s.attempts):
            seed = s.seed + attempt  # the same question with the same seed gets the same answer
            try:
                reply = await self.client.chat(
                    self._payload(self._messages(text, url, answer, defects, n_labels), seed))
            except ServerError as error:
                raise Failed("server", str(error), attempt, answer or None) from None
            answer = reply.text.strip()[:QUOTED].encode("utf-8", "replace").decode("utf-8")
            try:
                caption = read_answer(reply.text, n_labels, s.allow_empty_background)
            except BadAnswer as error:
                defects = error.defects
                if reply.cut_off:
                    defects.append(f"the answer was cut off at {s.max_tokens} tokens")
                continue
            return self._record(picture, caption, reply, image_hash, seed, attempt + 1)
        raise Failed("answer", "; ".join(defects), s.attempts, answer)

    def _record(self, picture, caption, reply, image_hash, seed, attempts):
        s = self.settings
        provenance = {"captioner": f"oassl {__version__}", "server": self.about, "temperature": s.temperature,
                      "seed": seed, "max_tokens": s.max_tokens, "attempts": attempts,
                      "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")}
        for key, value in (("answered_model", reply.model), ("system_fingerprint", reply.fingerprint),
                           ("notes", caption.notes)):
            if value and value != s.model:
                provenance[key] = value
        return {"id": picture.id, "labels": list(picture.labels),
                "foreground": caption.foreground[0] if len(caption.foreground) == 1 else caption.foreground,
                "background": caption.background, "model": s.model, "revision": s.revision,
                "prompt_hash": self.prompt.hash, "image_hash": image_hash, "provenance": provenance}


# ---- progress -------------------------------------------------------------------------------------------------------


def clock(seconds):
    seconds = int(seconds)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"


class Progress:
    """A line on stderr: rewritten on a terminal, a new one every 30 s elsewhere."""

    def __init__(self, total, quiet=False, stream=None):
        self.total, self.done, self.failed, self.quiet = total, 0, 0, quiet
        self.stream = stream or sys.stderr
        self.live = self.stream.isatty()
        self.window = collections.deque([(time.monotonic(), 0)])  # (when, how many) of the last minute
        self.said = time.monotonic()

    def text(self, now):
        finished = self.done + self.failed
        self.window.append((now, finished))
        while len(self.window) > 2 and now - self.window[0][0] > 60:
            self.window.popleft()
        elapsed = now - self.window[0][0]
        rate = (finished - self.window[0][1]) / elapsed if elapsed > 0 else 0
        left = clock((self.total - finished) / rate) if rate > 0 else "?"
        return f"{finished}/{self.total} pictures, {self.failed} failed, {rate:.2f}/s, {left} left"

    def show(self, last=False):
        now = time.monotonic()
        if self.quiet or not (last or now - self.said >= (0.5 if self.live else 30)):
            return
        self.said = now
        line = self.text(now)
        self.stream.write(f"\r{line}\x1b[K" + ("\n" if last else "") if self.live else line + "\n")
        self.stream.flush()


# ---- the run --------------------------------------------------------------------------------------------------------


class Run:
    """`failures` and `stopped` (why it ended early, or "") are filled while caption_all() works."""

    def __init__(self, captioner, output, progress, concurrency=8, give_up=20):
        self.captioner, self.output, self.progress = captioner, output, progress
        self.concurrency, self.give_up = concurrency, give_up
        self.failures, self.stopped = [], ""
        self.server_failures = 0  # in a row, over all workers

    def _failed(self, picture, error):
        self.progress.failed += 1
        failure = {"id": picture.id, "image": str(picture.path), "labels": list(picture.labels), "kind": error.kind,
                   "reason": str(error), "attempts": error.attempts}
        if error.answer is not None:
            failure["last_answer"] = error.answer
        self.failures.append(failure)
        self.server_failures += error.kind == "server"
        if self.server_failures >= self.give_up:
            raise Fatal(f"{self.server_failures} pictures in a row failed at the server; the last: {error}")

    async def _work(self, pictures, results):
        for picture in pictures:  # one iterator, shared by all workers
            try:
                record = await self.captioner.caption(picture)
                self.server_failures = 0
                await results.put(encode_line(record))
            except Failed as error:
                self._failed(picture, error)
            self.progress.show()

    async def _write(self, results):
        """Everything that has come meanwhile goes to the disk at once; None ends it."""
        ended = False
        while not ended:
            lines = [await results.get()]
            while not results.empty():
                lines.append(results.get_nowait())
            if None in lines:
                ended = True
                lines.remove(None)
            if lines:
                await asyncio.to_thread(self.output.append, lines)
                self.progress.done += len(lines)
                self.progress.show()

    async def _tick(self):
        while True:
            await asyncio.sleep(0.5)
            self.progress.show()

    async def caption_all(self, pictures, stop):
        """Until all are done, `stop` (an asyncio.Event) is set, or something fatal happens."""
        results, source = asyncio.Queue(maxsize=256), iter(pictures)
        writer, ticker = asyncio.create_task(self._write(results)), asyncio.create_task(self._tick())
        stopping = asyncio.create_task(stop.wait())
        workers = {asyncio.create_task(self._work(source, results)) for _ in range(self.concurrency)}
        try:
            pending = set(workers)
            while pending and not self.stopped:
                finished, _ = await asyncio.wait(pending | {stopping, writer}, return_when=asyncio.FIRST_COMPLETED)
                pending -= finished
                if stopping in finished:
                    self.stopped = "interrupted"
                for task in finished - {stopping}:
                    if isinstance(task.exception(), Fatal):
                        self.stopped = self.stopped or str(task.exception())
                    else:
                        task.result()
        finally:
            for task in workers | {ticker, stopping}:
                task.cancel()
            await asyncio.gather(*workers, ticker, stopping, return_exceptions=True)
            if not writer.done():
                await results.put(None)
            await writer
            self.progress.show(last=True)
