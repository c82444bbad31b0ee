/* Training from a manifest and caption features, with progress, Ctrl-C and resume.
 *
 *   cc train.c -o train $(pkg-config --cflags --libs oassl)
 *   ./train duet/manifest.jsonl duet/captions.npz run base_width=16 n_steps=500
 *   ./train --resume duet/manifest.jsonl duet/captions.npz run base_width=16 n_steps=500
 *
 * Every KEY of KEY=VALUE is a field of oassl_trainer_options (include/oassl/trainer.h), "init" excepted. */
#include <oassl/oassl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
}

/* Polled while training: anything but 0 stops it, after the last checkpoint has been written. */
static int32_t on_progress(void *user, const char *task, uint64_t done, uint64_t total) {
    (void)user;
    if (total > 0) fprintf(stderr, "\r%s: %llu of %llu ", task, (unsigned long long)done, (unsigned long long)total);
    return interrupted != 0;
}

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, oassl_last_error());
    return 1;
}

static oassl_status set(oassl_trainer_options *options, const char *pair) {
    char key[64];
    const char *equals = strchr(pair, '=');
    const size_t length = equals ? (size_t)(equals - pair) : strlen(pair);
    snprintf(key, sizeof key, "%.*s", (int)length, pair);
    return oassl_trainer_options_set(options, key, equals ? equals + 1 : "");
}

static int train(oassl_trainer *trainer, int resume) {
    if (resume && oassl_trainer_resume(trainer) != OASSL_STATUS_OK) return failed("resume");
    const oassl_status status = oassl_trainer_run(trainer);
    if (status != OASSL_STATUS_OK && status != OASSL_STATUS_CANCELLED) return failed("training");
    oassl_trainer_state state = {.struct_size = sizeof state};
    if (oassl_trainer_get_state(trainer, &state) != OASSL_STATUS_OK) return failed("state");
    printf("\n%llu of %llu steps, loss %.4f, best validation score %.3f\n", (unsigned long long)state.step,
           (unsigned long long)state.n_steps, state.loss, state.best_score);
    return 0;
}

int main(int argc, char **argv) {
    const int resume = argc > 1 && strcmp(argv[1], "--resume") == 0;
    char **arguments = argv + 1 + resume;
    const int n = argc - 1 - resume;
    if (n < 3) return fprintf(stderr, "usage: train [--resume] MANIFEST CAPTIONS RUN [KEY=VALUE]...\n"), 2;

    oassl_trainer_options options = OASSL_TRAINER_OPTIONS_INIT;
    for (int i = 3; i < n; i++)
        if (set(&options, arguments[i]) != OASSL_STATUS_OK) return failed(arguments[i]), 2;

    signal(SIGINT, on_interrupt);
    oassl_context_options context_options = OASSL_CONTEXT_OPTIONS_INIT;
    context_options.progress = on_progress;
    oassl_context *context = NULL;
    oassl_trainer *trainer = NULL;
    if (oassl_context_create(&context_options, &context) != OASSL_STATUS_OK) return failed("no context");
    int code;
    if (oassl_trainer_create(context, &options, arguments[0], arguments[1], arguments[2], &trainer) != OASSL_STATUS_OK)
        code = failed("trainer");
    else
        code = train(trainer, resume);
    oassl_trainer_destroy(trainer);
    oassl_context_destroy(context);
    return code;
}
