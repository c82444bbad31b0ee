/* oassl metrics: heat-maps that someone else made, scored as published. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "protocols.h"
#include "report.h"
#include "truth.h"

static const cli_command command = {
    "metrics", "score heat-maps made elsewhere", "--protocol P[,P2...] --maps maps.npy --gt M [options]",
    "Maps: .npy [N,h,w] or [N,K,h,w], in the manifest's order; .npz with \"maps\" and \"ids\", optionally \"counts\" (how many\n"
    "of the K maps a sample has), \"objects\" (object maps to mix in) and \"confidence\"; or a folder of <id>.npy.  Any number\n"
    "of protocols is scored in one pass; --list explains them, flaws included.  With --features F.npz (\"pictures\" and\n"
    "\"sounds\" [N,d], optionally \"labels\" [N]) retrieval is scored too, or alone.\n\n"
    "example:\n  oassl metrics --protocol canonical,noprior,sslalignment --maps maps.npz --gt vggss.jsonl --json > result.json\n"};

typedef struct job {
    const truth_book *truth;
    const oassl_maps *maps;
    uint64_t n, *record, *map; /* what is scored: record and map numbers */
} job;

/* ---- matching maps and records --------------------------------------------------------------------------------- */

static void say_some(const char *what, const json_t *ids) {
    size_t n = json_array_size(ids);
    if (n == 0) return;
    fprintf(stderr, "oassl metrics: %zu %s:", n, what);
    for (size_t i = 0; i < n && i < 5; i++) fprintf(stderr, " '%s'", json_string_value(json_array_get(ids, i)));
    fputs(n > 5 ? " ...\n" : "\n", stderr);
}

/* By id; or by position where the stack has no ids, for which the counts must agree.  Returns the exit code. */
static int match(job *j, bool skip, json_t *without_map, json_t *without_record) {
    uint64_t n_records = truth_count(j->truth), n_maps = oassl_maps_count(j->maps), at;
    j->record = calloc(n_records + 1, sizeof *j->record);
    j->map = calloc(n_records + 1, sizeof *j->map);
    char *used = calloc(n_maps + 1, 1);
    if (!j->record || !j->map || !used) return free(used), fputs("oassl: no memory for the list of maps\n", stderr), 1;
    bool by_id = n_maps == 0 || oassl_maps_id(j->maps, 0);
    if (!by_id && n_maps != n_records) {
        fprintf(stderr, "oassl metrics: %llu maps without ids, but %llu records to score (see --split, --mixtures); expected as many\n", (unsigned long long)n_maps,
                (unsigned long long)n_records);
        return free(used), 2;
    }
    for (uint64_t i = 0; i < n_records; i++) {
        const char *id = truth_id(j->truth, i);
        if (by_id && oassl_maps_find(j->maps, id, &at) != OASSL_STATUS_OK) {
            json_array_append_new(without_map, json_clean_string(id));
            continue;
        }
        j->record[j->n] = i, j->map[j->n++] = by_id ? at : i;
        used[by_id ? at : i] = 1;
    }
    for (uint64_t i = 0; i < n_maps; i++)
        if (!used[i]) json_array_append_new(without_record, json_clean_string(oassl_maps_id(j->maps, i)));
    free(used);
    say_some("records without a map", without_map);
    say_some("maps without a record to score", without_record);
    if (skip && j->n) return 0;
    return json_array_size(without_map) + json_array_size(without_record) || j->n == 0 ? 2 : 0;
}

/* ---- feeding ----------------------------------------------------------------------------------------------------- */

typedef struct held {
    void *truth;
    oassl_map_set set;
} held;

static void release_sample(void *user, void *kept) {
    const job *j = user;
    held *h = kept;
    truth_release(h->truth);
    oassl_maps_release(j->maps, &h->set);
    free(h);
}

static oassl_status take_sample(void *user, uint64_t index, oassl_metric_sample *out, void **out_kept) {
    const job *j = user;
    held *h = calloc(1, sizeof *h);
    if (!h) return OASSL_STATUS_OUT_OF_MEMORY;
    h->set = (oassl_map_set)OASSL_MAP_SET_INIT;
    oassl_status status = truth_fill(j->truth, j->record[index], out, &h->truth);
    if (status == OASSL_STATUS_OK) status = oassl_maps_get(j->maps, j->map[index], &h->set);
    if (status != OASSL_STATUS_OK) return release_sample(user, h), status;
    out->maps = h->set.maps, out->n_maps = h->set.n_maps;
    if (h->set.object.data) out->object = &h->set.object;
    if (h->set.has_confidence) out->confidence = &h->set.confidence;
    *out_kept = h;
    return OASSL_STATUS_OK;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

typedef struct settings {
    const char *protocols, *maps, *data, *split, *report, *features;
    bool skip, mixtures;
    uint64_t mask_threshold;
    oassl_metric_options options;
} settings;

static oassl_status feed_report(report *page, const job *j) {
    oassl_status status = OASSL_STATUS_OK;
    for (uint64_t i = 0; page && i < j->n && status == OASSL_STATUS_OK; i++) {
        oassl_metric_sample sample;
        void *kept;
        status = take_sample((void *)j, i, &sample, &kept);
        if (status != OASSL_STATUS_OK) break;
        status = report_add(page, &sample, NULL, NULL);
        release_sample((void *)j, kept);
    }
    return status;
}

static int score(const oassl_context *context, const settings *s, json_t *out) {
    job j = {0};
    truth_book *truth = NULL;
    oassl_maps *maps = NULL;
    oassl_metric *metric = NULL;
    report *page = NULL;
    json_t *without_map = json_array(), *without_record = json_array();
    int code = truth_open(context, s->data, s->split, s->mixtures, s->mask_threshold, &truth);
    if (code == 0) {
        oassl_status status = oassl_maps_open(context, s->maps, &maps);
        if (status == OASSL_STATUS_OK) status = oassl_metric_create(context, &s->options, &metric);
        if (status != OASSL_STATUS_OK) code = cli_failed(status);
    }
    j.truth = truth, j.maps = maps;
    if (code == 0) code = match(&j, s->skip, without_map, without_record);
    if (code == 0) {
        oassl_metric_feed feed = {take_sample, release_sample, &j};
        oassl_status status = oassl_metric_add_all(context, metric, j.n, &feed);
        if (status == OASSL_STATUS_OK && s->report && !(page = report_create(context))) code = 1;
        if (status == OASSL_STATUS_OK && page) status = report_look_up(page, s->data);
        if (status == OASSL_STATUS_OK) status = feed_report(page, &j);
        if (status == OASSL_STATUS_OK) status = protocols_to_json(metric, out);
        if (status != OASSL_STATUS_OK) code = cli_failed(status);
    }
    cli_progress_end();
    json_object_set_new(out, "n_skipped", json_integer((json_int_t)(json_array_size(without_map) + (truth ? truth_n_left_out(truth) : 0))));
    json_object_set_new(out, "n_without_truth", json_integer((json_int_t)(truth ? truth_n_left_out(truth) : 0)));
    json_object_set_new(out, "records_without_map", without_map);
    json_object_set_new(out, "maps_without_record", without_record);
    if (code == 0 && page) code = report_finish(page, s->report, out);
    report_destroy(page);
    oassl_metric_destroy(metric);
    oassl_maps_close(maps);
    truth_close(truth);
    free(j.record);
    free(j.map);
    return code;
}

static json_t *three(const double *r) { return json_pack("{s:f, s:f, s:f}", "R@1", r[0], "R@5", r[1], "R@10", r[2]); }

static int retrieve(const oassl_context *context, const char *path, json_t *out) {
    oassl_retrieval_features f = OASSL_RETRIEVAL_FEATURES_INIT;
    oassl_retrieval r = OASSL_RETRIEVAL_INIT;
    oassl_status status = oassl_retrieval_load(context, path, &f);
    if (status == OASSL_STATUS_OK) status = oassl_metric_retrieval(context, &f.pictures, &f.sounds, f.labels, &r);
    if (status == OASSL_STATUS_OK) {
        json_t *all = json_pack("{s:I, s:{s:o, s:o}, s:f, s:f, s:f, s:f}", "n", (json_int_t)r.n, "instance", "sound_to_picture",
                                three(r.sound_to_picture), "picture_to_sound", three(r.picture_to_sound), "alignment", r.alignment,
                                "magnitude", r.magnitude, "magnitude_std", r.magnitude_std, "centroid", r.centroid);
        if (r.has_labels)
            json_object_set_new(all, "class", json_pack("{s:o, s:o}", "sound_to_picture", three(r.class_sound_to_picture),
                                                        "picture_to_sound", three(r.class_picture_to_sound)));
        json_object_set_new(out, "retrieval", all);
    }
    oassl_retrieval_free(context, &f);
    return status == OASSL_STATUS_OK ? 0 : cli_failed(status);
}

static int list_protocols(void) {
    for (uint32_t i = 0; oassl_metric_protocol(i); i++) {
        char text[1024];
        uint64_t bytes;
        oassl_metric_protocol_rules(oassl_metric_protocol(i), text, sizeof text, &bytes);
        char *notes = strchr(text, '\n');
        if (notes) *notes++ = '\0';
        printf("%s\n  %s\n  %s\n\n", oassl_metric_protocol(i), text, notes ? notes : "");
    }
    return 0;
}

int cmd_metrics(int argc, char **argv) {
    settings s = {.split = "", .protocols = "canonical"};
    const char *truth = "union";
    uint64_t bootstrap = 1000, seed = 0, batch = 0, size = 0;
    double tau = 1, bias = 0, alpha = 0;
    bool list = false, probabilities = false;
    const cli_option table[] = {
        {"--protocol", CLI_TEXT, &s.protocols, "P", "one or several, separated by commas; default canonical", false},
        {"--maps", CLI_TEXT, &s.maps, "F", ".npy, .npz or a folder of <id>.npy", false},
        {"--gt", CLI_TEXT, &s.data, "M", "manifest (JSON Lines) with the truth", false},
        {"--split", CLI_TEXT, &s.split, "S", "of the manifest; default all records", false},
        {"--mixtures", CLI_FLAG, &s.mixtures, NULL, "score mixtures only, not the single records they are made of", false},
        {"--skip-missing", CLI_FLAG, &s.skip, NULL, "score what has both map and truth, and list the rest", false},
        {"--bootstrap", CLI_UINT, &bootstrap, "N", "resamples behind the confidence intervals; default 1000, 0 = none", false},
        {"--seed", CLI_UINT64, &seed, "N", "of the bootstrap; default 0", false},
        {"--truth", CLI_TEXT, &truth, "RULE", "several boxes: union (default) or consensus (Flickr)", false},
        {"--mask-threshold", CLI_UINT, &s.mask_threshold, "G", "masks count from this gray on, 1..255; default 128 in a JPEG, else 1", false},
        {"--tau", CLI_DOUBLE, &tau, "T", "slavc, avgn: maps are cosines over T; default 1", false},
        {"--bias", CLI_DOUBLE, &bias, "B", "acl: added to the logits before the sigmoid", false},
        {"--alpha", CLI_DOUBLE, &alpha, "A", "weight of the map where object maps are mixed in; default 0.4", false},
        {"--probabilities", CLI_FLAG, &probabilities, NULL, "acl, avsbench: maps are probabilities already", false},
        {"--batch", CLI_UINT, &batch, "N", "avsbench_official: frames a batch; default 5", false},
        {"--size", CLI_UINT, &size, "N", "side at which maps are compared; default 224", false},
        {"--features", CLI_TEXT, &s.features, "F.npz", "score retrieval on these features", false},
        {"--report", CLI_TEXT, &s.report, "F", "HTML page of the result", false},
        {"--list", CLI_FLAG, &list, NULL, "the protocols, their rules and flaws", false},
        CLI_COMMON_OPTIONS,
        CLI_END,
    };
    int code = cli_parse(&command, table, argc, argv);
    if (code >= 0) return code;
    if (list) return list_protocols();
    if (!s.maps != !s.data || (!s.maps && !s.features)) return cli_wrong(&command, "--maps and --gt, or --features, or all three are required");
    bool consensus = strcmp(truth, "consensus") == 0;
    if (!consensus && strcmp(truth, "union") != 0) return cli_wrong(&command, "--truth: expected union or consensus, found '%s'", truth);
    if (s.mask_threshold > 255) return cli_wrong(&command, "--mask-threshold: expected 1..255, found %llu", (unsigned long long)s.mask_threshold);
    s.options = (oassl_metric_options){.struct_size = sizeof s.options, .protocols = s.protocols, .size = (uint32_t)size, .tau = tau,
                                       .bias = bias, .alpha = alpha, .probabilities = probabilities, .batch = (uint32_t)batch,
                                       .bootstrap = (uint32_t)bootstrap, .seed = seed,
                                       .truth = consensus ? OASSL_TRUTH_CONSENSUS : OASSL_TRUTH_UNION};
    oassl_context *context = cli_open(&code);
    if (!context) return code;
    code = 0;
    json_t *out = json_pack("{s:s, s:o}", "version", oassl_version_string(), "protocol", json_clean_string(s.protocols));
    if (s.maps) {
        json_object_set_new(out, "maps", json_clean_string(s.maps));
        json_object_set_new(out, "data", json_clean_string(s.data));
        json_object_set_new(out, "split", json_clean_string(s.split));
        code = score(context, &s, out);
    }
    if (code == 0 && s.features) code = retrieve(context, s.features, out);
    if (code == 0) protocols_show(out, common.json);
    json_decref(out);
    oassl_context_destroy(context);
    return code;
}
