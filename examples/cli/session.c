/* The context every command opens, its log and progress, Ctrl-C, and how failures end. */
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

static volatile sig_atomic_t interrupted;
static bool bar_shown;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

bool cli_interrupted(void) { return interrupted != 0; }

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* "3:07" or "1:02:09" */
static void clock_text(double seconds, char *out_text, size_t bytes) {
    long s = (long)(seconds + 0.5);
    if (s >= 3600) snprintf(out_text, bytes, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else snprintf(out_text, bytes, "%ld:%02ld", s / 60, s % 60);
}

/* One state is enough: the library works on one task at a time for this program. */
static struct {
    char task[64];
    double start, drawn;
    uint64_t first;
} bar;

static void draw(const char *task, uint64_t done, uint64_t total, double t) {
    enum { WIDTH = 28 };
    double rate = t > bar.start ? (double)(done - bar.first) / (t - bar.start) : 0;
    if (!isatty(STDERR_FILENO)) {
        fprintf(stderr, "%s: %llu of %llu, %.3g a second\n", task, (unsigned long long)done, (unsigned long long)total, rate);
        return;
    }
    char left[32] = "-", blocks[WIDTH + 1];
    if (rate > 0 && total >= done) clock_text((double)(total - done) / rate, left, sizeof left);
    int n = total ? (int)(WIDTH * done / total) : 0;
    for (int i = 0; i < WIDTH; i++) blocks[i] = i < n ? '#' : '.';
    blocks[WIDTH] = '\0';
    fprintf(stderr, "\r%s [%s] %llu/%llu  %.3g/s  %s left \033[K", task, blocks, (unsigned long long)done,
            (unsigned long long)total, rate, left);
    fflush(stderr);
    bar_shown = true;
}

static int32_t on_progress(void *user, const char *task, uint64_t done, uint64_t total) {
    (void)user;
    if (interrupted) return 1;
    if (common.quiet || total == 0) return 0; /* total 0: only asked whether to go on */
    double t = now(), interval = isatty(STDERR_FILENO) ? 0.1 : 10;
    if (strncmp(bar.task, task, sizeof bar.task - 1) != 0 || done < bar.first) {
        cli_progress_end();
        snprintf(bar.task, sizeof bar.task, "%s", task);
        bar.start = bar.drawn = t;
        bar.first = done;
    }
    if (t - bar.drawn >= interval || (done == total && t - bar.start >= interval)) {
        bar.drawn = t;
        draw(task, done, total, t);
    }
    return 0;
}

void cli_progress_end(void) {
    if (bar_shown) fputc('\n', stderr);
    bar_shown = false;
    bar.task[0] = '\0';
}

static void on_log(void *user, int32_t level, const char *text) {
    (void)user;
    static const char *const names[] = {"", "error: ", "warning: ", "", ""};
    cli_progress_end();
    fprintf(stderr, "%s%s\n", names[level >= 0 && level <= 4 ? level : 0], text);
}

oassl_context *cli_open(int *out_code) {
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.backend = common.backend;
    options.n_threads = (uint32_t)common.threads;
    options.log = on_log;
    options.log_level = common.verbose ? OASSL_LOG_DEBUG : OASSL_LOG_WARN;
    options.progress = on_progress;
    oassl_context *context;
    oassl_status status = oassl_context_create(&options, &context);
    if (status == OASSL_STATUS_OK) return context;
    *out_code = cli_failed(status);
    return NULL;
}

static const char *const precisions[] = {"f32", "bf16", "int8", "f32-fast"}; /* OASSL_PRECISION_* */

const char *cli_precision_name(int32_t precision) { return precisions[precision]; }

int cli_precision(const cli_command *command, int32_t *out_precision) {
    for (int32_t i = 0; common.precision && i < 4; i++)
        if (strcmp(common.precision, precisions[i]) == 0) return *out_precision = i, -1;
    if (!common.precision) return -1;
    return cli_wrong(command, "--precision: expected f32, f32-fast, bf16 or int8, found '%s'", common.precision);
}

int cli_identify(const cli_command *command, int32_t *out_identify) {
    if (!common.identify) return -1;
    if (strcmp(common.identify, "published") == 0) return *out_identify = OASSL_IDENTIFY_PUBLISHED, -1;
    if (strcmp(common.identify, "suppress") == 0) return *out_identify = OASSL_IDENTIFY_SUPPRESS, -1;
    return cli_wrong(command, "--identify: expected published or suppress, found '%s'", common.identify);
}

oassl_status cli_load_model(oassl_context *context, const char *path, int32_t precision, oassl_model **out_model) {
    oassl_model_options options = OASSL_MODEL_OPTIONS_INIT;
    options.precision = precision;
    return oassl_model_load(context, path, &options, out_model);
}

int cli_failed(oassl_status status) {
    cli_progress_end();
    fprintf(stderr, "oassl: %s\n", oassl_last_error());
    switch (status) {
    case OASSL_STATUS_CANCELLED:
    case OASSL_STATUS_OUT_OF_MEMORY:
    case OASSL_STATUS_INTERNAL:
    case OASSL_STATUS_UNAVAILABLE: return 1;
    default: return 2;
    }
}

void cli_print_json(json_t *value) {
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(value);
}
