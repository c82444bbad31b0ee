/* Where in the picture does the sound come from?
 *
 *   cc localize.c -o localize $(pkg-config --cflags --libs oassl)
 *   ./localize model.safetensors band.jpg band.wav overlay.png */
#include <oassl/oassl.h>
#include <stdio.h>

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, oassl_last_error());
    return 1;
}

/* The picture with the heat-map over it and a cross at the peak. */
static oassl_status draw(const oassl_context *context, const oassl_image *picture, const oassl_localization *found,
                         const char *path) {
    const oassl_localized_source *source = &found->sources[0];
    const oassl_overlay_mark peak = {.kind = OASSL_OVERLAY_MARK_PEAK,
                                     .x0 = (float)source->peak_x + 0.5f,
                                     .y0 = (float)source->peak_y + 0.5f,
                                     .rgb = {255, 255, 255}};
    oassl_image overlay;
    oassl_status status = oassl_image_overlay(context, NULL, picture, source->map, (int32_t)found->width,
                                              (int32_t)found->height, &peak, 1, &overlay);
    if (status != OASSL_STATUS_OK) return status;
    status = oassl_image_save_png(context, path, &overlay);
    oassl_image_free(context, &overlay);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 4) return fprintf(stderr, "usage: localize MODEL PICTURE SOUND [OVERLAY.png]\n"), 2;
    oassl_context *context = NULL;
    oassl_model *model = NULL;
    oassl_localizer *localizer = NULL;
    oassl_image picture = {0};
    oassl_audio sound = {0};
    const oassl_localization *found = NULL;
    int code = 0;

    if (oassl_context_create(NULL, &context) != OASSL_STATUS_OK) return failed("no context");
    if (oassl_model_load(context, argv[1], NULL, &model) != OASSL_STATUS_OK ||
        oassl_localizer_create(model, NULL, &localizer) != OASSL_STATUS_OK)
        code = failed("model");
    else if (oassl_image_load(context, argv[2], &picture) != OASSL_STATUS_OK)
        code = failed("picture");
    else if (oassl_audio_load(context, argv[3], &sound) != OASSL_STATUS_OK)
        code = failed("sound");
    else if (oassl_localizer_run(localizer, &picture, &sound, &found) != OASSL_STATUS_OK)
        code = failed("localisation");
    else {
        const oassl_localized_source *source = &found->sources[0];
        printf("loudest at (%d, %d), box (%d, %d, %d, %d), confidence %.2f\n", (int)source->peak_x,
               (int)source->peak_y, (int)source->box[0], (int)source->box[1], (int)source->box[2], (int)source->box[3],
               source->confidence);
        if (argc > 4 && draw(context, &picture, found, argv[4]) != OASSL_STATUS_OK) code = failed("overlay");
    }

    /* In the reverse order of creation; NULL and zeroed views are legal. */
    oassl_audio_free(context, &sound);
    oassl_image_free(context, &picture);
    oassl_localizer_destroy(localizer);
    oassl_model_destroy(model);
    oassl_context_destroy(context);
    return code;
}
