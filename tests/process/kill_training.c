/* kill -9 at random moments of training.  A run of about a second is started, killed, resumed, killed again, up to four
 * times, and then left to come to its end; it must have left what an uninterrupted run leaves: the same weights, optimiser
 * state, progress and log, bit for bit, but for the times that the log tells.
 *
 * usage: kill_training OASSL SCRATCH KILLS [SEED]
 *
 * The delays are uniform over the length of the uninterrupted run, so that starting, steps, validations, checkpoints and
 * calibration are all hit in proportion to the time they take.  Every third kill then waits for the next file being written
 * and hits up to two milliseconds later: writes are short. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#define SHOWN 12 /* failures told in full */

static char *tool;
static unsigned n_failures;
static uint64_t random_state;

static struct {
    unsigned kills, aimed, before_first, inside_write, runs, resumes;
    unsigned found[64]; /* kills that left a checkpoint of this step */
} counts;

static void complain(const char *what, const char *path) {
    if (++n_failures <= SHOWN) fprintf(stderr, "FAILED: %s: %s\n", path, what);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void pause_for(double seconds) {
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&t, &t) != 0 && errno == EINTR) {
    }
}

/* splitmix64, [0, 1) */
static double uniform(void) {
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* ---- processes ---------------------------------------------------------------------------------------------- */

static pid_t start(const char *const *arguments) {
    pid_t child = fork();
    if (child != 0) return child;
    int err = open("err", O_WRONLY | O_CREAT | O_TRUNC, 0666), out = open("/dev/null", O_WRONLY);
    dup2(err, 2);
    dup2(out, 1);
    execv(tool, (char *const *)(uintptr_t)arguments);
    _exit(127);
}

static void show_errors(void) {
    char text[600];
    FILE *file = fopen("err", "r");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) fclose(file);
    text[n] = 0;
    if (n_failures <= SHOWN) fprintf(stderr, "    %s\n", text);
}

static void expect_success(int status, const char *what) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    complain("failed", what);
    show_errors();
}

static void run(const char *const *arguments, const char *what) {
    int status = 0;
    pid_t child = start(arguments);
    if (child < 0 || waitpid(child, &status, 0) != child) complain("cannot be started", what);
    expect_success(status, what);
}

static pid_t start_training(const char *folder, int resume) {
    const char *arguments[] = {tool, "train", "--data", "data/manifest.jsonl", "--captions", "data/captions.npz", "--out", folder,
                               "--quiet", "--threads", "1", "--set", "base_width=2", "--set", "image_size=64", "--set",
                               "visual_stride=16", "--set", "batch_size=4", "--set", "lr=2e-3", "--set", "schedule=cosine", "--set",
                               "flip=1", "--set", "n_workers=2", "--set", "deterministic=1", "--set", "n_steps=30", "--set",
                               "val_every=4", "--set", "save_every=2", resume ? "--resume" : NULL, NULL};
    return start(arguments);
}

/* ---- what a run leaves -------------------------------------------------------------------------------------- */

typedef struct blob {
    char *data;
    size_t bytes;
} blob;

static blob read_whole(const char *path) {
    blob b = {NULL, 0};
    struct stat info;
    FILE *file = fopen(path, "rb");
    if (!file) return b;
    if (fstat(fileno(file), &info) == 0 && (b.data = malloc((size_t)info.st_size + 1))) {
        b.bytes = fread(b.data, 1, (size_t)info.st_size, file);
        b.data[b.bytes] = 0;
    }
    fclose(file);
    return b;
}

/* The header of a safetensors file that is as long as its header says; NULL if it is not. */
static json_t *header_of(const blob *file, size_t *out_data) {
    uint64_t n = 0, end = 0;
    if (file->bytes < 8) return NULL;
    memcpy(&n, file->data, 8);
    if (n > file->bytes - 8) return NULL;
    *out_data = 8 + (size_t)n;
    json_t *header = json_loadb(file->data + 8, (size_t)n, 0, NULL), *entry;
    const char *key;
    json_object_foreach(header, key, entry) {
        json_t *last = json_array_get(json_object_get(entry, "data_offsets"), 1);
        if (last && (uint64_t)json_integer_value(last) > end) end = (uint64_t)json_integer_value(last);
    }
    if (header && *out_data + end == file->bytes) return header;
    json_decref(header);
    return NULL;
}

/* The progress a checkpoint tells, taken out of its header. */
static json_t *take_progress(json_t *header) {
    json_t *metadata = json_object_get(header, "__metadata__"), *text = json_object_get(metadata, "oassl_progress");
    json_t *progress = text ? json_loads(json_string_value(text), 0, NULL) : NULL;
    json_object_del(metadata, "oassl_progress");
    json_object_del(progress, "log_bytes"); /* follows the number of digits of the times */
    return progress;
}

/* Step of the checkpoint at `path`, -1 without one. */
static int step_of(const char *path) {
    blob file = read_whole(path);
    if (!file.data) return -1;
    size_t data;
    json_t *header = header_of(&file, &data), *progress = header ? take_progress(header) : NULL;
    if (!header) complain("is not a whole file", path);
    int step = progress ? (int)json_integer_value(json_object_get(progress, "step")) : -1;
    json_decref(progress);
    json_decref(header);
    free(file.data);
    return step;
}

static void compare_weights(const char *whole, const char *folder, const char *name) {
    char paths[2][256];
    blob files[2];
    json_t *headers[2], *progress[2];
    size_t data[2] = {0, 0};
    for (int k = 0; k < 2; k++) {
        snprintf(paths[k], sizeof paths[k], "%s/%s", k ? folder : whole, name);
        files[k] = read_whole(paths[k]);
        headers[k] = header_of(&files[k], &data[k]);
        progress[k] = take_progress(headers[k]);
    }
    if (!headers[0] || !headers[1]) complain("is not a whole file", paths[1]);
    else if (!json_equal(headers[0], headers[1])) complain("the header is not that of the uninterrupted run", paths[1]);
    else if (progress[0] && !json_equal(progress[0], progress[1])) complain("the progress is not that of the uninterrupted run", paths[1]);
    else if (files[0].bytes - data[0] != files[1].bytes - data[1] ||
             memcmp(files[0].data + data[0], files[1].data + data[1], files[0].bytes - data[0]) != 0)
        complain("the numbers are not those of the uninterrupted run", paths[1]);
    for (int k = 0; k < 2; k++) {
        json_decref(progress[k]);
        json_decref(headers[k]);
        free(files[k].data);
    }
}

static json_t *log_entry(FILE *file) {
    char line[4096];
    if (!file || !fgets(line, sizeof line, file)) return NULL;
    json_t *entry = json_loads(line, 0, NULL);
    json_object_del(entry, "seconds");
    json_object_del(entry, "wait");
    return entry ? entry : json_string("no JSON");
}

/* Every step and validation once, in order, with the same figures. */
static void compare_logs(const char *whole, const char *folder) {
    char paths[2][256];
    FILE *files[2];
    for (int k = 0; k < 2; k++) {
        snprintf(paths[k], sizeof paths[k], "%s/log.jsonl", k ? folder : whole);
        files[k] = fopen(paths[k], "r");
    }
    for (int equal = 1, more = 1; equal && more;) {
        json_t *a = log_entry(files[0]), *b = log_entry(files[1]);
        equal = (!a && !b) || json_equal(a, b);
        more = a != NULL;
        if (!equal) complain("is not the log of the uninterrupted run", paths[1]);
        json_decref(a);
        json_decref(b);
    }
    for (int k = 0; k < 2; k++)
        if (files[k]) fclose(files[k]);
}

static unsigned n_temporaries(const char *folder) {
    unsigned n = 0;
    DIR *directory = opendir(folder);
    for (const struct dirent *entry; directory && (entry = readdir(directory));) n += strstr(entry->d_name, ".tmp-") != NULL;
    if (directory) closedir(directory);
    return n;
}

static void compare_runs(const char *whole, const char *folder) {
    compare_weights(whole, folder, "last.safetensors");
    compare_weights(whole, folder, "best.safetensors");
    compare_logs(whole, folder);
    if (n_temporaries(folder) > 0) complain("temporary files were left behind", folder);
}

static void empty(const char *folder) {
    DIR *directory = opendir(folder);
    if (!directory) return;
    for (const struct dirent *entry; (entry = readdir(directory));)
        if (entry->d_name[0] != '.') unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
}

/* ---- the test ----------------------------------------------------------------------------------------------- */

static void make_data(void) {
    const char *const synth[] = {tool, "synth", "--out", "data", "--kind", "solo", "--clips", "40", "--size", "64", "--seconds", "1",
                                 "--seed", "7", "--train", "0.5", "--val", "0.5", "--test", "0", "--text-encoder", "--quiet", NULL};
    const char *const encode[] = {tool, "captions", "encode", "--captions", "data/captions.jsonl", "--encoder", "data/text_encoder",
                                  "--out", "data/captions.npz", "--threads", "1", "--quiet", NULL};
    run(synth, "oassl synth");
    run(encode, "oassl captions encode");
}

static double run_whole(const char *folder) {
    int status = 0;
    empty(folder);
    double begin = now();
    pid_t child = start_training(folder, 0);
    waitpid(child, &status, 0);
    expect_success(status, folder);
    return now() - begin;
}

/* What the kill met: told from what lies in the folder. */
static void classify(const char *folder) {
    char last[256], best[256];
    snprintf(last, sizeof last, "%s/last.safetensors", folder);
    snprintf(best, sizeof best, "%s/best.safetensors", folder);
    int step = step_of(last);
    step_of(best); /* complains if it is not whole */
    counts.kills++;
    counts.inside_write += n_temporaries(folder) > 0;
    if (step < 0) counts.before_first++;
    else if (step < 64) counts.found[step]++;
}

static int has_ended(pid_t child) {
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid != 0;
}

static void await_write(pid_t child, const char *folder) {
    while (!has_ended(child) && n_temporaries(folder) == 0) {
    }
    pause_for(uniform() * 0.002);
}

/* Starts or resumes the run in `folder`, and kills it after a random delay up to `length` (negative: not at all).  1: it came
 * to its end. */
static int one_life(const char *folder, double length) {
    char last[256];
    snprintf(last, sizeof last, "%s/last.safetensors", folder);
    int resume = access(last, F_OK) == 0, status = 0;
    double delay = uniform() * length;
    pid_t child = start_training(folder, resume);
    counts.resumes += resume != 0;
    int spared = length < 0, aimed = !spared && counts.kills % 3 == 2;
    if (!spared) pause_for(delay);
    if (aimed) await_write(child, folder);
    pid_t ended = waitpid(child, &status, spared ? 0 : WNOHANG);
    if (ended == 0) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        classify(folder);
        counts.aimed += (unsigned)aimed;
        return 0;
    }
    expect_success(status, resume ? "a resumed run" : "a run");
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 4) return fprintf(stderr, "usage: %s OASSL SCRATCH KILLS [SEED]\n", argv[0]), 2;
    tool = realpath(argv[1], NULL);
    unsigned wanted = (unsigned)strtoul(argv[3], NULL, 10);
    random_state = argc > 4 ? strtoull(argv[4], NULL, 10) : 20261120;
    mkdir(argv[2], 0777);
    if (!tool || chdir(argv[2]) != 0) return fprintf(stderr, "%s or %s: %s\n", argv[1], argv[2], strerror(errno)), 2;
    make_data();
    double first = run_whole("whole"), length = run_whole("again");
    if (first < length) length = first;
    compare_runs("whole", "again");
    printf("uninterrupted: %.2f and %.2f s\n", first, length);

    while (counts.kills < wanted && n_failures == 0) {
        empty("killed");
        counts.runs++;
        unsigned spared_from = counts.kills + 1 + (unsigned)(4 * uniform());
        while (!one_life("killed", counts.kills < spared_from && counts.kills < wanted ? length : -1)) {
        }
        compare_runs("whole", "killed");
    }
    printf("%u kills (%u of them aimed at writes) in %u runs, %u resumes; what they left: no checkpoint yet %u times, a file half "
           "written beside the whole one %u times\n",
           counts.kills, counts.aimed, counts.runs, counts.resumes, counts.before_first, counts.inside_write);
    printf("checkpoints found, step:times");
    for (unsigned step = 0; step < 64; step++)
        if (counts.found[step]) printf(" %u:%u", step, counts.found[step]);
    printf("\n%u failures\n", n_failures);
    free(tool);
    return n_failures > 0;
}
