#include <math.h>
#include <string.h>

#include "base/json.h"
#include "localize/session.h"

/* Values may be text or numbers; what is missing keeps its default. */
static oassl_status read_training(const char *text, oassl_image_options *image, oassl_audio_options *audio, bool *mean_mix) {
    json_t *object;
    OAI_TRY(oai_json_parse(text, strlen(text), "metadata oassl_training", 1, &object));
    oassl_status status = OASSL_STATUS_OK;
    int64_t size;
    const char *preset;
    if (oai_json_has(object, "image_size")) {
        status = oai_json_integer(object, "image_size", 0, 8192, &size);
        if (status == OASSL_STATUS_OK) image->size = (int32_t)size;
    }
    if (status == OASSL_STATUS_OK && oai_json_has(object, "audio_preset")) {
        status = oai_json_string(object, "audio_preset", &preset);
        if (status == OASSL_STATUS_OK && strcmp(preset, "default") != 0) status = oai_audio_preset_find(preset, &audio->preset);
    }
    const char *mix = json_string_value(json_object_get(object, "mix_mode"));
    *mean_mix = mix && strcmp(mix, "waveform_mean") == 0;
    json_decref(object);
    return status;
}

static oassl_status read_calibration(const char *text, oai_hearing *hearing) {
    json_t *object;
    OAI_TRY(oai_json_parse(text, strlen(text), "metadata " OAI_CALIBRATION_KEY, 1, &object));
    oassl_status status = oai_json_number(object, "scale", &hearing->scale);
    if (status == OASSL_STATUS_OK) status = oai_json_number(object, "offset", &hearing->offset);
    hearing->calibrated = status == OASSL_STATUS_OK;
    json_decref(object);
    return status;
}

oassl_status oai_hearing_of(const oai_store *store, oai_hearing *out_hearing) {
    memset(out_hearing, 0, sizeof *out_hearing);
    oassl_image_options image = OASSL_IMAGE_OPTIONS_INIT;
    oassl_audio_options audio = OASSL_AUDIO_OPTIONS_INIT;
    const char *training = oai_store_metadata(store, "oassl_training");
    const char *calibration = oai_store_metadata(store, OAI_CALIBRATION_KEY);
    if (training) OAI_TRY(read_training(training, &image, &audio, &out_hearing->mean_mix));
    if (calibration) OAI_TRY(read_calibration(calibration, out_hearing));
    OAI_TRY(oai_image_resolve(&image, &out_hearing->image));
    return oai_audio_resolve(&audio, &out_hearing->audio);
}

double oai_confidence(const oai_hearing *hearing, double similarity) {
    if (!hearing->calibrated) return 0.5 * (1 + similarity);
    return 1 / (1 + exp(-(hearing->scale * similarity + hearing->offset)));
}
