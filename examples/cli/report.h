/* The HTML report of `oassl eval`, `oassl metrics` and `oassl report`: one file that needs nothing else.
 *
 * A report collects samples while they are scored: success-rate curves, groups by class and size, and pictures of the
 * best and the worst.  What it knows beyond the result file is the "breakdown", a JSON object put into the result, so
 * that results kept with `--json` can be compared later in the same form.  Memory does not grow with the pictures:
 * only the best and worst are drawn and kept.
 *
 *   report *page = report_create(context);
 *   report_listen(page, &options, false);                   // before oassl_evaluate
 *   ...
 *   code = report_finish(page, "report.html", result_json); // writes the file, adds "breakdown" to the result
 *   report_destroy(page); */
#ifndef OASSL_CLI_REPORT_H
#define OASSL_CLI_REPORT_H

#include <jansson.h>
#include <stdbool.h>

#include <oassl/oassl.h>

typedef struct report report;

/* NULL after printing why: no memory or no temporary folder. */
report *report_create(const oassl_context *context);
void report_destroy(report *r);

/* One scored sample.  `picture` and `sound` may be NULL: the heat-maps then lie on grey, without a spectrogram. */
oassl_status report_add(report *r, const oassl_metric_sample *sample, const oassl_image *picture, const oassl_audio *sound);
/* Where report_add, given neither, finds pictures and sounds by id: a manifest.  Media that cannot be read, and mixtures,
 * are done without. */
oassl_status report_look_up(report *r, const char *manifest_path);
/* The same sample, or another, with a sound that is not its own: curves only. */
oassl_status report_add_mismatched(report *r, const oassl_metric_sample *sample);
/* Has oassl_evaluate call one of the two for each sample, after the callback that was set before.  NULL is legal. */
void report_listen(report *r, oassl_evaluate_options *options, bool mismatched);

/* {"curves", "classes", "sizes"}; NULL without memory. */
json_t *report_breakdown(const report *r);
/* {"best": [...], "worst": [...]}, pictures as data URLs. */
json_t *report_samples(const report *r);

/* Adds the breakdown to `result` (borrowed) and writes the page.  Returns the exit code, after printing what failed. */
int report_finish(report *r, const char *path, json_t *result);

/* Writes a page of `entries`, an array of {"name", "result"}, side by side; `samples` may be NULL.  The file appears
 * complete or not at all.  Returns the exit code, after printing what failed. */
int report_save(const char *path, const char *title, const json_t *entries, const json_t *samples);

/* A JSON string of any text: what is no UTF-8 becomes U+FFFD. */
json_t *json_clean_string(const char *text);

/* What to call a result: its "name", the run's folder, the file's stem.  `out_name` is UTF-8, whatever went in. */
void report_name(const json_t *result, const char *path, char *out_name, size_t capacity);

#endif
