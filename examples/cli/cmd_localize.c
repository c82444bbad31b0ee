#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const cli_command command = {
    "localize", "find a sound in a picture", "--model W --image I --audio A [options]",
    "Prints each source's peak, box, similarity and confidence; --out draws the heat-map and the boxes over the picture,\n"
    "--map writes the maps as a NumPy array [K, height, width].\n\n"
    "example:\n  oassl localize --model run/best.safetensors --image band.jpg --audio band.wav --sources 2 --out overlay.png\n"};

static const uint8_t colors[8][3] = {{255, 255, 255}, {0, 255, 255}, {255, 255, 0}, {255, 0, 255},
                                     {0, 255, 0},     {255, 128, 0}, {128, 128, 255}, {255, 128, 192}};

/* The loudest of the source maps at each pixel, each scaled to 0..1. */
static oassl_status draw(const oassl_context *context, const oassl_image *picture, const oassl_localization *found, const char *path) {
    size_t n = (size_t)found->width * found->height;
    float *map = calloc(n, sizeof *map);
    if (!map) return OASSL_STATUS_OUT_OF_MEMORY;
    oassl_overlay_mark marks[16];
    for (uint32_t k = 0; k < found->n_sources; k++) {
        const oassl_localized_source *s = &found->sources[k];
        float low = s->map[0];
        for (size_t p = 1; p < n; p++)
            if (s->map[p] < low) low = s->map[p];
        for (size_t p = 0; p < n; p++) {
            float value = s->peak > low ? (s->map[p] - low) / (s->peak - low) : 0;
            if (value > map[p]) map[p] = value;
        }
        marks[2 * k] = (oassl_overlay_mark){OASSL_OVERLAY_MARK_BOX, (float)s->box[0], (float)s->box[1], (float)s->box[2], (float)s->box[3],
                                            {colors[k][0], colors[k][1], colors[k][2]}, 0};
        marks[2 * k + 1] = marks[2 * k];
        marks[2 * k + 1].kind = OASSL_OVERLAY_MARK_PEAK;
        marks[2 * k + 1].x0 = (float)s->peak_x + 0.5f;
        marks[2 * k + 1].y0 = (float)s->peak_y + 0.5f;
    }
    oassl_image overlay;
    oassl_status status = oassl_image_overlay(context, NULL, picture, map, (int32_t)found->width, (int32_t)found->height, marks,
                                              2 * found->n_sources, &overlay);
    free(map);
    if (status != OASSL_STATUS_OK) return status;
    status = oassl_image_save_png(context, path, &overlay);
    oassl_image_free(context, &overlay);
    return status;
}

static oassl_status save_maps(const oassl_context *context, const oassl_localization *found, const char *path) {
    size_t n = (size_t)found->width * found->height;
    float *maps = malloc(found->n_sources * n * sizeof *maps);
    if (!maps) return OASSL_STATUS_OUT_OF_MEMORY;
    for (uint32_t k = 0; k < found->n_sources; k++) memcpy(maps + k * n, found->sources[k].map, n * sizeof *maps);
    oassl_tensor view = {.data = maps, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = 3,
                         .shape = {found->n_sources, found->height, found->width},
                         .strides = {(int64_t)n, found->width, 1}};
    oassl_status status = oassl_tensor_save_npy(context, path, &view);
    free(maps);
    return status;
}

static void report(const oassl_localization *found) {
    json_t *list = json_array();
    for (uint32_t k = 0; k < found->n_sources; k++) {
        const oassl_localized_source *s = &found->sources[k];
        if (common.json)
            json_array_append_new(list, json_pack("{s:[i,i], s:[i,i,i,i], s:f, s:f, s:f}", "peak", s->peak_x, s->peak_y, "box", s->box[0], s->box[1],
                                                  s->box[2], s->box[3], "value", s->peak, "similarity", s->similarity, "confidence", s->confidence));
        else
            printf("source %u: peak (%d, %d), box (%d, %d, %d, %d), similarity %.3f, confidence %.3f\n", k, s->peak_x, s->peak_y, s->box[0],
                   s->box[1], s->box[2], s->box[3], s->similarity, s->confidence);
    }
    if (common.json)
        cli_print_json(json_pack("{s:i, s:i, s:f, s:b, s:o}", "width", found->width, "height", found->height, "confidence", found->confidence,
                                 "calibrated", found->calibrated, "sources", list));
    else json_decref(list);
}

static oassl_status localize(oassl_context *context, oassl_localizer *localizer, const char *image_path, const char *audio_path,
                             const char *out, const char *map) {
    oassl_image picture = {0};
    oassl_audio sound = {0};
    const oassl_localization *found = NULL;
    oassl_status status = oassl_image_load(context, image_path, &picture);
    if (status == OASSL_STATUS_OK) status = oassl_audio_load(context, audio_path, &sound);
    if (status == OASSL_STATUS_OK) status = oassl_localizer_run(localizer, &picture, &sound, &found);
    if (status == OASSL_STATUS_OK && out) status = draw(context, &picture, found, out);
    if (status == OASSL_STATUS_OK && map) status = save_maps(context, found, map);
    if (status == OASSL_STATUS_OK) report(found);
    oassl_audio_free(context, &sound);
    oassl_image_free(context, &picture);
    return status;
}

int cmd_localize(int argc, char **argv) {
    const char *model_path = NULL, *image = NULL, *audio = NULL, *out = NULL, *map = NULL;
    uint64_t sources = 0, width = 0, height = 0;
    const cli_option table[] = {
        {"--model", CLI_TEXT, &model_path, "W", "weights (safetensors)", true},
        {"--image", CLI_TEXT, &image, "I", "picture (JPEG, PNG)", true},
        {"--audio", CLI_TEXT, &audio, "A", "sound (any format libsndfile reads)", true},
        {"--sources", CLI_UINT, &sources, "K", "how many sources to separate, 1 to 8; default 1", false},
        {"--out", CLI_TEXT, &out, "PNG", "overlay to write", false},
        {"--map", CLI_TEXT, &map, "NPY", "heat-maps to write", false},
        {"--input-width", CLI_UINT, &width, "PIXELS", "network input; default: the model's square", false},
        {"--input-height", CLI_UINT, &height, "PIXELS", "", false},
        CLI_IDENTIFY_OPTION,
        CLI_PRECISION_OPTION,
        CLI_COMMON_OPTIONS,
        CLI_END,
    };
    int code = cli_parse(&command, table, argc, argv);
    if (code >= 0) return code;
    int32_t precision = OASSL_PRECISION_F32;
    oassl_localizer_options options = OASSL_LOCALIZER_OPTIONS_INIT;
    if ((code = cli_precision(&command, &precision)) >= 0) return code;
    if ((code = cli_identify(&command, &options.identify)) >= 0) return code;
    oassl_context *context = cli_open(&code);
    if (!context) return code;
    oassl_model *model = NULL;
    oassl_localizer *localizer = NULL;
    options.n_sources = (uint32_t)sources;
    options.input_width = (uint32_t)width;
    options.input_height = (uint32_t)height;
    oassl_status status = cli_load_model(context, model_path, precision, &model);
    if (status == OASSL_STATUS_OK) status = oassl_localizer_create(model, &options, &localizer);
    if (status == OASSL_STATUS_OK) status = localize(context, localizer, image, audio, out, map);
    code = status == OASSL_STATUS_OK ? 0 : cli_failed(status);
    oassl_localizer_destroy(localizer);
    oassl_model_destroy(model);
    oassl_context_destroy(context);
    return code;
}
