/* Training checkpoints: a good one with other metadata and damaged bytes, resumed from and trained on for a step.
 *
 * Input: the text of oassl_progress, a line "====", the text of oassl_training ("" = the right one), a line "====", then
 * changes of four bytes each: position (three bytes) and value. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/safetensors.h"
#include "fuzz.h"
#include "oassl/oassl.h"
#include "oassl/trainer.h"
#include "train/checkpoint.h"

enum { SIDE = 32, CLASSES = 2 };

static oassl_context *context(void) {
    static oassl_context *made;
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    const oai_host *host = fuzz_host();
    options.backend = "reference", options.n_threads = 1;
    options.alloc = host->alloc, options.free = host->free;
    if (!made && oassl_context_create(&options, &made) != OASSL_STATUS_OK) fuzz_fail("no context: %s", oassl_last_error());
    return made;
}

static oassl_trainer *make_trainer(void) {
    oassl_trainer_options options = OASSL_TRAINER_OPTIONS_INIT;
    oassl_trainer_shape shape = {sizeof shape, SIDE, SIDE, .n_classes = CLASSES};
    oassl_trainer *trainer;
    options.task = OASSL_TASK_CLASSIFY;
    options.base_width = 1, options.image_size = SIDE, options.batch_size = 1, options.n_steps = 10, options.save_every = 1;
    if (oassl_trainer_create_fed(context(), &options, &shape, fuzz_folder(), &trainer) != OASSL_STATUS_OK)
        fuzz_fail("no trainer: %s", oassl_last_error());
    return trainer;
}

static oassl_status step(oassl_trainer *trainer) {
    static float pictures[3 * SIDE * SIDE], targets[CLASSES] = {1};
    oassl_tensor p = {.data = pictures, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = 4, .shape = {1, 3, SIDE, SIDE},
                      .strides = {3 * SIDE * SIDE, SIDE * SIDE, SIDE, 1}};
    oassl_tensor t = {.data = targets, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = 2, .shape = {1, CLASSES}, .strides = {CLASSES, 1}};
    oassl_trainer_batch batch = {sizeof batch, .pictures = &p, .targets = &t};
    for (int k = 0; k < 3 * SIDE * SIDE; k++) pictures[k] = (float)(k % 7) * 0.25f;
    return oassl_trainer_step_batch(trainer, &batch);
}

/* A checkpoint of one step. */
static const char *good_file(void) {
    static char path[512];
    if (path[0]) return path;
    oassl_trainer *trainer = make_trainer();
    if (step(trainer) != OASSL_STATUS_OK) fuzz_fail("no first step: %s", oassl_last_error());
    oassl_trainer_destroy(trainer);
    char last[512];
    strcat(strcpy(last, fuzz_folder()), "/last.safetensors");
    strcat(strcpy(path, fuzz_folder()), "/good.safetensors");
    if (rename(last, path) != 0) fuzz_fail("no checkpoint");
    return path;
}

static void write_with(const char *path, const char *progress, const char *training) {
    oai_safetensors *file;
    const oai_host *host = &oai_default_host;
    if (oai_safetensors_open(host, good_file(), &file) != OASSL_STATUS_OK) fuzz_fail("%s", oassl_last_error());
    uint32_t n = oai_safetensors_count(file);
    oai_stored_tensor *tensors = calloc(n, sizeof *tensors);
    if (!tensors) fuzz_fail("no memory");
    for (uint32_t i = 0; i < n; i++) tensors[i] = *oai_safetensors_at(file, i);
    oai_metadata metadata[2] = {{OAI_PROGRESS_KEY, progress}, {OAI_TRAINING_KEY, *training ? training : oai_safetensors_metadata(file, OAI_TRAINING_KEY)}};
    if (oai_safetensors_write(host, path, tensors, n, metadata, 2) != OASSL_STATUS_OK) fuzz_put("last.safetensors", progress, strlen(progress));
    free(tensors);
    oai_safetensors_close(file);
}

static char *text_of(const fuzz_part *part) {
    size_t n = part->bytes && part->data[part->bytes - 1] == '\n' ? part->bytes - 1 : part->bytes;
    char *text = malloc(n + 1);
    if (!text) fuzz_fail("no memory");
    if (n > 0) memcpy(text, part->data, n);
    text[n] = 0;
    return text;
}

static void damage(const char *path, const fuzz_part *changes) {
    char *data;
    size_t bytes;
    if (oai_file_read(&oai_default_host, path, SIZE_MAX, &data, &bytes) != OASSL_STATUS_OK) fuzz_fail("%s", oassl_last_error());
    for (size_t k = 0; k + 4 <= changes->bytes && bytes > 0; k += 4) {
        const uint8_t *c = changes->data + k;
        data[((size_t)c[0] << 16 | (size_t)c[1] << 8 | c[2]) % bytes] = (char)c[3];
    }
    fuzz_put("last.safetensors", data, bytes);
    oai_free(&oai_default_host, data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static oassl_trainer *trainer; /* as long as nothing could be resumed */
    fuzz_part parts[3], none = {data, 0};
    size_t n = fuzz_split(data, bytes, parts, 3);
    char *progress = text_of(&parts[0]), *training = text_of(n > 1 ? &parts[1] : &none);
    char last[512];
    strcat(strcpy(last, fuzz_folder()), "/last.safetensors");
    good_file();
    if (!trainer) trainer = make_trainer();
    write_with(last, progress, training);
    if (n > 2) damage(last, &parts[2]);
    fuzz_begin(((uint64_t)4 << 20) + 64 * (uint64_t)bytes);
    oassl_status status = oassl_trainer_resume(trainer);
    fuzz_check(status, "oassl_trainer_resume");
    fuzz_end();
    if (status == OASSL_STATUS_OK) {
        fuzz_begin((uint64_t)64 << 20);
        status = step(trainer);
        fuzz_check(status, "oassl_trainer_step_batch");
        oassl_trainer_destroy(trainer);
        trainer = NULL;
    }
    free(training);
    free(progress);
    return 0;
}
