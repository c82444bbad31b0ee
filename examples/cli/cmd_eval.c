#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "protocols.h"
#include "report.h"

static const cli_command command = {
    "eval", "score a model on a manifest", "--model W --data M [--split S] [options]",
    "Prints the canonical scores of the model, of the same model with the sounds of other samples (--mismatched), of "
    "the\n"
    "centre box and of the whole image.  --overlays writes the first N pictures with heat-map, found boxes (white) "
    "and\n"
    "true boxes (green); --json the result for machines; --report one HTML file to read and to pass on.\n\n"
    "example:\n  oassl eval --model run/best.safetensors --data duet/manifest.jsonl --split test --mismatched "
    "--overlays out\n"};

/* ---- overlays ----------------------------------------------------------------------------------------------- */

typedef struct overlays {
    const oassl_context *context;
    const char *folder;
    uint64_t n;
} overlays;

enum { MAX_MARKS = 64 };

static uint32_t truth_marks(const oassl_metric_truth *truth, uint32_t n, const uint8_t rgb[3],
                            oassl_overlay_mark *marks, uint32_t n_marks) {
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t b = 0; b < truth[i].n_boxes && n_marks < MAX_MARKS; b++) {
            const float *box = truth[i].boxes[b];
            marks[n_marks++] = (oassl_overlay_mark){OASSL_OVERLAY_MARK_BOX,   box[0], box[1], box[2], box[3],
                                                    {rgb[0], rgb[1], rgb[2]}, 0};
        }
    return n_marks;
}

static uint32_t found_marks(const oassl_localization *found, oassl_overlay_mark *marks, uint32_t n_marks) {
    for (uint32_t k = 0; k < found->n_sources && n_marks < MAX_MARKS; k++)
        marks[n_marks++] = (oassl_overlay_mark){OASSL_OVERLAY_MARK_PEAK,
                                                (float)found->sources[k].peak_x + 0.5f,
                                                (float)found->sources[k].peak_y + 0.5f,
                                                0,
                                                0,
                                                {255, 255, 255},
                                                0};
    return n_marks;
}

/* The largest of the source maps, each scaled to 0..1, on the feature grid. */
static float *combined_map(const oassl_localization *found) {
    size_t n = (size_t)found->grid_width * found->grid_height;
    float *map = calloc(n, sizeof *map);
    for (uint32_t k = 0; map && k < found->n_sources; k++) {
        const float *grid = found->sources[k].grid;
        float low = grid[0], high = grid[0];
        for (size_t p = 1; p < n; p++) {
            if (grid[p] < low) low = grid[p];
            if (grid[p] > high) high = grid[p];
        }
        for (size_t p = 0; p < n; p++) {
            float value = high > low ? (grid[p] - low) / (high - low) : 0;
            if (value > map[p]) map[p] = value;
        }
    }
    return map;
}

static oassl_status write_overlay(void *user, const oassl_evaluated_sample *sample) {
    static const uint8_t green[3] = {0, 255, 0}, red[3] = {255, 64, 64};
    const overlays *o = user;
    if (sample->index >= o->n) return OASSL_STATUS_OK;
    oassl_overlay_mark marks[MAX_MARKS];
    uint32_t n = truth_marks(sample->truth->sources, sample->truth->n_sources, green, marks, 0);
    for (uint32_t i = 0; i < sample->truth->n_silent; i++)
        if (sample->truth->silent[i].twin) n = truth_marks(&sample->truth->silent[i], 1, red, marks, n);
    n = found_marks(sample->found, marks, n);
    float *map = combined_map(sample->found);
    if (!map) return OASSL_STATUS_OUT_OF_MEMORY;
    oassl_image overlay;
    oassl_status status =
        oassl_image_overlay(o->context, NULL, sample->picture, map, (int32_t)sample->found->grid_width,
                            (int32_t)sample->found->grid_height, marks, n, &overlay);
    free(map);
    if (status != OASSL_STATUS_OK) return status;
    char path[4096];
    snprintf(path, sizeof path, "%s/%03u.png", o->folder, sample->index);
    status = oassl_image_save_png(o->context, path, &overlay);
    oassl_image_free(o->context, &overlay);
    return status;
}

/* ---- results ------------------------------------------------------------------------------------------------ */

static json_t *scores_json(const oassl_metric_scores *s) {
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "success_30", s->success_30,
                     "success_50", s->success_50, "auc", s->auc, "mean_ciou", s->mean_ciou, "adaptive_success_30",
                     s->adaptive_success_30, "adaptive_success_50", s->adaptive_success_50, "adaptive_auc",
                     s->adaptive_auc, "adaptive_mean_ciou", s->adaptive_mean_ciou, "ap", s->ap, "piap", s->piap,
                     "pointing", s->pointing, "twin", s->twin);
}

static void print_row(const char *name, const oassl_metric_scores *s) {
    printf("  %-16s %8.3f %8.3f %8.3f %8.3f %8.3f %8.3f %8.3f %8.3f\n", name, s->pointing, s->twin,
           s->adaptive_success_30, s->adaptive_success_50, s->success_30, s->success_50, s->auc, s->ap);
}

static json_t *result_json(const char *model, const char *data, const char *split, const oassl_evaluation *result,
                           const oassl_evaluation *mismatched) {
    const oassl_metric_result *m = &result->metric;
    char hash[32];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)m->list_hash);
    json_t *out =
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:o, s:o, s:o}", "version",
                  oassl_version_string(), "protocol", "canonical", "model", json_clean_string(model), "data",
                  json_clean_string(data), "split", json_clean_string(split), "list_hash", hash, "n_samples",
                  (json_int_t)m->n_samples, "n_pairs", (json_int_t)m->n_pairs, "n_twin", (json_int_t)m->n_twin,
                  "n_skipped", (json_int_t)result->n_skipped, "confidence", result->confidence, "similarity",
                  result->similarity, "seconds", result->seconds, "scores", scores_json(&m->model), "centre_box",
                  scores_json(&m->centre), "whole_image", scores_json(&m->whole));
    if (mismatched) {
        json_object_set_new(out, "mismatched", scores_json(&mismatched->metric.model));
        json_object_set_new(out, "mismatched_confidence", json_real(mismatched->confidence));
    }
    return out;
}

/* ---- what was left out ---------------------------------------------------------------------------------------- */

enum { WITHOUT_PICTURE, WITHOUT_SOUND, WITHOUT_TRUTH, N_REASONS };
static const char *const reasons[N_REASONS] = {"without_picture", "without_sound", "without_truth"};

/* Why a single record, or a part of a mixture, cannot be scored; N_REASONS: it can. */
static int reason_of(const oassl_record *r) {
    if (!r->image) return WITHOUT_PICTURE;
    if (!r->audio) return WITHOUT_SOUND;
    if (r->n_sources == 0) return r->playing == 0 ? N_REASONS : WITHOUT_TRUTH;
    for (uint32_t s = 0; s < r->n_sources; s++)
        if (r->sources[s].n_boxes == 0 && r->sources[s].n_numbers == 0 && !r->sources[s].mask) return WITHOUT_TRUTH;
    return N_REASONS;
}

/* Skipped records by reason; what the records themselves do not explain are media that were not found. */
static json_t *skips_json(const oassl_context *context, const char *data, const char *split, uint64_t n_skipped) {
    oassl_manifest *manifest = NULL;
    oassl_manifest_options options = OASSL_MANIFEST_OPTIONS_INIT;
    uint64_t n = 0, counts[N_REASONS] = {0}, explained = 0;
    options.missing = OASSL_MISSING_KEEP;
    json_t *out = json_object();
    if (n_skipped == 0 || oassl_manifest_load(context, data, &options, &manifest) != OASSL_STATUS_OK) return out;
    oassl_manifest_split(manifest, split, NULL, 0, &n);
    uint64_t *numbers = calloc(n + 1, sizeof *numbers);
    if (numbers) oassl_manifest_split(manifest, split, numbers, n, &n);
    for (uint64_t i = 0; numbers && i < n; i++) {
        oassl_record record = OASSL_RECORD_INIT, part = OASSL_RECORD_INIT;
        oassl_manifest_record(manifest, numbers[i], &record);
        int reason = record.n_mix ? N_REASONS : reason_of(&record);
        for (uint32_t k = 0; k < record.n_mix && reason == N_REASONS; k++) {
            oassl_manifest_record(manifest, record.mix[k], &part);
            reason = reason_of(&part);
        }
        if (reason < N_REASONS) counts[reason]++, explained++;
    }
    for (int k = 0; k < N_REASONS; k++)
        if (counts[k]) json_object_set_new(out, reasons[k], json_integer((json_int_t)counts[k]));
    if (n_skipped > explained)
        json_object_set_new(out, "media_or_partner_missing", json_integer((json_int_t)(n_skipped - explained)));
    free(numbers);
    oassl_manifest_destroy(manifest);
    return out;
}

static void print_result(const char *model, const char *data, const char *split, const oassl_evaluation *result,
                         const oassl_evaluation *mismatched) {
    const oassl_metric_result *m = &result->metric;
    printf("%s on %s %s: %llu samples, %llu sources (%llu with a silent twin), %llu skipped\n\n", model, data, split,
           (unsigned long long)m->n_samples, (unsigned long long)m->n_pairs, (unsigned long long)m->n_twin,
           (unsigned long long)result->n_skipped);
    printf("  %-16s %8s %8s %8s %8s %8s %8s %8s %8s\n", "", "pointing", "twin", "adapt.3", "adapt.5", "cIoU.3",
           "cIoU.5", "AUC", "AP");
    print_row("model", &m->model);
    if (mismatched) print_row("wrong sound", &mismatched->metric.model);
    print_row("centre box", &m->centre);
    print_row("whole image", &m->whole);
    printf("\n  mean confidence %.3f", result->confidence);
    if (mismatched) printf(", with the wrong sound %.3f", mismatched->confidence);
    printf("; %.1f samples a second\n", result->seconds > 0 ? (double)m->n_samples / result->seconds : 0);
}

/* Their figures and settings beside what is there: canonical scores and counts are the same. */
static int add_protocols(oassl_metric *collect, const char *protocols, json_t *out) {
    json_t *all = json_object();
    oassl_status status = protocols_to_json(collect, all);
    json_object_set(out, "protocols", json_object_get(all, "protocols"));
    json_object_set(out, "settings", json_object_get(all, "settings"));
    json_object_set_new(out, "protocol", json_clean_string(protocols));
    json_decref(all);
    return status == OASSL_STATUS_OK ? 0 : cli_failed(status);
}

int cmd_eval(int argc, char **argv) {
    const char *model_path = NULL, *data = NULL, *split = "test", *folder = NULL, *report_path = NULL;
    const char *protocols = NULL;
    uint64_t max = 0, n_overlays = 16, bootstrap = 1000, seed = 0;
    bool mismatched = false, skip = false;
    const cli_option table[] = {
        {"--model", CLI_TEXT, &model_path, "W", "weights (safetensors)", true},
        {"--data", CLI_TEXT, &data, "M", "manifest (JSON Lines)", true},
        {"--split", CLI_TEXT, &split, "S", "default test; '' = all records", false},
        {"--max", CLI_UINT, &max, "N", "the first N samples; default all", false},
        {"--mismatched", CLI_FLAG, &mismatched, NULL, "score with other samples' sounds too", false},
        {"--skip-missing", CLI_FLAG, &skip, NULL, "leave out records whose media are missing, and count them", false},
        {"--protocol", CLI_TEXT, &protocols, "P", "published evaluators, separated by commas", false},
        {"--bootstrap", CLI_UINT, &bootstrap, "N", "resamples behind their confidence intervals; default 1000", false},
        {"--seed", CLI_UINT64, &seed, "N", "of the bootstrap; default 0", false},
        {"--overlays", CLI_TEXT, &folder, "D", "folder for pictures of what was found", false},
        {"--n-overlays", CLI_UINT, &n_overlays, "N", "how many of them; default 16", false},
        {"--report", CLI_TEXT, &report_path, "F", "HTML page of the result, with the best and worst samples", false},
        CLI_IDENTIFY_OPTION,
        CLI_PRECISION_OPTION,
        CLI_COMMON_OPTIONS,
        CLI_END,
    };
    int code = cli_parse(&command, table, argc, argv);
    if (code >= 0) return code;
    int32_t precision = OASSL_PRECISION_F32;
    oassl_evaluate_options options = OASSL_EVALUATE_OPTIONS_INIT;
    if ((code = cli_precision(&command, &precision)) >= 0) return code;
    if ((code = cli_identify(&command, &options.identify)) >= 0) return code;
    if (folder && mkdir(folder, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "oassl eval: --overlays %s: %s\n", folder, strerror(errno));
        return 2;
    }
    oassl_context *context = cli_open(&code);
    if (!context) return code;
    oassl_model *model = NULL;
    overlays pictures = {context, folder, n_overlays};
    options.split = split;
    options.max_samples = max;
    options.missing = skip ? OASSL_MISSING_SKIP : OASSL_MISSING_ERROR;
    if (folder) options.on_sample = write_overlay, options.user = &pictures;
    report *page = report_path ? report_create(context) : NULL;
    if (report_path && !page) return oassl_context_destroy(context), 1;
    report_listen(page, &options, false);
    oassl_evaluation result = OASSL_EVALUATION_INIT, wrong = OASSL_EVALUATION_INIT;
    oassl_metric *collect = NULL;
    oassl_metric_options rules = OASSL_METRIC_OPTIONS_INIT;
    rules.protocols = protocols, rules.bootstrap = (uint32_t)bootstrap, rules.seed = seed;
    oassl_status status = cli_load_model(context, model_path, precision, &model);
    if (status == OASSL_STATUS_OK && protocols) status = oassl_metric_create(context, &rules, &collect);
    options.collect = collect;
    if (status == OASSL_STATUS_OK) status = oassl_evaluate(model, data, &options, &result);
    if (status == OASSL_STATUS_OK && mismatched) {
        options.mismatched = 1;
        options.on_sample = NULL;
        options.collect = NULL;
        report_listen(page, &options, true);
        status = oassl_evaluate(model, data, &options, &wrong);
    }
    code = status == OASSL_STATUS_OK ? 0 : cli_failed(status);
    cli_progress_end();
    json_t *out = result_json(model_path, data, split, &result, mismatched ? &wrong : NULL);
    json_object_set_new(out, "precision", json_string(cli_precision_name(precision)));
    if (code == 0) json_object_set_new(out, "skips", skips_json(context, data, split, result.n_skipped));
    if (code == 0 && collect) code = add_protocols(collect, protocols, out);
    if (code == 0 && page) code = report_finish(page, report_path, out);
    if (code == 0 && common.json)
        cli_print_json(json_incref(out));
    else if (code == 0)
        print_result(model_path, data, split, &result, mismatched ? &wrong : NULL);
    if (code == 0 && !common.json) protocols_print(json_object_get(out, "protocols"));
    json_decref(out);
    report_destroy(page);
    oassl_metric_destroy(collect);
    oassl_model_destroy(model);
    oassl_context_destroy(context);
    return code;
}
