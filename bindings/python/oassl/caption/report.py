"""What came of a run: JSON for machines, a few lines for people."""

import json

SHOWN = 20


def build_report(run, output_path, pictures, n_before, skipped, settings, n_retries):
    n_now = run.progress.done
    return {
        "output": output_path,
        "pictures": len(pictures),
        "captioned_before": n_before,
        "captioned_now": n_now,
        "failed": len(run.failures),
        "not_tried": len(pictures) - n_before - n_now - len(run.failures),
        "stopped": run.stopped,
        "http_retries": n_retries,
        "skipped": {reason: ids for reason, ids in skipped.items()},
        "settings": settings,
        "failures": run.failures,
    }


def report_json(report):
    return json.dumps(report, ensure_ascii=False, indent=1) + "\n"


def report_text(report, report_path):
    captioned = report["captioned_before"] + report["captioned_now"]
    lines = [f"{report['output']}: {captioned} of {report['pictures']} pictures captioned "
             f"({report['captioned_now']} now), {report['failed']} failed, {report['not_tried']} not tried"]
    for reason, ids in report["skipped"].items():
        lines.append(f"skipped {len(ids)} record{'s' if len(ids) > 1 else ''}: {reason}")
    if report["stopped"]:
        lines.append(f"stopped: {report['stopped']}")
    for failure in report["failures"][:SHOWN]:
        tries = f" ({failure['attempts']} answers)" if failure["kind"] == "answer" else ""
        lines.append(f"  {failure['id']}: {failure['kind']}: {failure['reason']}{tries}")
    if len(report["failures"]) > SHOWN:
        lines.append(f"  and {len(report['failures']) - SHOWN} more")
    if report["failures"] or report["not_tried"]:
        lines.append(f"all of it in {report_path}; the same command again tries what is missing")
    return "\n".join(lines)
