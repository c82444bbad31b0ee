#include "train/options.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "loss/loss.h"

/* ---- the table ---------------------------------------------------------------------------------------------- */

enum { FIELD_U32, FIELD_U64, FIELD_CHOICE, FIELD_FLAG, FIELD_DOUBLE };

typedef struct oai_field {
    const char *name;
    int kind;
    size_t offset;
    const char *const *words; /* of a choice: word i is value i, NULL ends */
} oai_field;

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define FLAG(name) {#name, FIELD_FLAG, offsetof(oassl_trainer_options, name), NULL}
#define FIELD(name, kind) {#name, kind, offsetof(oassl_trainer_options, name), NULL}
#define CHOICE(name, ...) {#name, FIELD_CHOICE, offsetof(oassl_trainer_options, name), WORDS(__VA_ARGS__)}

static const oai_field fields[] = {
    CHOICE(task, "localize", "classify", "align"),
    FIELD(base_width, FIELD_U32),
    FIELD(image_size, FIELD_U32),
    FIELD(visual_stride, FIELD_U32),
    FIELD(audio_stride, FIELD_U32),
    CHOICE(audio_preset, "default", "oassl", "lvs", "ezvsl", "noprior", "noprior_train", "sslalignment",
           "sslalignment_avsbench", "sslalignment_foreign"),
    FIELD(audio_frames, FIELD_U32),
    FIELD(batch_size, FIELD_U32),
    FIELD(n_sources, FIELD_U32),
    CHOICE(mix_axis, "width", "height"),
    CHOICE(mix_mode, "waveform_sum", "waveform_mean", "logspec_mean"),
    FLAG(flip),
    FLAG(no_crop),
    FLAG(standardize_captions),
    FIELD(n_workers, FIELD_U32),
    FIELD(cache_mb, FIELD_U32),
    FIELD(seed, FIELD_U64),
    FIELD(n_steps, FIELD_U32),
    FIELD(n_epochs, FIELD_U32),
    FIELD(lr, FIELD_DOUBLE),
    FIELD(lr_visual, FIELD_DOUBLE),
    FIELD(lr_audio, FIELD_DOUBLE),
    FIELD(lr_text, FIELD_DOUBLE),
    FIELD(weight_decay, FIELD_DOUBLE),
    CHOICE(schedule, "constant", "cosine"),
    FIELD(warmup_steps, FIELD_U32),
    CHOICE(visual_bn, "default", "eval", "train"),
    FLAG(audio_bn_eval),
    FIELD(val_every, FIELD_U32),
    FIELD(save_every, FIELD_U32),
    FIELD(max_val, FIELD_U32),
    FLAG(deterministic),
    CHOICE(precision, "f32", "bf16", "int8", "f32_fast"),
    CHOICE(loss.kind, "oassl", "lvs", "oca", "ori", "lvs_maps", "ori_maps"),
    CHOICE(loss.preset, "default", "eq8"),
    FLAG(loss.allow_empty_background),
    FIELD(loss.lambda_base, FIELD_DOUBLE),
    FIELD(loss.lambda_oca, FIELD_DOUBLE),
    FIELD(loss.lambda_ori, FIELD_DOUBLE),
    FIELD(loss.lvs_positive, FIELD_DOUBLE),
    FIELD(loss.lvs_negative, FIELD_DOUBLE),
    FIELD(loss.lvs_width, FIELD_DOUBLE),
    FIELD(loss.lvs_temperature, FIELD_DOUBLE),
    FLAG(loss.lvs_exclude_diagonal),
    FLAG(loss.lvs_no_trimap),
    FLAG(loss.lvs_no_hard_negatives),
    CHOICE(loss.oca_rule, "visual_ref", "ref_ref"),
    FLAG(loss.oca_per_source),
    FIELD(loss.oca_positive, FIELD_DOUBLE),
    FIELD(loss.oca_negative, FIELD_DOUBLE),
    FIELD(loss.oca_width, FIELD_DOUBLE),
    FIELD(loss.oca_tau, FIELD_DOUBLE),
    FIELD(loss.oca_temperature, FIELD_DOUBLE),
    CHOICE(loss.ori_cost, "intensity_cost", "mass"),
    CHOICE(loss.ori_gradient, "unrolled", "envelope"),
    CHOICE(loss.ori_reduction, "batch_sum", "batch_mean"),
    CHOICE(loss.ori_transform, "raw", "relu", "half", "minmax"),
    CHOICE(loss.ori_coordinates, "unit", "grid"),
    FLAG(loss.ori_squared),
    FIELD(loss.ori_iterations, FIELD_U32),
    FIELD(loss.ori_epsilon, FIELD_DOUBLE),
    FIELD(loss.ori_stop, FIELD_DOUBLE),
    FIELD(loss.ori_spatial_weight, FIELD_DOUBLE),
};

enum { N_FIELDS = sizeof fields / sizeof fields[0] };

static const oai_field *find_field(const char *key) {
    for (size_t i = 0; i < N_FIELDS; i++)
        if (strcmp(fields[i].name, key) == 0) return &fields[i];
    return NULL;
}

static oassl_status not_fit(const char *key, const char *expected, const char *value) {
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "option %s: expected %s, found '%s'", key, expected, value);
}

/* ---- from text ---------------------------------------------------------------------------------------------- */

static oassl_status set_word(const oai_field *field, const char *value, int32_t *out_value) {
    char expected[256] = "one of";
    for (int32_t i = 0; field->words[i]; i++) {
        if (strcmp(field->words[i], value) == 0) {
            *out_value = i;
            return OASSL_STATUS_OK;
        }
        strncat(expected, " ", sizeof expected - 1 - strlen(expected));
        strncat(expected, field->words[i], sizeof expected - 1 - strlen(expected));
    }
    return not_fit(field->name, expected, value);
}

/* strtod as in the C locale, whatever the program's is. */
static double to_double(const char *text, char **out_end) {
    locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0), before = c ? uselocale(c) : (locale_t)0;
    double value = strtod(text, out_end);
    if (c) {
        uselocale(before);
        freelocale(c);
    }
    return value;
}

oassl_status oai_options_set(oassl_trainer_options *options, const char *key, const char *value) {
    const oai_field *field = find_field(key);
    if (!field && strcmp(key, "init") == 0) {
        options->init = value;
        return OASSL_STATUS_OK;
    }
    if (!field) return oai_fail(OASSL_STATUS_NOT_FOUND, "option '%s' is not one of the training options", key);
    void *target = (char *)options + field->offset;
    if (field->words) return set_word(field, value, target);
    char *end;
    if (field->kind == FIELD_DOUBLE) {
        double number = to_double(value, &end);
        if (end == value || *end || !isfinite(number)) return not_fit(key, "a number", value);
        *(double *)target = number;
        return OASSL_STATUS_OK;
    }
    errno = 0;
    long long number = strtoll(value, &end, 10), most = field->kind == FIELD_FLAG ? 1 : field->kind == FIELD_U32 ? UINT32_MAX : INT64_MAX;
    if (end == value || *end || errno || number < 0 || number > most)
        return not_fit(key, field->kind == FIELD_FLAG ? "0 or 1" : "a whole number", value);
    if (field->kind == FIELD_U64) *(uint64_t *)target = (uint64_t)number;
    else *(uint32_t *)target = (uint32_t)number; /* flags are int32_t: 0 and 1 have the same bits */
    return OASSL_STATUS_OK;
}

/* ---- from and to JSON --------------------------------------------------------------------------------------- */

/* A real is fine for a number only; written out for the error, not to be read again. */
static oassl_status from_real(oassl_trainer_options *options, const char *key, double number) {
    const oai_field *field = find_field(key);
    char text[64];
    snprintf(text, sizeof text, "%g", number);
    if (!field || field->kind != FIELD_DOUBLE) return oai_options_set(options, key, text);
    *(double *)((char *)options + field->offset) = number;
    return OASSL_STATUS_OK;
}

oassl_status oai_options_from_json(oassl_trainer_options *options, const json_t *object, const char *source) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value) {
        char text[64];
        oassl_status status;
        if (strcmp(key, "init") == 0)
            status = oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "init is a path and is given beside the configuration");
        else if (json_is_string(value)) status = oai_options_set(options, key, json_string_value(value));
        else if (json_is_integer(value)) {
            snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
            status = oai_options_set(options, key, text);
        } else if (json_is_real(value)) {
            status = from_real(options, key, json_real_value(value));
        } else if (json_is_boolean(value)) status = oai_options_set(options, key, json_is_true(value) ? "1" : "0");
        else status = oai_json_unexpected(key, "a number or text", value);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "%s", source);
    }
    return OASSL_STATUS_OK;
}

static json_t *field_to_json(const oassl_trainer_options *options, const oai_field *field) {
    const void *source = (const char *)options + field->offset;
    if (field->words) return json_string(field->words[*(const int32_t *)source]);
    switch (field->kind) {
    case FIELD_U32: return json_integer(*(const uint32_t *)source);
    case FIELD_FLAG: return json_integer(*(const int32_t *)source);
    case FIELD_U64: return json_integer((json_int_t) * (const uint64_t *)source);
    default: return json_real(*(const double *)source);
    }
}

json_t *oai_options_to_json(const oassl_trainer_options *options) {
    json_t *object = json_object();
    for (size_t i = 0; object && i < N_FIELDS; i++)
        if (json_object_set_new(object, fields[i].name, field_to_json(options, &fields[i])) != 0) {
            json_decref(object);
            return NULL;
        }
    return object;
}

/* ---- defaults and limits ------------------------------------------------------------------------------------ */

static oassl_status check_range(const char *key, double value, double least, double most) {
    if (value >= least && value <= most) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "option %s: expected %g to %g, found %g", key, least, most, value);
}

static oassl_status check_choices(const oassl_trainer_options *options) {
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (fields[i].kind != FIELD_CHOICE && fields[i].kind != FIELD_FLAG) continue;
        int32_t value = *(const int32_t *)((const char *)options + fields[i].offset), n = fields[i].words ? 0 : 2;
        while (fields[i].words && fields[i].words[n]) n++;
        OAI_TRY(check_range(fields[i].name, value, 0, n - 1));
    }
    return OASSL_STATUS_OK;
}

static oassl_status check_stride(const char *key, uint32_t stride) {
    if (stride == 32 || stride == 16) return OASSL_STATUS_OK;
    return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "option %s: expected 32 or 16, found %u", key, stride);
}

#define DEFAULT(field, value)                                                                                         \
    do {                                                                                                              \
        if (!o.field) o.field = (value);                                                                              \
    } while (0)

oassl_status oai_options_resolve(const oassl_trainer_options *options, oassl_trainer_options *out_options) {
    oassl_trainer_options o = *options;
    DEFAULT(base_width, 64);
    DEFAULT(image_size, 224);
    DEFAULT(visual_stride, 32);
    DEFAULT(audio_stride, 32);
    DEFAULT(batch_size, 32);
    DEFAULT(n_sources, 1);
    DEFAULT(n_workers, 1);
    DEFAULT(cache_mb, 512);
    DEFAULT(n_epochs, 100);
    DEFAULT(lr, 1e-4);
    DEFAULT(lr_visual, 1);
    DEFAULT(lr_audio, 1);
    DEFAULT(lr_text, 1);
    DEFAULT(max_val, 256);
    DEFAULT(visual_bn, o.init ? OASSL_BN_EVAL : OASSL_BN_TRAIN);
    OAI_TRY(check_choices(&o));
    OAI_TRY(check_range("base_width", o.base_width, 1, 1024));
    OAI_TRY(check_range("image_size", o.image_size, 32, 4096));
    if (o.audio_frames) OAI_TRY(check_range("audio_frames", o.audio_frames, 32, 1e6));
    OAI_TRY(check_range("batch_size", o.batch_size, 1, 4096));
    OAI_TRY(check_range("n_sources", o.n_sources, 1, 8));
    OAI_TRY(check_range("n_workers", o.n_workers, 1, 64));
    OAI_TRY(check_range("lr", o.lr, 0, 1));
    OAI_TRY(check_range("lr_visual", o.lr_visual, -1e6, 1e6));
    OAI_TRY(check_range("lr_audio", o.lr_audio, 0, 1e6));
    OAI_TRY(check_range("lr_text", o.lr_text, 0, 1e6));
    OAI_TRY(check_range("weight_decay", o.weight_decay, 0, 1));
    if (o.seed > INT64_MAX) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "option seed: expected at most %lld", (long long)INT64_MAX);
    if (o.precision == OASSL_PRECISION_INT8)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "option precision: training takes f32, f32_fast or bf16; int8 is for inference");
    OAI_TRY(check_stride("visual_stride", o.visual_stride));
    OAI_TRY(check_stride("audio_stride", o.audio_stride));
    if (o.task == OASSL_TASK_LOCALIZE) OAI_TRY(oai_loss_options_resolve(&options->loss, &o.loss));
    if (o.task != OASSL_TASK_LOCALIZE && o.n_sources != 1)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "option n_sources: pre-training takes single pictures, found %u", o.n_sources);
    if (o.loss.kind != OASSL_LOSS_OASSL)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "option loss.kind: training takes oassl, whose lambdas switch its terms on and off");
    *out_options = o;
    return OASSL_STATUS_OK;
}
