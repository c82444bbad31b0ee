/* Records as evaluation sees them: boxes, frames, masks and mixtures of a manifest over hostile pictures, scored by every
 * protocol.
 *
 * Input: parts with "====" lines between them: the manifest, the picture, the mask.  Its records find them as a.png and
 * m.png (a.jpg and m.jpg), and a sound as a.wav. */
#include <stdio.h>
#include <string.h>

#include "dsp/audio_file.h"
#include "fuzz.h"
#include "localize/scene.h"
#include "metric/metric.h"
#include "oassl/oassl.h"

/* Every second one: one metric does not take them all. */
static const char *protocols(uint32_t first) {
    static char names[2][1024];
    const char *name;
    if (names[first][0]) return names[first];
    for (uint32_t i = first; (name = oassl_metric_protocol(i)); i += 2) strcat(strcat(names[first], i > 1 ? "," : ""), name);
    return names[first];
}

static void put_sound(void) {
    static const int16_t samples[64] = {1000, -1000, 500};
    static bool done;
    if (done) return;
    oassl_audio sound = {.samples = (void *)samples, .frames = 64, .channels = 1, .rate = 16000, .format = OASSL_AUDIO_FORMAT_I16};
    char path[512];
    snprintf(path, sizeof path, "%s/a.wav", fuzz_folder());
    if (oai_audio_file_write_wav(&oai_default_host, path, &sound) != OASSL_STATUS_OK) fuzz_fail("no sound");
    done = true;
}

static void score(const oai_host *host, oassl_metric *metric, const oai_scene *scene, const char *id) {
    float values[4 * 4];
    for (int k = 0; k < 16; k++) values[k] = (float)(k * 5 % 16) / 16;
    oassl_tensor map = {.data = values, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = 2, .shape = {4, 4}, .strides = {4, 1}}, maps[2] = {map, map};
    double confidence = 0.5;
    oassl_metric_sample sample = {.id = id, .maps = maps, .n_maps = 2, .sources = scene->sources, .n_sources = scene->n_sources, .silent = scene->silent,
                                  .n_silent = scene->n_silent, .width = scene->picture.width, .height = scene->picture.height, .n_parts = scene->n_parts,
                                  .axis = scene->axis, .group = scene->group, .confidence = &confidence, .object = &map};
    /* Truths at the pictures' own sizes. */
    fuzz_allow(64 * (uint64_t)sample.width * (uint64_t)sample.height);
    fuzz_check(oai_metric_add(metric, &sample), "oai_metric_add");
    (void)host;
}

static void look_at(const oai_host *host, const oassl_manifest *m, const oai_hearing *hearing, oassl_metric *metric) {
    for (uint64_t i = 0; i < oai_manifest_count(m) && i < 8; i++) {
        const oassl_record *record = oai_manifest_at(m, i);
        if (!oai_scene_usable(m, record)) continue;
        oai_scene_labels_differ(m, record, oai_manifest_at(m, 0));
        oai_scene scene;
        oassl_status status = oai_scene_load(host, m, hearing, record, record, &scene);
        fuzz_check(status, "oai_scene_load");
        if (status == OASSL_STATUS_OK) score(host, metric, &scene, record->id);
        oai_scene_free(&scene);
    }
}

static void evaluate(const oai_host *host, const oassl_manifest *m, const oai_hearing *hearing, const char *names) {
    oassl_metric_options options = OASSL_METRIC_OPTIONS_INIT;
    oassl_metric *metric;
    oassl_metric_result result = OASSL_METRIC_RESULT_INIT;
    const oai_figures *figures;
    options.size = 16, options.protocols = names;
    if (oai_metric_create(host, &options, &metric) != OASSL_STATUS_OK) fuzz_fail("no metric: %s", oassl_last_error());
    look_at(host, m, hearing, metric);
    fuzz_check(oai_metric_compute(metric, &result), "oai_metric_compute");
    fuzz_check(oai_metric_figures(metric, &figures), "oai_metric_figures");
    oai_metric_free(metric);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_part parts[3];
    size_t n = fuzz_split(data, bytes, parts, 3);
    const fuzz_part *picture = &parts[n > 1 ? 1 : 0], *mask = &parts[n - 1];
    put_sound();
    fuzz_put("a.png", picture->data, picture->bytes), fuzz_put("a.jpg", picture->data, picture->bytes);
    fuzz_put("m.png", mask->data, mask->bytes), fuzz_put("m.jpg", mask->data, mask->bytes);
    const char *path = fuzz_put("manifest.jsonl", parts[0].data, parts[0].bytes);
    /* A picture takes three bytes for each of 4096 pixels a byte, again as a mask and resized. */
    const oai_host *host = fuzz_begin(((uint64_t)32 << 20) + 65536 * (uint64_t)bytes);
    oassl_manifest *m;
    oai_hearing hearing = {.image = {.size = 16}};
    oassl_audio_options audio = OASSL_AUDIO_OPTIONS_INIT;
    audio.seconds = 0.1;
    if (oai_audio_resolve(&audio, &hearing.audio) != OASSL_STATUS_OK) fuzz_fail("%s", oassl_last_error());
    oassl_status status = oai_manifest_load(host, path, OASSL_MISSING_SKIP, &m);
    fuzz_check(status, "oai_manifest_load");
    if (status == OASSL_STATUS_OK) {
        for (uint32_t half = 0; half < 2; half++) evaluate(host, m, &hearing, protocols(half));
        oai_manifest_free(m);
    }
    fuzz_end();
    return 0;
}
