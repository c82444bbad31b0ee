/* The built-in data, a few clips of it, with captions: what training and localisation are tested on. */
#ifndef TEST_SUPPORT_TINY_SET_H
#define TEST_SUPPORT_TINY_SET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include <oassl/oassl.h>

#define MUST(call)                                                                                                    \
    do {                                                                                                              \
        if ((call) != OASSL_STATUS_OK) fail_msg("%s: %s", #call, oassl_last_error());                                 \
    } while (0)

#define TMP(name) OASSL_TEST_TMP "/" name

static inline void must_name(oassl_status status, oassl_status expected, const char *first, const char *second) {
    const char *text = oassl_last_error();
    if (status != expected)
        fail_msg("expected %s, found %s: %s", oassl_status_name(expected), oassl_status_name(status), text);
    if (!strstr(text, first)) fail_msg("expected '%s' in: %s", first, text);
    if (!strstr(text, second)) fail_msg("expected '%s' in: %s", second, text);
}

/* What the library logged, and when it is to be cancelled. */
typedef struct tiny_host {
    char log[4096];
    uint64_t cancel_at; /* of task "train"; 0 = never */
} tiny_host;

static inline void tiny_log(void *user, int32_t level, const char *text) {
    tiny_host *host = user;
    size_t used = strlen(host->log);
    snprintf(host->log + used, sizeof host->log - used, "%d %s\n", (int)level, text);
}

static inline int32_t tiny_progress(void *user, const char *task, uint64_t done, uint64_t total) {
    const tiny_host *host = user;
    return host->cancel_at > 0 && strcmp(task, "train") == 0 && done >= host->cancel_at && done < total;
}

/* backend NULL = the best; fails the test if there is none of that name.  host may be NULL. */
static inline oassl_context *tiny_context(const char *backend, tiny_host *host) {
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = backend;
    options.backend_path = OASSL_TEST_BACKENDS;
    options.n_threads = 1;
    if (host) {
        options.log = tiny_log;
        options.progress = tiny_progress;
        options.log_user = options.progress_user = host;
    }
    oassl_context *context;
    MUST(oassl_context_create(&options, &context));
    return context;
}

/* Clips with captions encoded to <folder>/captions.npz by a small random BERT of `text_width`; 0 = no captions. */
static inline void tiny_write(oassl_context *context, const char *folder, int32_t kind, uint64_t n_clips, int32_t size,
                              double val, uint32_t text_width) {
    oassl_synth_options options = OASSL_SYNTH_OPTIONS_INIT;
    options.kind = kind;
    options.n_clips = n_clips;
    options.width = options.height = size;
    options.n_classes = 4;
    options.seconds = 1;
    options.train = 1 - val;
    options.val = val;
    MUST(oassl_synth_write(context, &options, folder));
    if (text_width == 0) return;
    char vocabulary[512], encoder[512], captions[512], features[512];
    snprintf(vocabulary, sizeof vocabulary, "%s/vocab.txt", folder);
    snprintf(encoder, sizeof encoder, "%s/encoder", folder);
    snprintf(captions, sizeof captions, "%s/captions.jsonl", folder);
    snprintf(features, sizeof features, "%s/captions.npz", folder);
    oassl_text_encoder_options text = OASSL_TEXT_ENCODER_OPTIONS_INIT;
    text.width = text_width;
    text.n_layers = 1;
    MUST(oassl_encoder_make_text(context, encoder, vocabulary, &text));
    MUST(oassl_captions_encode(context, captions, encoder, NULL, features, NULL));
}

/* Width 4, 64 px, batches of 4: some milliseconds a step. */
static inline oassl_trainer_options tiny_options(void) {
    oassl_trainer_options options = OASSL_TRAINER_OPTIONS_INIT;
    options.base_width = 4;
    options.image_size = 64;
    options.batch_size = 4;
    options.lr = 2e-3;
    options.seed = 5;
    options.deterministic = 1;
    return options;
}

static inline char *tiny_read(const char *path, size_t *out_bytes) {
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s is not there", path);
    fseek(file, 0, SEEK_END);
    size_t bytes = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(bytes + 1);
    assert_int_equal(fread(data, 1, bytes, file), bytes);
    data[bytes] = '\0';
    fclose(file);
    if (out_bytes) *out_bytes = bytes;
    return data;
}

static inline void tiny_write_file(const char *path, const void *data, size_t bytes) {
    FILE *file = fopen(path, "wb");
    if (!file) fail_msg("%s cannot be written", path);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    fclose(file);
}

static inline int tiny_exists(const char *path) {
    struct stat unused;
    return stat(path, &unused) == 0;
}

static inline void assert_files_equal(const char *a, const char *b) {
    size_t na, nb;
    char *x = tiny_read(a, &na), *y = tiny_read(b, &nb);
    if (na != nb || memcmp(x, y, na) != 0) fail_msg("%s and %s differ", a, b);
    free(x);
    free(y);
}

#endif
