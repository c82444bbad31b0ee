"""python -m oassl.caption"""

import argparse
import asyncio
import os
import signal
import sys
from dataclasses import asdict

from .client import Client, Fatal, Limits, base_url
from .manifest import ManifestError, read_manifest
from .output import Output, OutputError, scan, write_atomically
from .prompt import Prompt
from .report import build_report, report_json, report_text
from .run import Captioner, Progress, Run, Settings

DESCRIPTION = """\
Captions the pictures of a manifest with a multimodal language model behind any OpenAI-compatible server (vLLM,
llama.cpp, ...): what in each picture makes the labelled sounds (foreground), and what stays silent (background).
Writes JSON Lines as `oassl captions check` and `encode` read them, with provenance. Run again, it goes on where it was
stopped or killed."""

EPILOG = """\
exit codes: 0 every picture has its caption, 1 some have not (the report says which and why) or the server or the
disk failed, 2 wrong use or wrong input

example:
  vllm serve OpenGVLab/InternVL2-8B --trust-remote-code &
  python -m oassl.caption --data data/manifest.jsonl --split train --out data/captions.jsonl \\
      --server http://localhost:8000
  oassl captions check --captions data/captions.jsonl"""


def number(convert, low, high=float("inf")):
    def parse(text):
        value = convert(text)
        if not low <= value <= high:
            raise ValueError
        return value

    parse.__name__ = f"number from {low}" + ("" if high == float("inf") else f" to {high}")
    return parse


def parser():
    limits, settings = Limits(), Settings("")
    p = argparse.ArgumentParser("python -m oassl.caption", description=DESCRIPTION, epilog=EPILOG,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    g = p.add_argument_group("what")
    g.add_argument("--data", required=True, metavar="F", help="manifest (JSON Lines: id, image, sources or labels)")
    g.add_argument("--split", metavar="S", help="only records of this split")
    g.add_argument("--limit", type=number(int, 1), metavar="N", help="only the first N pictures")
    g.add_argument("--out", metavar="F", help="caption file, appended to")
    g.add_argument("--report", metavar="F", help="report as JSON [OUT.report.json]")
    g.add_argument("--prompt", metavar="F", help="a prompt of your own with {labels} in it [the packaged one]")
    g.add_argument("--dry-run", action="store_true", help="print the prompts of what is to be done, send nothing")
    g = p.add_argument_group("model")
    g.add_argument("--server", metavar="URL", help="e.g. http://localhost:8000")
    g.add_argument("--model", metavar="M", help="as the server calls it [the only one it has]")
    g.add_argument("--revision", default="", metavar="R", help="of the model's weights, only recorded")
    g.add_argument("--temperature", type=number(float, 0, 10), default=settings.temperature, metavar="T", help="[%(default)s]")
    g.add_argument("--seed", type=number(int, 0, 2**62), default=settings.seed, metavar="N", help="plus one for each new question [%(default)s]")
    g.add_argument("--max-tokens", type=number(int, 1), default=settings.max_tokens, metavar="N", help="of an answer [%(default)s]")
    g.add_argument("--json-mode", action="store_true", help="ask the server to let only JSON be generated")
    g.add_argument("--api-key-env", metavar="VAR", help="environment variable that holds the server's API key")
    g = p.add_argument_group("answers")
    g.add_argument("--attempts", type=number(int, 1), default=settings.attempts, metavar="N",
                   help="answers asked for until one is good [%(default)s]")
    g.add_argument("--allow-empty-background", action="store_true", help="a missing background is no defect")
    g = p.add_argument_group("requests")
    g.add_argument("--concurrency", type=number(int, 1, 1024), default=limits.concurrency, metavar="N", help="at once [%(default)s]")
    g.add_argument("--retries", type=number(int, 0), default=limits.retries, metavar="N",
                   help="of a request that fails, with doubling waits [%(default)s]")
    g.add_argument("--timeout", type=number(float, 0.01), default=limits.timeout, metavar="S", help="seconds for a response [%(default)g]")
    g.add_argument("--backoff", type=number(float, 0), default=limits.backoff, metavar="S", help="first wait [%(default)g]")
    g.add_argument("--max-wait", type=number(float, 0), default=limits.max_wait, metavar="S",
                   help="longest wait, Retry-After included [%(default)g]")
    g.add_argument("--give-up", type=number(int, 1), default=20, metavar="N",
                   help="stop after N pictures in a row failed at the server [%(default)s]")
    p.add_argument("--quiet", action="store_true", help="no progress")
    return p


def complain(text):
    if isinstance(text, OSError) and text.filename:
        text = f"{text.filename}: {text.strerror}"
    print(f"oassl.caption: {text}".encode("utf-8", "backslashreplace").decode(), file=sys.stderr)


def is_done(picture, made):
    """A caption of other labels than the manifest's is made anew; the later line counts."""
    return made is not None and made.labels in (None, picture.labels)


def dry_run(pictures, prompt, done):
    for picture in pictures:
        if is_done(picture, done.get(picture.id)):
            continue
        print(f"---- {picture.id}: {picture.path} (prompt {prompt.hash[:12]})\n{prompt.render(picture.labels)}")
    sys.stdout.flush()
    return 0


def warn_of_mixture(output, args, prompt):
    for what, mine in (("prompt_hash", prompt.hash), ("model", args.model), ("revision", args.revision)):
        n = sum(getattr(made, what) not in (None, mine) for made in output.done.values())
        if n:
            complain(f"warning: {n} captions in {args.out} are of another {what}; they are kept")


async def unless(stop, coroutine):
    """What the coroutine returns; Fatal if `stop` is set before."""
    task, stopping = asyncio.create_task(coroutine), asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise Fatal("interrupted")
    return task.result()


async def work(args, pictures, skipped, prompt, output):
    api_key = os.environ.get(args.api_key_env) if args.api_key_env else None
    limits = Limits(args.concurrency, args.retries, args.timeout, min(Limits.connect_timeout, args.timeout), args.backoff, args.max_wait)
    settings = Settings(args.model or "", args.revision, args.temperature, args.seed, args.max_tokens, args.attempts,
                        args.allow_empty_background, args.json_mode)
    todo = [picture for picture in pictures if not is_done(picture, output.done.get(picture.id))]
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def interrupt():
        stop.set()
        for name in (signal.SIGINT, signal.SIGTERM):  # a second one ends it at once
            loop.remove_signal_handler(name)

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, interrupt)
    async with Client(args.server, limits, api_key) as client:
        captioner = Captioner(client, prompt, settings)
        run = Run(captioner, output, Progress(len(todo), args.quiet), args.concurrency, args.give_up)
        try:
            if todo:
                settings.model, about = await unless(stop, client.describe(args.model))
                captioner.about = {"url": client.name, **about}
                args.model = settings.model
                warn_of_mixture(output, args, prompt)
                await run.caption_all(todo, stop)
        except Fatal as error:
            run.stopped = str(error)
        described = {**asdict(settings), "server": captioner.about, "prompt_hash": prompt.hash}
        return build_report(run, args.out, pictures, len(pictures) - len(todo), skipped, described, client.n_retries)


def prepare(args):
    """Everything that can be wrong with the command line and the manifest."""
    pictures, skipped = read_manifest(args.data, args.split)
    if not pictures:
        raise ValueError(f"{args.data}: nothing to caption" + (f" in split '{args.split}'" if args.split else "")
                         + "".join(f"; {len(ids)} records: {reason}" for reason, ids in skipped.items()))
    pictures = pictures[: args.limit]
    if args.dry_run:
        return pictures, skipped, Prompt(args.prompt)
    for option in ("out", "server"):
        if not getattr(args, option):
            raise ValueError(f"--{option} is required (or --dry-run)")
    base_url(args.server)
    if args.api_key_env and not os.environ.get(args.api_key_env):
        raise ValueError(f"--api-key-env: the environment has no {args.api_key_env}")
    return pictures, skipped, Prompt(args.prompt)


def main(argv=None):
    args = parser().parse_args(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # labels a terminal cannot show
    args.report = args.report or f"{args.out}.report.json"
    try:
        pictures, skipped, prompt = prepare(args)
    except (ManifestError, ValueError, OSError) as error:
        complain(error)
        return 2
    try:
        if args.dry_run:
            return dry_run(pictures, prompt, scan(args.out)[0] if args.out and os.path.exists(args.out) else {})
        import httpx  # noqa: F401

        output = Output(args.out)
    except ImportError:
        complain("needs the package httpx: pip install httpx, or apt install python3-httpx")
        return 1
    except BrokenPipeError:  # ... --dry-run | head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (OutputError, OSError) as error:
        complain(error)
        return 2
    if output.repaired:
        complain(f"{args.out}: {output.repaired}")
    try:
        report = asyncio.run(work(args, pictures, skipped, prompt, output))
        write_atomically(args.report, report_json(report))
    except (OutputError, OSError) as error:
        complain(error)
        return 1
    finally:
        output.close()
    print(report_text(report, args.report))
    return 0 if report["captioned_before"] + report["captioned_now"] == len(pictures) else 1


if __name__ == "__main__":
    sys.exit(main())
