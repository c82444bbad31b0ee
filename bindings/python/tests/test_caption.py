"""The captioner as a whole, against a server that misbehaves in every way we know of.

OASSL_TOOL names the built `oassl` program: with it, the C side checks what is written here and must have the same prompt.
"""

import contextlib
import email.utils
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from oassl.caption.__main__ import main
from oassl.caption.client import base_url, public_url, retry_after
from oassl.caption.manifest import ManifestError, read_manifest
from oassl.caption.output import Output, OutputError
from oassl.caption.prompt import PACKAGED, Prompt, spell
from oassl.caption.run import Progress

sys.path.insert(0, str(Path(__file__).parent))
import bad_server as bad  # noqa: E402

TOOL = os.environ.get("OASSL_TOOL", "")
PACKAGE = str(Path(__file__).resolve().parents[1])
QUICK = ["--backoff", "0.01", "--max-wait", "1", "--timeout", "20", "--quiet"]


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.out, self.data = self.folder / "captions.jsonl", self.folder / "manifest.jsonl"
        self.server = bad.BadServer()
        self.addCleanup(self.server.stop)

    if not hasattr(unittest.TestCase, "enterContext"):  # before Python 3.11

        def enterContext(self, manager):
            value = manager.__enter__()
            self.addCleanup(manager.__exit__, None, None, None)
            return value

    def manifest(self, names, **labels):
        """A picture of each name; labels[name] if it is not one guitar."""
        lines = []
        for name in names:
            (self.folder / f"{name}.png").write_bytes(bad.picture(name))
            sounds = labels.get(name, ["guitar"])
            self.server.n_labels[name] = len(sounds)
            lines.append({"id": name, "image": f"{name}.png", "sources": [{"label": label} for label in sounds]})
        self.data.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def command(self, *options):
        return ["--data", str(self.data), "--out", str(self.out), "--server", self.server.url, *QUICK, *options]

    def run_main(self, *options, code=0, arguments=None):
        stdout, stderr = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            try:
                found = main(arguments or self.command(*options))
            except SystemExit as end:
                found = end.code
        self.text, self.errors = stdout.getvalue(), stderr.getvalue()
        self.assertEqual(found, code, self.text + self.errors)

    def captions(self):
        text = self.out.read_text(encoding="utf-8")
        self.assertTrue(text == "" or text.endswith("\n"))
        records = [json.loads(line) for line in text.splitlines()]
        found = {record["id"]: record for record in records}
        self.assertEqual(len(found), len(records), "an id was written twice")
        return found

    def report(self):
        return json.loads(Path(f"{self.out}.report.json").read_text(encoding="utf-8"))

    def n_asked(self, name):
        return len(self.server.requests[name])


class Healthy(Case):
    def test_record(self):
        self.manifest(["solo", "duet"], duet=["cello", "female speech, woman speaking"])
        self.run_main("--seed", "7", "--temperature", "0.5", "--revision", "abc")
        found = self.captions()
        self.assertEqual(list(found["duet"])[:4], ["id", "labels", "foreground", "background"])
        self.assertEqual(found["duet"]["labels"], ["cello", "female speech, woman speaking"])
        self.assertEqual(len(found["duet"]["foreground"]), 2)
        solo = found["solo"]
        self.assertEqual(solo["foreground"], "an image of solo playing instrument 1")
        self.assertEqual(solo["image_hash"], hashlib.sha256(bad.picture("solo")).hexdigest())
        self.assertEqual(solo["prompt_hash"], hashlib.sha256(PACKAGED.read_bytes()).hexdigest())
        self.assertEqual((solo["model"], solo["revision"]), ("test-model", "abc"))
        origin = solo["provenance"]
        self.assertEqual((origin["temperature"], origin["seed"], origin["attempts"]), (0.5, 7, 1))
        self.assertEqual(origin["server"], {"url": self.server.url, "owned_by": "vllm", "root": "weights/test-model",
                                            "software": "testsoft/1", "version": "0.6.1"})
        self.assertEqual(origin["system_fingerprint"], "fp_1")
        self.assertIn("2 of 2 pictures captioned (2 now)", self.text)
        request = self.server.requests["duet"][0]
        text = request["messages"][0]["content"][1]["text"]
        self.assertTrue(text.endswith("Number of labels: 2\nLabels: cello, female_speech_woman_speaking\n"), text[-200:])
        self.assertEqual((request["seed"], request["temperature"], request["model"]), (7, 0.5, "test-model"))
        self.assertNotIn("response_format", request)

    def test_mime_type_is_of_the_content(self):
        heads = {"jpeg": b"\xff\xd8\xff\xe0", "png": bad.PNG, "gif": b"GIF89a", "webp": b"RIFF\0\0\0\0WEBP", "bmp": b"BM" + bytes(30)}
        self.manifest(heads)
        for name, head in heads.items():
            (self.folder / f"{name}.png").write_bytes(bad.picture(name, head))
        self.run_main()
        for name in heads:
            url = self.server.requests[name][0]["messages"][0]["content"][0]["image_url"]["url"]
            self.assertTrue(url.startswith(f"data:image/{name};base64,"), url[:40])

    def test_concurrency_limit(self):
        self.manifest([f"p{i}" for i in range(24)])
        self.server.delay = 0.05
        self.run_main("--concurrency", "3")
        self.assertIn(self.server.most_active, (2, 3))  # 3 but on a machine that has no time

    def test_bad_pictures(self):
        self.manifest(["good", "gone", "empty", "text", "large"])
        (self.folder / "gone.png").unlink()
        (self.folder / "empty.png").write_bytes(b"")
        (self.folder / "text.png").write_bytes(b"<svg/>")
        (self.folder / "large.png").write_bytes(bad.PNG + bytes(21 << 20))
        self.run_main(code=1)
        self.assertEqual(set(self.captions()), {"good"})
        reasons = {failure["id"]: (failure["kind"], failure["reason"]) for failure in self.report()["failures"]}
        for name, part in (("gone", "No such file"), ("empty", "an empty file"), ("text", "expected JPEG"), ("large", "larger than")):
            self.assertEqual(reasons[name][0], "picture")
            self.assertIn(part, reasons[name][1])
            self.assertIn(f"  {name}: picture: ", self.text)

    def test_key_json_mode_and_secret_address(self):
        self.manifest(["a"])
        os.environ["TEST_CAPTION_KEY"] = "k3y"
        self.addCleanup(os.environ.pop, "TEST_CAPTION_KEY")
        url = self.server.url.replace("http://", "http://me:secret@") + "/v1"
        self.run_main("--json-mode", "--server", url)
        self.assertTrue(self.server.seen_headers[0]["Authorization"].startswith("Basic "))
        self.assertEqual(self.server.requests["a"][0]["response_format"], {"type": "json_object"})
        self.assertNotIn("secret", self.out.read_text() + self.text + self.errors)
        self.server.seen_headers.clear()
        self.out.unlink()
        self.run_main("--api-key-env", "TEST_CAPTION_KEY", "--server", url)
        self.assertEqual(self.server.seen_headers[0]["Authorization"], "Bearer k3y")


class Requests(Case):
    """Failures between us and the model: tried again until it works."""

    def survives(self, *behaviours, options=(), n=None):
        self.manifest(["a"])
        self.server.script["a"] = [*behaviours, bad.good()]
        start = time.monotonic()
        self.run_main(*options)
        self.assertEqual(self.n_asked("a"), (n or len(behaviours)) + 1)
        self.assertEqual(self.captions()["a"]["provenance"]["attempts"], 1)
        self.assertEqual(self.report()["http_retries"], n or len(behaviours))
        return time.monotonic() - start

    def test_errors_of_the_server(self):
        self.survives(*(bad.status(code) for code in (500, 502, 503, 504, 408, 429)))

    def test_retry_after(self):
        self.survives(bad.status(429, [("Retry-After", "0.6")]))
        first, second = self.server.times["a"]
        self.assertGreaterEqual(second - first, 0.6)

    def test_retry_after_holds_everybody(self):
        self.manifest(["a", "b", "c", "d"])
        self.server.script["a"] = [bad.status(503, [("Retry-After", "0.7")]), bad.good()]

        def slow(handler):
            time.sleep(0.3)
            handler.reply(bad.completion(bad.good()))

        self.server.script["b"] = [slow]
        self.run_main("--concurrency", "2")
        again = self.server.times["a"][1] - 0.1  # the three wake up together
        for name in "cd":
            self.assertGreaterEqual(self.server.times[name][0], again)

    def test_retry_after_is_bounded(self):
        seconds = self.survives(bad.status(429, [("Retry-After", "86400")]), options=["--max-wait", "0.2"])
        self.assertLess(seconds, 8)

    def test_no_response(self):
        self.survives(bad.hang(3), options=["--timeout", "1.5"])

    def test_dripping_response(self):
        self.assertLess(self.survives(bad.drip, options=["--timeout", "1.5"]), 8)  # it drips for 10 s

    def test_connections_that_break(self):
        self.survives(bad.disconnect, bad.reset, bad.no_http)

    def test_bodies_that_are_no_completion(self):
        self.survives(bad.body(b""), bad.body(b"<html>busy</html>"), bad.body(b'{"choices": []}'), bad.body(b'{"error": {"message": "x"}}'),
                      bad.body(b"[1]"), bad.body(b"\xff\xfe{"), bad.body(b'{"choices": [{"message": 3}]}'))

    def test_more_bodies(self):
        self.survives(bad.body(b"[" * 100000), {"choices": [{"message": {"content": {"a": 1}}}]},
                      bad.body(b"junk", [("Content-Encoding", "gzip")]), bad.huge_body)
        self.assertLess(self.server.n_chunks, 1000)

    def test_restarting_server(self):
        self.manifest([f"p{i}" for i in range(12)])

        def restart(handler):
            handler.close_connection = True
            import threading

            def again():
                self.server.stop()
                time.sleep(0.3)
                self.server.start()

            threading.Thread(target=again, daemon=True).start()

        self.server.script["p3"] = [restart, bad.good()]
        self.run_main("--concurrency", "2", "--backoff", "0.1")
        self.assertEqual(len(self.captions()), 12)

    def test_refused_picture(self):
        """The others are captioned; nothing is tried twice."""
        self.manifest(["a", "b"])
        self.server.script["a"] = [bad.status(400, body=b'{"error": {"message": "picture too large"}}')]
        self.run_main(code=1)
        self.assertEqual((self.n_asked("a"), set(self.captions())), (1, {"b"}))
        failure = self.report()["failures"][0]
        self.assertEqual((failure["kind"], failure["reason"]), ("server", "HTTP 400: picture too large"))
        self.server.script["a"] = [bad.good()]  # run again: only what is missing
        self.run_main()
        self.assertEqual((self.n_asked("a"), self.n_asked("b")), (2, 1))

    def test_retries_end(self):
        self.manifest(["a"])
        self.server.script["a"] = [bad.status(500)]
        self.run_main("--retries", "2", code=1)
        self.assertEqual(self.n_asked("a"), 3)
        self.assertIn("tried 3 times", self.text)

    def test_gives_up(self):
        names = [f"p{i}" for i in range(30)]
        self.manifest(names)
        for name in names[3:]:
            self.server.script[name] = [bad.status(500)]
        self.run_main("--retries", "0", "--give-up", "5", "--concurrency", "2", code=1)
        report = self.report()
        # a request under way beside the fifth failure may fail too before the run has stopped
        self.assertRegex(report["stopped"], r"^[56] pictures in a row")
        self.assertEqual((report["captioned_now"], report["pictures"]), (3, 30))
        self.assertEqual(report["failed"] + report["not_tried"], 27)
        self.assertEqual(len(self.captions()), 3)

    def test_scattered_failures_do_not_end_it(self):
        self.manifest([f"p{i}" for i in range(10)])
        for i in range(0, 10, 2):
            self.server.script[f"p{i}"] = [bad.status(500)]
        self.run_main("--retries", "0", "--give-up", "2", "--concurrency", "1", code=1)
        self.assertEqual((self.report()["failed"], self.report()["captioned_now"]), (5, 5))

    def test_wrong_key_ends_it(self):
        self.manifest([f"p{i}" for i in range(10)])
        for i in range(10):
            self.server.script[f"p{i}"] = [bad.status(401)]
        self.run_main("--concurrency", "1", code=1)
        self.assertIn("another API key", self.text)
        self.assertEqual(sum(map(len, self.server.requests.values())), 1)

    def test_models(self):
        self.manifest(["a"])
        self.server.models = ["x", "y"]
        self.run_main(code=1)
        self.assertIn("choose one with --model (there: x, y)", self.text)
        self.run_main("--model", "y")
        self.assertEqual(self.captions()["a"]["model"], "y")

    def test_server_without_list_of_models(self):
        self.manifest(["a"])
        self.server.models = self.server.version = None
        self.run_main(code=1)
        self.assertIn("/v1/models", self.text)
        self.run_main("--model", "m")
        self.assertEqual(self.captions()["a"]["model"], "m")

    def test_nobody_there(self):
        self.manifest(["a"])
        self.run_main("--server", "http://127.0.0.1:9", "--retries", "1", code=1)
        self.assertIn("stopped: http://127.0.0.1:9/v1/models", self.text)
        self.assertEqual(self.report()["not_tried"], 1)


class Answers(Case):
    """What the model says: mended, asked for again, given up."""

    def test_mended(self):
        names = ["fence", "prose", "again", "list", "keys", "one", "parts", "unicode"]
        self.manifest(names)
        text, value = bad.good(), json.loads(bad.good())
        unicode = {**value, "background": "an image of zwölf 🎻 und 二胡"}
        self.server.script = {
            "fence": [f"```json\n{text}\n```"],
            "prose": [f"Certainly! {text}\nLet me know."],
            "again": [f"{text}\n{text}"],
            "list": [json.dumps({**value, "background": ["an image of a sofa", "a lamp"]})],
            "keys": [json.dumps({**value, "sound": "twang"})],
            "one": [json.dumps({**value, "foreground": [value["foreground"]]})],
            "parts": [{"choices": [{"message": {"content": [{"type": "text", "text": text[:9]}, {"type": "text", "text": text[9:]}]}}]}],
            "unicode": [json.dumps(unicode, ensure_ascii=False)],
        }
        self.run_main()
        found = self.captions()
        for name in names:
            self.assertEqual(self.n_asked(name), 1, name)
            self.assertEqual(found[name]["foreground"], value["foreground"])
        self.assertEqual(found["fence"]["provenance"]["notes"], ["JSON was cut out of surrounding text"])
        self.assertEqual(found["list"]["background"], "an image of a sofa, a lamp")
        self.assertEqual(found["unicode"]["background"], unicode["background"])
        self.assertIn("🎻", self.out.read_text(encoding="utf-8"))

    def test_asked_again(self):
        value = json.loads(bad.good())
        answers = {
            "refusal": "I'm sorry, I can't see pictures.",
            "empty": "",
            "null": {"choices": [{"message": {"content": None}}]},
            "cut": bad.completion(bad.good()[:40], "length"),
            "wrong_k": bad.good(2),
            "missing": json.dumps({"foreground": value["foreground"]}),
            "number": json.dumps({**value, "foreground": 7}),
            "repeats": json.dumps({**value, "background": "an image of " + "a dog, " * 50}),
            "huge": bad.good() + "blah " * 10000,
            "several": bad.good() + bad.good(1, "else"),
            "surrogate": '{"foreground": "an image of \\ud83c", "background": "an image of b"} \ud83c',
            "deep": "[" * 3000,
        }
        self.manifest(answers)
        self.server.script = {name: [answer, bad.good()] for name, answer in answers.items()}
        self.run_main("--seed", "3")
        found = self.captions()
        for name in answers:
            self.assertEqual(self.n_asked(name), 2, name)
            self.assertEqual((found[name]["provenance"]["attempts"], found[name]["provenance"]["seed"]), (2, 4))
        first, second = (request["messages"] for request in self.server.requests["wrong_k"])
        self.assertEqual([message["role"] for message in second], ["user", "assistant", "user"])
        self.assertEqual(second[0], first[0])
        self.assertEqual(second[1]["content"], bad.good(2))
        self.assertIn('"foreground" has 2 sentences, expected 1', second[2]["content"])
        self.assertIn("cut off at 400 tokens", self.server.requests["cut"][1]["messages"][2]["content"])
        only = self.server.requests["empty"][1]["messages"]
        self.assertEqual(len(only), 1)
        self.assertIn("the answer is empty", only[0]["content"][1]["text"])

    def test_wrong_number_of_several(self):
        self.manifest(["trio"], trio=["cello", "drum", "flute"])
        self.server.script["trio"] = [bad.good(1), bad.good(2), bad.good(3)]
        self.run_main()
        self.assertEqual(len(self.captions()["trio"]["foreground"]), 3)

    def test_given_up(self):
        self.manifest(["a", "b"])
        self.server.script["a"] = ["no ünicode \ud800 JSON"]
        self.run_main("--attempts", "2", code=1)
        self.assertEqual((self.n_asked("a"), set(self.captions())), (2, {"b"}))
        failure = self.report()["failures"][0]
        self.assertEqual((failure["id"], failure["kind"], failure["attempts"]), ("a", "answer", 2))
        self.assertEqual(failure["last_answer"], "no ünicode ? JSON")
        self.assertIn("a: answer: there is no complete JSON object in the answer (2 answers)", self.text)

    def test_empty_background(self):
        self.manifest(["a"])
        self.server.script["a"] = [json.dumps({"foreground": "an image of a man", "background": ""})]
        self.run_main("--attempts", "1", code=1)
        self.run_main("--allow-empty-background")
        self.assertEqual(self.captions()["a"]["background"], "")


class Resuming(Case):
    def test_kill(self):
        """kill -9 in the middle, a torn line besides: nothing on the disk is asked for again."""
        names = [f"p{i}" for i in range(60)]
        self.manifest(names)
        self.server.delay = 0.1
        process = subprocess.Popen([sys.executable, "-m", "oassl.caption", *self.command("--concurrency", "3")], cwd=PACKAGE,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (self.out.exists() and self.out.read_bytes().count(b"\n") >= 8):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        self.assertEqual(process.wait(), -signal.SIGKILL)
        finished = [json.loads(line)["id"] for line in self.out.read_bytes().splitlines()]
        self.assertTrue(8 <= len(finished) < 60)
        with open(self.out, "ab") as file:
            file.write(b'{"id": "p59", "labels": ["gui')
        self.server.delay = 0
        self.run_main()
        self.assertIn("the last line was torn: 29 bytes taken off", self.errors)
        self.assertEqual(set(self.captions()), set(names))
        self.assertEqual({name: self.n_asked(name) for name in finished}, {name: 1 for name in finished})
        self.assertEqual(self.report()["captioned_before"], len(finished))

    def test_interrupt(self):
        self.manifest([f"p{i}" for i in range(200)])
        self.server.delay = 0.05
        process = subprocess.Popen([sys.executable, "-m", "oassl.caption", *self.command("--concurrency", "2")], cwd=PACKAGE,
                                   stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (self.out.exists() and self.out.read_bytes().count(b"\n") >= 2):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1)
        self.assertIn("stopped: interrupted", text)
        report = self.report()
        self.assertEqual(report["captioned_now"], len(self.captions()))
        self.assertEqual(report["captioned_now"] + report["not_tried"], 200)

    def test_nothing_left(self):
        self.manifest(["a"])
        self.run_main()
        before = self.out.read_bytes()
        self.server.stop()
        self.addCleanup(self.server.start)
        self.run_main()  # needs no server
        self.assertEqual(self.out.read_bytes(), before)

    def test_changed_labels_are_captioned_anew(self):
        self.manifest(["a", "b"])
        self.run_main()
        self.manifest(["a", "b"], a=["cello", "drum"])
        self.run_main()
        self.assertEqual((self.n_asked("a"), self.n_asked("b")), (2, 1))
        last = [json.loads(line) for line in self.out.read_text().splitlines()][-1]
        self.assertEqual((last["id"], last["labels"]), ("a", ["cello", "drum"]))

    def test_other_prompt_is_warned_of(self):
        self.manifest(["a", "b"])
        self.run_main("--limit", "1")
        own = self.folder / "own.txt"
        own.write_text("Labels: {labels}")
        self.run_main("--prompt", str(own))
        self.assertIn("1 captions", self.errors)
        self.assertEqual(self.captions()["b"]["prompt_hash"], hashlib.sha256(own.read_bytes()).hexdigest())

    def torn(self, tail, repaired):
        line = b'{"id": "a", "foreground": "x"}'
        self.out.write_bytes(line + tail)
        output = Output(self.out)
        self.assertIn(repaired, output.repaired)
        self.assertEqual(set(output.done), {"a"})
        output.append([b'{"id": "b"}\n'])
        output.close()
        self.assertEqual(self.out.read_bytes(), line + b'\n{"id": "b"}\n')

    def test_torn_lines(self):
        self.torn(b"\n", "")
        self.torn(b"", "end of the last line")
        for tail in (b"{", b'{"id', b'{"id": "b", "foreground": "an im', b'{"id": "\xc3', b"\0\0\0\0", b'{"id": "b\0\0'):
            self.torn(b"\n" + tail, "torn")

    def test_files_of_others_are_left_alone(self):
        self.manifest(["a"])
        for content in (b"my notes", b"my notes\n", b'{"id": "a"}\nnonsense\n{"id": "b"}\n', b"[1, 2]\n", b'{"id": 3}\n', b"\xff\xfe", b"[" * 9999 + b"\n"):
            self.out.write_bytes(content)
            self.run_main(code=2)
            self.assertIn("captions.jsonl:", self.errors)
            self.assertEqual(self.out.read_bytes(), content)

    def test_one_at_a_time(self):
        first = Output(self.out)
        with self.assertRaisesRegex(OutputError, "another captioner"):
            Output(self.out)
        first.close()
        Output(self.out).close()

    def test_full_disk(self):
        """A write that fails half way leaves whole lines."""
        output = Output(self.out)
        output.append([b'{"id": "a"}\n'])
        write = os.write
        calls = []

        def full(fd, data):
            if fd != output.fd:
                return write(fd, data)
            calls.append(data)
            if len(calls) > 1:
                raise OSError(28, "No space left on device")
            return write(fd, data[:5])

        os.write = full
        try:
            with self.assertRaisesRegex(OutputError, "No space left"):
                output.append([b'{"id": "b"}\n'])
        finally:
            os.write = write
        output.close()
        self.assertEqual(self.out.read_bytes(), b'{"id": "a"}\n')


class Terminal(io.StringIO):
    def isatty(self):
        return True


class ProgressLine(unittest.TestCase):
    def test_rate_and_time_left(self):
        terminal = Terminal()
        progress = Progress(1000, stream=terminal)
        start = progress.window[0][0]
        progress.done, progress.failed = 38, 2
        self.assertEqual(progress.text(start + 20), "40/1000 pictures, 2 failed, 2.00/s, 0:08:00 left")
        progress.done = 98
        self.assertIn(" 2.50/s, 0:06:00 left", progress.text(start + 40))
        progress.done = 148  # from here on the rate is that of the last minute
        self.assertIn(" 2.00/s, ", progress.text(start + 75))
        progress.show(last=True)
        self.assertRegex(terminal.getvalue(), r"^\r150/1000 pictures, 2 failed, .* left\x1b\[K\n$")

    def test_quiet_and_files(self):
        stream = io.StringIO()
        Progress(10, quiet=True, stream=stream).show(last=True)
        progress = Progress(10, stream=stream)
        progress.show()
        self.assertEqual(stream.getvalue(), "")  # not before 30 s
        progress.show(last=True)
        self.assertEqual(stream.getvalue(), "0/10 pictures, 0 failed, 0.00/s, ? left\n")


class Input(Case):
    def read(self, *records, split=None):
        self.data.write_text("".join(json.dumps(record) + "\n" for record in records))
        return read_manifest(self.data, split)

    def test_forms(self):
        pictures, skipped = self.read(
            {"id": "s", "image": "a/s.png", "sources": [{"label": "guitar", "box": [1, 2, 3, 4]}, {"label": "drum"}], "split": "train"},
            {"image": "l.png", "labels": ["cello"], "split": "train"}, {"id": "c", "image": "/abs/c.png", "label": "bell", "split": "train"},
            {"id": "m", "mix": ["s", "c"], "split": "train"}, {"audio": "x.wav", "split": "train"},
            {"id": "quiet", "image": "q.png", "sources": [], "split": "train"},
            {"id": "silent", "image": "q.png", "label": "drum", "playing": False, "split": "train"},
            {"id": "t", "image": "t.png", "label": "bell", "split": "test"}, split="train")
        self.assertEqual([(p.id, p.labels) for p in pictures], [("s", ("guitar", "drum")), ("l.png", ("cello",)), ("c", ("bell",))])
        self.assertEqual([str(p.path) for p in pictures], [f"{self.folder}/a/s.png", f"{self.folder}/l.png", "/abs/c.png"])
        self.assertEqual(sorted(map(sorted, skipped.values())), [["m"], ["quiet", "silent"], ["x.wav"]])

    def test_errors(self):
        good = {"id": "a", "image": "a.png", "label": "x"}
        for broken, text in (({"id": 3}, "'id'"), ({}, "'id'"), ({**good, "label": " "}, "'label'"), ({**good, "sources": 3}, "'sources'"),
                             ({**good, "sources": [{"label": 3}]}, "'sources'"), ({**good, "labels": "x"}, "'labels'"), (good, "already on line 1"),
                             ([], "JSON object"), ({**good, "id": "\ud800"}, "surrogates"), ({**good, "id": "b", "image": ""}, "'image'")):
            with self.assertRaises(ManifestError) as caught:
                self.read(good, broken)
            self.assertIn(":2: ", str(caught.exception))
            self.assertIn(text, str(caught.exception))
        for line in (b"{", b"\xff", b"[" * 100000):
            self.data.write_bytes(line)
            with self.assertRaises(ManifestError):
                read_manifest(self.data)

    def test_exit_codes(self):
        self.manifest(["a"])
        self.run_main("--split", "none", code=2)
        self.assertIn("nothing to caption in split 'none'", self.errors)
        self.run_main("--data", "/nonexistent", code=2)
        self.assertIn("/nonexistent: No such file", self.errors)
        self.run_main("--server", "localhost:8000", code=2)
        self.run_main("--concurrency", "0", code=2)
        self.run_main("--out", str(self.folder / "no" / "folder"), code=2)
        self.run_main("--api-key-env", "NOT_SET_ANYWHERE", code=2)
        self.run_main(arguments=["--data", str(self.data)], code=2)
        self.run_main(arguments=["--help"])
        self.assertIn("example:\n", self.text)

    def test_dry_run(self):
        self.manifest(["a", "b"], b=["cello", "drum kit"])
        self.run_main(arguments=["--data", str(self.data), "--dry-run"])
        self.assertIn("Labels: cello, drum_kit", self.text)
        self.assertIn("---- a: ", self.text)
        self.assertEqual(sum(map(len, self.server.requests.values())), 0)
        torn = b'{"id": "a", "labels": ["guitar"]}\n{"id'
        self.out.write_bytes(torn)
        self.run_main("--dry-run")
        self.assertNotIn("---- a: ", self.text)
        self.assertEqual(self.out.read_bytes(), torn)

    def test_small_things(self):
        self.assertEqual(spell("female speech, woman speaking"), "female_speech_woman_speaking")
        self.assertEqual(spell(" horse clip-clop "), "horse_clip-clop")
        for url in ("http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/chat/completions"):
            self.assertEqual(base_url(url), "http://h:1")
        for url in ("", "h:1", "ftp://h", "http://", "http://h:x", "http://h:99999"):
            with self.assertRaises(ValueError):
                base_url(url)
        self.assertEqual(public_url("https://u:p@h:1/x"), "https://h:1/x")
        self.assertEqual(retry_after("3"), 3)
        self.assertEqual(retry_after(email.utils.formatdate(1000, usegmt=True), now=990), 10)
        self.assertEqual(retry_after(email.utils.formatdate(1000, usegmt=True), now=2000), 0)
        for value in (None, "", "soon", "nan"):
            self.assertIsNone(retry_after(value))
        self.assertEqual(retry_after("-5"), 0)

    def test_prompt_asks_for_everything(self):
        text = Prompt().text
        for part in ("{labels}", "{count}", "an image of", "foreground", "background", "visible", "Example 1", "Example 2", "Example 3", "JSON"):
            self.assertIn(part, text)
        for line in text.splitlines():
            if line.startswith('{"foreground"'):
                json.loads(line)


@unittest.skipUnless(TOOL and os.access(TOOL, os.X_OK), "OASSL_TOOL does not name the built oassl program")
class WithTool(Case):
    def tool(self, *arguments):
        return subprocess.run([TOOL, *arguments], capture_output=True, text=True)

    def test_c_side_accepts_what_is_written(self):
        self.manifest(["a", "b"], b=["cello", "drum"])
        self.server.script["a"] = [f"```\n{bad.good()}\n```"]
        self.run_main()
        checked = self.tool("captions", "check", "--captions", str(self.out))
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.assertIn("2 captions with 5 sentences, 0 errors, 0 warnings", checked.stdout)

    def test_same_prompt(self):
        help_text = self.tool("captions", "prompt", "--help")
        if help_text.returncode != 0:
            self.skipTest("this oassl has no `captions prompt`")
        hashed = self.tool("captions", "prompt", "--labels", "cello", "--hash")
        self.assertEqual(hashed.stdout.strip(), Prompt().hash, hashed.stderr)
        printed = self.tool("captions", "prompt", "--labels", "cello,drum kit")
        self.assertEqual(printed.stdout, Prompt().render(["cello", "drum kit"]), printed.stderr)


if __name__ == "__main__":
    unittest.main()
