#include "localize/session.h"

#include <math.h>
#include <string.h>

#include "dsp/audio_file.h"
#include "dsp/picture_file.h"
#include "dsp/resize.h"
#include "localize/locate.h"
#include "localize/region.h"

struct oai_session {
    const oai_host *host;
    oai_features *features;
    oai_hearing hearing;
    uint32_t n_sources;
    int distance, rule;
    int64_t width, height;           /* network input */
    int64_t channels, grid_width, grid_height;
    float *input;                    /* [3, height, width] */
    float *visual;                   /* [channels, grid] */
    float *audio;                    /* [channels] */
    float *grids;                    /* [n_sources, grid] */
    float *maps;                     /* [n_sources, picture], as large as the largest picture so far */
    size_t maps_bytes;
    oassl_localized_source sources[OAI_MAX_SOURCES];
    oassl_localization found;
};

/* ---- creation ----------------------------------------------------------------------------------------------- */

static oassl_status allocate(oai_session *s) {
    size_t grid = (size_t)(s->grid_width * s->grid_height), input = (size_t)(3 * s->width * s->height);
    s->input = oai_alloc(s->host, input * sizeof(float));
    s->visual = oai_alloc(s->host, (size_t)s->channels * grid * sizeof(float));
    s->audio = oai_alloc(s->host, (size_t)s->channels * sizeof(float));
    s->grids = oai_alloc(s->host, s->n_sources * grid * sizeof(float));
    if (s->input && s->visual && s->audio && s->grids) return OASSL_STATUS_OK;
    return oai_no_memory((input + (size_t)s->channels * grid) * sizeof(float), "a localizer");
}

static oassl_status check_options(const oassl_localizer_options *o, const oai_hearing *hearing) {
    if (o->n_sources > OAI_MAX_SOURCES)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "n_sources: expected 1 to %d, found %u", OAI_MAX_SOURCES, o->n_sources);
    if ((o->input_width == 0) != (o->input_height == 0))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "input_width and input_height: give both or neither");
    if (o->input_width && (o->input_width < 32 || o->input_height < 32 || o->input_width > 8192 || o->input_height > 8192))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "network input: expected sides of 32 to 8192 pixels, found %u x %u", o->input_width,
                        o->input_height);
    if (o->identify != OASSL_IDENTIFY_PUBLISHED && o->identify != OASSL_IDENTIFY_SUPPRESS)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "identify: expected 0 or 1, found %d", o->identify);
    if (hearing->audio.rate == OASSL_AUDIO_RATE_OF_SOURCE)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "the model hears sound at its file's rate: a localizer needs one rate");
    return OASSL_STATUS_OK;
}

oassl_status oai_session_create(const oai_host *host, oai_features *features, const oai_net_config *config,
                                const oai_hearing *hearing, const oassl_localizer_options *options, oai_session **out_session) {
    *out_session = NULL;
    oassl_localizer_options o = OASSL_LOCALIZER_OPTIONS_INIT;
    if (options) o = *options;
    OAI_TRY(check_options(&o, hearing));
    if (config->kind != OAI_NET_PAIR)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "localisation needs a picture-and-sound model; this one classifies pictures");
    oai_session *s = oai_calloc(host, 1, sizeof *s);
    if (!s) return oai_no_memory(sizeof *s, "a localizer");
    s->host = host;
    s->features = features;
    s->hearing = *hearing;
    s->n_sources = o.n_sources ? o.n_sources : 1;
    s->distance = o.known_distance;
    s->rule = o.identify;
    s->width = o.input_width ? o.input_width : (uint32_t)hearing->image.size;
    s->height = o.input_height ? o.input_height : (uint32_t)hearing->image.size;
    s->channels = oai_net_channels(config);
    s->grid_width = oai_resnet18_extent(&config->visual, s->width);
    s->grid_height = oai_resnet18_extent(&config->visual, s->height);
    oassl_status status = allocate(s);
    if (status != OASSL_STATUS_OK) {
        oai_session_destroy(s);
        return status;
    }
    *out_session = s;
    return OASSL_STATUS_OK;
}

void oai_session_destroy(oai_session *s) {
    if (!s) return;
    float *blocks[] = {s->input, s->visual, s->audio, s->grids, s->maps};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) oai_free(s->host, blocks[i]);
    oai_free(s->host, s);
}

/* ---- picture ------------------------------------------------------------------------------------------------ */

static bool is_square(const oai_session *s) { return s->width == s->hearing.image.size && s->height == s->hearing.image.size; }

static void normalize(const oai_image_rules *rules, const uint8_t *rgb, size_t n, float *out) {
    for (size_t p = 0; p < n; p++)
        for (size_t c = 0; c < 3; c++) out[c * n + p] = ((float)rgb[3 * p + c] / 255.0f - rules->mean[c]) / rules->std[c];
}

/* An input that is not the square the model was trained with takes the whole picture, stretched. */
static oassl_status stretch(oai_session *s, const oassl_image *picture) {
    oassl_image resized;
    OAI_TRY(oai_picture_alloc(s->host, s->width, s->height, &resized));
    oassl_status status = oai_resize_u8(s->host, picture->rgb, picture->width, picture->height, oai_picture_row_bytes(picture), 3,
                                        OASSL_RESIZE_PILLOW_BICUBIC, resized.rgb, resized.width, resized.height,
                                        oai_picture_row_bytes(&resized));
    if (status == OASSL_STATUS_OK) normalize(&s->hearing.image, resized.rgb, (size_t)(s->width * s->height), s->input);
    oai_picture_release(s->host, &resized);
    return status;
}

static oassl_status see(oai_session *s, const oassl_image *picture, oai_image_plan *plan) {
    OAI_TRY(oai_picture_check(picture));
    OAI_TRY(oai_image_plan_test(&s->hearing.image, picture->width, picture->height, plan));
    if (is_square(s)) OAI_TRY(oai_image_apply(s->host, plan, picture, s->input, s->height * s->width, s->width));
    else OAI_TRY(stretch(s, picture));
    return oai_features_visual(s->features, 1, s->height, s->width, s->input, s->visual, NULL);
}

/* ---- sound -------------------------------------------------------------------------------------------------- */

static oassl_status hear(oai_session *s, const oassl_audio *sound) {
    const oai_audio_rules *rules = &s->hearing.audio;
    OAI_TRY(oai_audio_check(sound));
    OAI_TRY(oai_audio_check_finite(sound));
    int64_t n = oai_audio_need(rules, sound->rate), columns = oai_audio_columns(rules, sound->rate);
    double *excerpt = oai_alloc(s->host, (size_t)n * sizeof *excerpt);
    float *logspec = oai_alloc(s->host, (size_t)(OASSL_LOGSPEC_ROWS * columns) * sizeof *logspec);
    oassl_status status = excerpt && logspec ? OASSL_STATUS_OK : oai_no_memory((size_t)n * sizeof *excerpt, "a sound's excerpt");
    if (status == OASSL_STATUS_OK) status = oai_audio_excerpt(s->host, rules, sound, NULL, excerpt);
    if (status == OASSL_STATUS_OK)
        status = oai_audio_logspec(s->host, rules, excerpt, n, oai_audio_rate(rules, sound->rate), logspec);
    if (status == OASSL_STATUS_OK)
        status = oai_features_audio(s->features, 1, OASSL_LOGSPEC_ROWS, columns, logspec, s->audio);
    oai_free(s->host, logspec);
    oai_free(s->host, excerpt);
    return status;
}

/* ---- results ------------------------------------------------------------------------------------------------ */

static oassl_status check_grids(const oai_session *s) {
    size_t n = s->n_sources * (size_t)(s->grid_width * s->grid_height);
    for (size_t p = 0; p < n; p++)
        if (!isfinite(s->grids[p]))
            return oai_fail(OASSL_STATUS_NON_FINITE, "the similarity map is %g at position %zu: the weights do not fit the input or are not finite",
                            s->grids[p], p);
    return OASSL_STATUS_OK;
}

static oassl_status reserve_maps(oai_session *s, const oassl_image *picture) {
    size_t bytes = s->n_sources * (size_t)picture->width * (size_t)picture->height * sizeof(float);
    if (bytes <= s->maps_bytes) return OASSL_STATUS_OK;
    float *maps = oai_alloc(s->host, bytes);
    if (!maps) return oai_no_memory(bytes, "heat-maps at picture size");
    oai_free(s->host, s->maps);
    s->maps = maps;
    s->maps_bytes = bytes;
    return OASSL_STATUS_OK;
}

static oassl_status enlarge(const oai_session *s, const oai_image_plan *plan, const float *grid, float *out_map) {
    int32_t width = (int32_t)s->grid_width, height = (int32_t)s->grid_height;
    if (is_square(s)) return oai_map_to_picture(s->host, plan, grid, width, height, OASSL_RESIZE_BILINEAR, out_map);
    return oai_resize_f32(s->host, grid, width, height, width, OASSL_RESIZE_BILINEAR, out_map, plan->picture_width,
                          plan->picture_height, plan->picture_width);
}

static oassl_status describe_source(oai_session *s, const oai_image_plan *plan, uint32_t k, float similarity) {
    size_t pixels = (size_t)plan->picture_width * (size_t)plan->picture_height;
    const float *grid = s->grids + k * (size_t)(s->grid_width * s->grid_height);
    float *map = s->maps + k * pixels;
    oai_region region;
    OAI_TRY(enlarge(s, plan, grid, map));
    OAI_TRY(oai_find_region(s->host, map, plan->picture_width, plan->picture_height, &region));
    oassl_localized_source *source = &s->sources[k];
    *source = (oassl_localized_source){.map = map, .grid = grid, .peak_x = region.peak_x, .peak_y = region.peak_y,
                                       .peak = region.peak, .similarity = similarity};
    source->confidence = (float)oai_confidence(&s->hearing, similarity);
    memcpy(source->box, region.box, sizeof source->box);
    return OASSL_STATUS_OK;
}

oassl_status oai_session_run(oai_session *s, const oassl_image *picture, const oassl_audio *sound,
                             const oassl_localization **out_found) {
    *out_found = NULL;
    oai_image_plan plan;
    uint32_t picks[OAI_MAX_SOURCES];
    float similarity[OAI_MAX_SOURCES];
    OAI_TRY(see(s, picture, &plan));
    OAI_TRY(hear(s, sound));
    oai_features_view view = {s->visual, s->audio, s->channels, s->grid_height, s->grid_width};
    OAI_TRY(oai_locate(s->host, &view, s->n_sources, s->distance, s->rule, s->grids, picks, similarity));
    OAI_TRY(check_grids(s));
    OAI_TRY(reserve_maps(s, picture));
    s->found = (oassl_localization){.struct_size = sizeof s->found, .n_sources = s->n_sources, .sources = s->sources,
                                    .width = (uint32_t)picture->width, .height = (uint32_t)picture->height,
                                    .grid_width = (uint32_t)s->grid_width, .grid_height = (uint32_t)s->grid_height,
                                    .calibrated = s->hearing.calibrated};
    for (uint32_t k = 0; k < s->n_sources; k++) {
        OAI_TRY(describe_source(s, &plan, k, similarity[k]));
        if (k == 0 || s->sources[k].confidence > s->found.confidence) s->found.confidence = s->sources[k].confidence;
    }
    *out_found = &s->found;
    return OASSL_STATUS_OK;
}
