/* A fuzz target as a plain test: every file of its corpus, then seeded mutations of them.
 *
 *   replay_<name> FOLDER [MUTATIONS] [SEED]     a file instead of a folder is run alone: for findings */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "fuzz.h"

enum { MOST_FILES = 512, MOST_BYTES = 1 << 16 };

static struct input {
    char name[256];
    uint8_t *data;
    size_t bytes;
} inputs[MOST_FILES];
static size_t n_inputs;

/* The input is handed over in a block of exactly its size: reading outside shows. */
static void run(const uint8_t *data, size_t bytes) {
    uint8_t *copy = malloc(bytes ? bytes : 1);
    if (!copy) fuzz_fail("no memory");
    if (bytes > 0) memcpy(copy, data, bytes);
    LLVMFuzzerTestOneInput(copy, bytes);
    free(copy);
}

static void add_file(const char *path, const char *name) {
    FILE *file = fopen(path, "rb");
    struct stat about;
    if (!file || fstat(fileno(file), &about) != 0 || !S_ISREG(about.st_mode) || n_inputs == MOST_FILES) fuzz_fail("cannot take %s", path);
    struct input *in = &inputs[n_inputs++];
    snprintf(in->name, sizeof in->name, "%s", name);
    in->bytes = (size_t)about.st_size;
    in->data = malloc(in->bytes + 1);
    if (!in->data || fread(in->data, 1, in->bytes, file) != in->bytes) fuzz_fail("cannot read %s", path);
    fclose(file);
}

static int by_name(const void *a, const void *b) { return strcmp(((const struct input *)a)->name, ((const struct input *)b)->name); }

static void add_all(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) {
        add_file(path, path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        char file[4096];
        if (entry->d_name[0] == '.') continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        add_file(file, entry->d_name);
    }
    closedir(folder);
    qsort(inputs, n_inputs, sizeof *inputs, by_name); /* readdir's order is the disk's */
}

static uint64_t below(oai_rng *rng, uint64_t n) { return n ? oai_rng_u64(rng) % n : 0; }

/* One to four changes: a bit, a byte, an extreme number, a stretch removed, repeated or taken from another input. */
static size_t mutate(oai_rng *rng, uint8_t *data, size_t bytes) {
    static const uint8_t extremes[] = {0, 1, 0x7F, 0x80, 0xFF};
    for (uint64_t k = 1 + below(rng, 4); k > 0 && bytes > 0; k--) {
        size_t at = below(rng, bytes), n = 1 + below(rng, bytes - at < 64 ? bytes - at : 64);
        const struct input *other = &inputs[below(rng, n_inputs)];
        switch (below(rng, 6)) {
        case 0: data[at] ^= (uint8_t)(1 << below(rng, 8)); break;
        case 1: data[at] = (uint8_t)oai_rng_u64(rng); break;
        case 2: memset(data + at, extremes[below(rng, sizeof extremes)], n < 8 ? n : 8); break;
        case 3:
            memmove(data + at, data + at + n, bytes - at - n);
            bytes -= n;
            break;
        case 4:
            if (bytes + n > MOST_BYTES) break;
            memmove(data + at + n, data + at, bytes - at);
            bytes += n;
            break;
        default:
            if (other->bytes >= n) memcpy(data + at, other->data + below(rng, other->bytes - n + 1), n);
        }
    }
    return bytes;
}

/* What libraries below ours take is not counted by the host: the whole process must stay small. */
static void check_memory(void) {
    enum { MOST_MB = 512 };
    struct rusage usage;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return;
#endif
    getrusage(RUSAGE_SELF, &usage);
    if (usage.ru_maxrss > MOST_MB * 1024L) fuzz_fail("%ld KB of memory", usage.ru_maxrss);
}

int main(int argc, char **argv) {
    if (argc < 2) return fprintf(stderr, "usage: %s FOLDER|FILE [MUTATIONS] [SEED]\n", argv[0]), 2;
    add_all(argv[1]);
    if (n_inputs == 0) fuzz_fail("%s: no inputs", argv[1]);
    run(NULL, 0);
    for (size_t i = 0; i < n_inputs; i++) {
        printf("%s\n", inputs[i].name); /* the last line says which one it was */
        fflush(stdout);
        run(inputs[i].data, inputs[i].bytes);
    }
    static uint8_t data[MOST_BYTES];
    uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 0, seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    for (uint64_t i = 0; i < n; i++) {
        oai_rng rng = oai_rng_stream(seed, i); /* each by its own number: one can be run again alone */
        const struct input *in = &inputs[below(&rng, n_inputs)];
        size_t bytes = in->bytes < MOST_BYTES ? in->bytes : MOST_BYTES;
        if (bytes > 0) memcpy(data, in->data, bytes);
        bytes = mutate(&rng, data, bytes);
        if (getenv("OASSL_FUZZ_KEEP")) { /* the input that will not come back, for a look */
            FILE *file = fopen(getenv("OASSL_FUZZ_KEEP"), "wb");
            if (file) fwrite(data, 1, bytes, file), fclose(file);
        }
        run(data, bytes);
    }
    check_memory();
    printf("%zu inputs, %llu mutations\n", n_inputs, (unsigned long long)n);
    for (size_t i = 0; i < n_inputs; i++) free(inputs[i].data);
    return 0;
}
