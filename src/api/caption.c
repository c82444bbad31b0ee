#include "api/caption.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "api/text_encoder.h"
#include "base/options.h"
#include "runtime/context.h"
#include "text/caption_encode.h"
#include "text/caption_prompt.h"

#define MAX_TOKENS 512     /* of BERT; an encoder may have fewer positions */
#define MANY_CAPTIONS 1000 /* enough to pay for more plans */

/* ---- checking ------------------------------------------------------------------------------------------------ */

static void count(const oai_caption_set *set, oassl_caption_counts *counts) {
    for (size_t i = 0; i < set->n_captions; i++)
        counts->n_sentences += set->captions[i].n_foreground + (set->captions[i].background != NULL);
    counts->n_captions = set->n_captions;
    counts->n_errors = set->n_errors;
    counts->n_warnings = set->n_warnings;
}

/* Fills as much of the caller's structure as it has. */
static void give_counts(const oassl_caption_counts *counts, oassl_caption_counts *out_counts) {
    uint32_t bytes = out_counts->struct_size;
    memcpy(out_counts, counts, bytes < sizeof *counts ? bytes : sizeof *counts);
    out_counts->struct_size = bytes;
}

static oassl_status clear_counts(const char *function, oassl_caption_counts *out_counts) {
    static const oassl_caption_counts zero;
    if (out_counts->struct_size < sizeof out_counts->struct_size)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%s: out_counts.struct_size is %u; start from the INIT macro",
                        function, out_counts->struct_size);
    give_counts(&zero, out_counts);
    return OASSL_STATUS_OK;
}

static void report_defects(const oai_caption_set *set, size_t from, oassl_caption_report report, void *user) {
    for (size_t i = from; report && i < set->n_defects; i++) {
        const oai_caption_defect *defect = &set->defects[i];
        report(user, defect->severity, defect->line, defect->id ? defect->id : "", defect->text);
    }
}

oassl_status oassl_captions_check(const oassl_context *context, const char *path,
                                  const oassl_caption_check_options *options, oassl_caption_counts *out_counts) {
    OAI_REQUIRE(context);
    OAI_REQUIRE(path);
    OAI_REQUIRE(out_counts);
    OAI_TRY(clear_counts(__func__, out_counts));
    oassl_caption_check_options own = OASSL_CAPTION_CHECK_OPTIONS_INIT;
    OAI_TRY(oai_options_read("oassl_caption_check_options", options, &own, sizeof own));
    const oai_caption_options rules = {own.n_sources, own.allow_empty_background != 0, own.repair != 0};
    oai_caption_set *set;
    OAI_TRY(oai_caption_set_load(oai_context_host(context), path, &rules, &set));
    report_defects(set, 0, own.report, own.report_user);
    oassl_caption_counts counts = OASSL_CAPTION_COUNTS_INIT;
    count(set, &counts);
    give_counts(&counts, out_counts);
    oai_caption_set_destroy(set);
    return OASSL_STATUS_OK;
}

/* ---- the prompt ---------------------------------------------------------------------------------------------- */

const char *oassl_captions_prompt_hash(void) { return oai_caption_prompt_hash; }

oassl_status oassl_captions_prompt(const char *const *labels, uint32_t n_labels, char *out_text, uint64_t capacity,
                                   uint64_t *out_bytes) {
    OAI_REQUIRE(labels);
    OAI_REQUIRE(out_bytes);
    *out_bytes = 0;
    for (uint32_t i = 0; i < n_labels; i++)
        if (!labels[i]) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "oassl_captions_prompt: label %u is NULL", i);
    char *text;
    OAI_TRY(oai_caption_prompt_make(&oai_default_host, labels, n_labels, &text));
    *out_bytes = strlen(text);
    oassl_status status = OASSL_STATUS_OK;
    if (out_text && capacity > *out_bytes)
        memcpy(out_text, text, *out_bytes + 1);
    else if (out_text)
        status = oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                          "oassl_captions_prompt: capacity %llu, the prompt needs %llu with its NUL",
                          (unsigned long long)capacity, (unsigned long long)*out_bytes + 1);
    oai_free(&oai_default_host, text);
    return status;
}

/* ---- encoding ------------------------------------------------------------------------------------------------ */

typedef struct encoder_call {
    oai_text_encoder *encoder;
    int32_t pooling;
} encoder_call;

static oassl_status encode_tokens(void *user, const int32_t *ids, const int32_t *lengths, uint32_t n,
                                  uint32_t row_length, float *out_vectors) {
    const encoder_call *call = user;
    return oai_text_encoder_encode(call->encoder, ids, lengths, n, row_length, call->pooling, out_vectors);
}

/* "bert-base-uncased" of "/models/bert-base-uncased/". */
static void base_name(const char *path, char *out, size_t out_bytes) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') start--;
    snprintf(out, out_bytes, "%.*s", (int)(end - start), path + start);
}

/* Encodes with what finished sentences an interrupted run left beside the output, and takes that file away once the
 * output is there. */
static oassl_status encode_and_save(const oai_host *host, oai_caption_set *set, const oai_text_encoding *encoding,
                                    const char *out_path) {
    oai_caption_features *features = NULL;
    oai_encode_journal *journal = NULL;
    oassl_status status = oai_caption_encode(host, set, encoding, &features, &journal);
    if (status == OASSL_STATUS_OK) status = oai_caption_features_save(features, out_path);
    oai_encode_journal_close(journal, status == OASSL_STATUS_OK);
    oai_caption_features_destroy(features);
    return status;
}

static oassl_status encode_set(const oai_host *host, oai_caption_set *set, oai_text_encoder *encoder,
                               const oassl_caption_encode_options *options, const char *out_path) {
    oai_tokenizer tokenizer;
    char name[256], hash[OAI_SHA256_TEXT], journal[PATH_MAX];
    const char *pooling;
    if (snprintf(journal, sizeof journal, "%s.partial", out_path) >= (int)sizeof journal)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "out_path of %zu bytes is too long", strlen(out_path));
    base_name(oai_text_encoder_folder(encoder), name, sizeof name);
    OAI_TRY(oai_text_encoder_pooling(encoder, options->pooling, &pooling));
    OAI_TRY(oai_text_encoder_hash(encoder, hash));
    OAI_TRY(oai_text_encoder_tokenizer(host, encoder, &tokenizer));
    int64_t longest = oai_text_encoder_max_tokens(encoder);
    if (longest > MAX_TOKENS) longest = MAX_TOKENS;
    if (options->max_tokens && options->max_tokens < longest) longest = options->max_tokens;
    encoder_call call = {encoder, options->pooling};
    const oai_text_encoding encoding = {.tokenizer = &tokenizer,
                                        .max_length = (int32_t)longest,
                                        .width = oai_text_encoder_dim(encoder),
                                        .batch = options->batch,
                                        .encoder = options->encoder_name ? options->encoder_name : name,
                                        .encoder_hash = hash,
                                        .tokenizer_hash = tokenizer.hash,
                                        .pooling = pooling,
                                        .journal = journal,
                                        .encode = encode_tokens,
                                        .user = &call};
    if (set->n_captions >= MANY_CAPTIONS) oai_text_encoder_expect_many(encoder);
    oassl_status status = encode_and_save(host, set, &encoding, out_path);
    oai_tokenizer_close(&tokenizer);
    return status;
}

static void log_defects(const oai_host *host, const oai_caption_set *set) {
    for (size_t i = 0; i < set->n_defects; i++) {
        const oai_caption_defect *defect = &set->defects[i];
        oai_log(host, defect->severity == OAI_CAPTION_ERROR ? OAI_LOG_ERROR : OAI_LOG_WARN, "%s:%llu: %s%s%s",
                set->path, (unsigned long long)defect->line, defect->id ? defect->id : "", defect->id ? ": " : "",
                defect->text);
    }
}

oassl_status oassl_captions_encode(oassl_context *context, const char *captions_path, const char *encoder_dir,
                                   const oassl_caption_encode_options *options, const char *out_path,
                                   oassl_caption_counts *out_counts) {
    OAI_REQUIRE(context);
    OAI_REQUIRE(captions_path);
    OAI_REQUIRE(encoder_dir);
    OAI_REQUIRE(out_path);
    if (out_counts) OAI_TRY(clear_counts(__func__, out_counts));
    oassl_caption_encode_options own = OASSL_CAPTION_ENCODE_OPTIONS_INIT;
    OAI_TRY(oai_options_read("oassl_caption_encode_options", options, &own, sizeof own));
    if (own.batch > 4096 || own.max_tokens == 1 || (own.concat_text && !own.composites_path))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                        "oassl_captions_encode: expected batch <= 4096, max_tokens 0 or >= 2, concat_text only with "
                        "composites_path; "
                        "found %u, %u, %d",
                        own.batch, own.max_tokens, own.concat_text);
    const oai_host *host = oai_context_host(context);
    const oai_caption_options rules = {own.n_sources, own.allow_empty_background != 0, own.repair != 0};
    oai_caption_set *set = NULL;
    oai_text_encoder *encoder = NULL;
    oassl_status status = oai_caption_set_load(host, captions_path, &rules, &set);
    if (status == OASSL_STATUS_OK) status = oai_caption_set_require_valid(set);
    if (status == OASSL_STATUS_OK && own.composites_path)
        status = oai_caption_set_add_composites(set, own.composites_path, own.concat_text != 0);
    if (status == OASSL_STATUS_OK) status = oai_caption_set_require_valid(set);
    if (status == OASSL_STATUS_OK) status = oai_text_encoder_open(context, encoder_dir, &encoder);
    if (status == OASSL_STATUS_OK) status = encode_set(host, set, encoder, &own, out_path);
    if (set && own.report)
        report_defects(set, 0, own.report, own.report_user);
    else if (set)
        log_defects(host, set);
    if (status == OASSL_STATUS_OK && out_counts) {
        oassl_caption_counts counts = OASSL_CAPTION_COUNTS_INIT;
        count(set, &counts);
        give_counts(&counts, out_counts);
    }
    oai_text_encoder_close(encoder);
    oai_caption_set_destroy(set);
    return status;
}

/* ---- features ------------------------------------------------------------------------------------------------ */

oassl_status oassl_captions_open(const oassl_context *context, const char *path, oassl_captions **out_captions) {
    OAI_REQUIRE(out_captions);
    *out_captions = NULL;
    OAI_REQUIRE(context);
    OAI_REQUIRE(path);
    const oai_host *host = oai_context_host(context);
    oai_caption_features *features;
    OAI_TRY(oai_caption_features_load(host, path, &features));
    oassl_captions *captions = oai_alloc(host, sizeof *captions);
    if (!captions) {
        oai_caption_features_destroy(features);
        return oai_no_memory(sizeof *captions, path);
    }
    captions->features = features;
    *out_captions = captions;
    return OASSL_STATUS_OK;
}

void oassl_captions_destroy(oassl_captions *captions) {
    if (!captions) return;
    const oai_host *host = captions->features->host;
    oai_caption_features_destroy(captions->features);
    oai_free(host, captions);
}

uint64_t oassl_captions_count(const oassl_captions *captions) {
    return captions ? (uint64_t)captions->features->n_samples : 0;
}

uint32_t oassl_captions_dim(const oassl_captions *captions) {
    return captions ? (uint32_t)captions->features->width : 0;
}

const char *oassl_captions_encoder(const oassl_captions *captions) {
    return captions ? captions->features->encoder : "";
}

const char *oassl_captions_encoder_hash(const oassl_captions *captions) {
    return captions ? captions->features->encoder_hash : "";
}

const char *oassl_captions_tokenizer_hash(const oassl_captions *captions) {
    return captions ? captions->features->tokenizer_hash : "";
}

const char *oassl_captions_pooling(const oassl_captions *captions) {
    return captions ? captions->features->pooling : "";
}

oassl_status oassl_captions_find(const oassl_captions *captions, const char *id, uint64_t *out_index) {
    OAI_REQUIRE(out_index);
    *out_index = 0;
    OAI_REQUIRE(captions);
    OAI_REQUIRE(id);
    int64_t found = oai_caption_features_find(captions->features, id);
    if (found < 0) return oai_fail(OASSL_STATUS_NOT_FOUND, "no captions for id '%s'", id);
    *out_index = (uint64_t)found;
    return OASSL_STATUS_OK;
}

oassl_status oassl_captions_sample(const oassl_captions *captions, uint64_t index, oassl_caption_sample *out_sample) {
    OAI_REQUIRE(captions);
    OAI_REQUIRE(out_sample);
    uint32_t bytes = out_sample->struct_size;
    if (bytes < sizeof bytes)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT,
                        "oassl_captions_sample: out_sample.struct_size is %u; start from the INIT macro", bytes);
    const oai_caption_features *features = captions->features;
    oassl_caption_sample own = {.struct_size = bytes};
    oassl_status status = OASSL_STATUS_OK;
    if (index < (uint64_t)features->n_samples) {
        own.n_foreground = oai_caption_features_k(features, (int64_t)index);
        own.id = features->ids[index];
        own.foreground = oai_caption_features_foreground(features, (int64_t)index);
        own.background = oai_caption_features_background(features, (int64_t)index);
    } else {
        status = oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "oassl_captions_sample: index %llu of %lld samples",
                          (unsigned long long)index, (long long)features->n_samples);
    }
    memcpy(out_sample, &own, bytes < sizeof own ? bytes : sizeof own);
    return status;
}

oassl_status oassl_captions_compose(const oassl_captions *captions, const uint64_t *indices, uint32_t n_indices,
                                    uint32_t max_foreground, float *out_foreground, uint32_t *out_n_foreground,
                                    float *out_background, int32_t *out_has_background) {
    OAI_REQUIRE(captions);
    OAI_REQUIRE(indices);
    OAI_REQUIRE(out_foreground);
    OAI_REQUIRE(out_n_foreground);
    OAI_REQUIRE(out_background);
    OAI_REQUIRE(out_has_background);
    if (n_indices == 0) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "oassl_captions_compose: no indices");
    bool has_background;
    /* Indices beyond 2^63 become negative and are refused as such. */
    oassl_status status =
        oai_caption_features_compose(captions->features, (const int64_t *)indices, n_indices, max_foreground,
                                     out_foreground, out_n_foreground, out_background, &has_background);
    *out_has_background = has_background;
    return status;
}
