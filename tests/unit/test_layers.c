/* Nobody includes upward (CONTRIBUTING.md): reads every source file and checks its #include lines. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOT OASSL_TEST_DATA "/../../"

/* Folders of src/ from the bottom up; equal numbers are siblings, which do not see each other. */
static const struct {
    const char *name;
    int level;
} layers[] = {{"base", 0}, {"graph", 1},  {"runtime", 2}, {"dsp", 3},      {"text", 3},  {"model", 3},
              {"loss", 3}, {"metric", 3}, {"data", 3},    {"localize", 4}, {"train", 5}, {"api", 6}};

static int level_of(const char *path, size_t bytes) {
    for (size_t k = 0; k < sizeof layers / sizeof *layers; k++)
        if (strlen(layers[k].name) == bytes && memcmp(layers[k].name, path, bytes) == 0) return layers[k].level;
    return -1;
}

static int starts(const char *text, const char *prefix) { return strncmp(text, prefix, strlen(prefix)) == 0; }

/* Why the file at `path` (from the project's root) may not include `name`, or NULL. */
static const char *breach(const char *path, const char *name, int quoted) {
    const char *slash = strchr(name, '/');
    /* The plug-in that is broken on purpose is the reference backend with one wrong kernel. */
    if (starts(path, "tests/conform/") && starts(name, "../../backends/reference/")) return NULL;
    if (strstr(name, "..")) return "steps out of its folder";
    if (starts(path, "backends/")) {
        if (starts(name, "oassl/") && strcmp(name, "oassl/backend.h") != 0 && strcmp(name, "oassl/ops.inc") != 0)
            return "of the public headers, backends see oassl/backend.h only";
        if (starts(name, "oassl/")) return NULL;
        return quoted && slash ? "backends see oassl/backend.h and their own folder only" : NULL;
    }
    if (starts(path, "examples/") || starts(path, "tests/conform/"))
        return quoted && slash && !starts(name, "oassl/") ? "only public headers may be seen here" : NULL;
    if (!starts(path, "src/") || !quoted || starts(name, "oassl/")) return NULL;
    if (!slash) return "not written from the source root";
    const char *from = path + 4;
    size_t from_bytes = strcspn(from, "/"), to_bytes = (size_t)(slash - name);
    int from_level = level_of(from, from_bytes), to_level = level_of(name, to_bytes);
    if (from_level < 0) return "the file is in a folder that is no layer";
    if (to_level < 0) return "there is no such layer";
    if (from_bytes == to_bytes && memcmp(from, name, to_bytes) == 0) return NULL;
    return to_level < from_level ? NULL : to_level == from_level ? "a sibling" : "upward";
}

static unsigned n_files, n_breaches;

/* The name between quotes or angles of an #include line; 0 if the line is none. */
static int parse_include(const char *line, char *name, size_t bytes, int *quoted) {
    line += strspn(line, " \t");
    if (*line++ != '#') return 0;
    line += strspn(line, " \t");
    if (!starts(line, "include")) return 0;
    line += 7 + strspn(line + 7, " \t");
    char close = *line == '"' ? '"' : *line == '<' ? '>' : 0;
    const char *end = close ? strchr(line + 1, close) : NULL;
    if (!end || (size_t)(end - line) > bytes) return 0;
    memcpy(name, line + 1, (size_t)(end - line - 1));
    name[end - line - 1] = 0;
    *quoted = close == '"';
    return 1;
}

static int visit(const char *full, const struct stat *info, int kind, struct FTW *where) {
    (void)info, (void)where;
    const char *dot = strrchr(full, '.'), *path = full + strlen(ROOT);
    if (kind != FTW_F || !dot || (strcmp(dot, ".c") && strcmp(dot, ".h") && strcmp(dot, ".inc"))) return 0;
    FILE *file = fopen(full, "r");
    if (!file) return 0;
    char line[4096], name[256];
    int quoted;
    n_files++;
    for (unsigned n = 1; fgets(line, sizeof line, file); n++) {
        if (!parse_include(line, name, sizeof name, &quoted)) continue;
        const char *why = breach(path, name, quoted);
        if (!why) continue;
        n_breaches++;
        print_error("%s:%u includes %s: %s\n", path, n, name, why);
    }
    fclose(file);
    return 0;
}

static void test_includes_point_down(void **state) {
    (void)state;
    const char *folders[] = {"src", "backends", "examples", "tests/conform"};
    for (size_t k = 0; k < sizeof folders / sizeof *folders; k++) {
        char path[4096];
        snprintf(path, sizeof path, ROOT "%s", folders[k]);
        nftw(path, visit, 16, FTW_PHYS);
    }
    assert_true(n_files > 50);
    assert_int_equal(n_breaches, 0);
}

static void test_breaches_are_seen(void **state) {
    (void)state;
    assert_non_null(breach("src/base/error.c", "graph/graph.h", 1));
    assert_non_null(breach("src/loss/lvs.c", "model/resnet.h", 1));
    assert_non_null(breach("src/graph/emit.c", "emit.h", 1));
    assert_non_null(breach("src/graph/emit.c", "../base/error.h", 1));
    assert_non_null(breach("src/new/emit.c", "base/error.h", 1));
    assert_non_null(breach("backends/onednn/plan.c", "oassl/context.h", 1));
    assert_non_null(breach("backends/onednn/plan.c", "base/error.h", 1));
    assert_non_null(breach("backends/reference/plan.c", "oassl/context.h", 0));
    assert_non_null(breach("examples/cli/main.c", "runtime/session.h", 1));
    assert_null(breach("src/train/step.c", "loss/lvs.h", 1));
    assert_null(breach("src/api/loss.c", "train/step.h", 1));
    assert_null(breach("src/graph/emit.c", "graph/emit.h", 1));
    assert_null(breach("backends/onednn/plan.c", "plan.h", 1));
    assert_null(breach("backends/onednn/plan.c", "dnnl.h", 0));
    assert_null(breach("examples/cli/main.c", "oassl/oassl.h", 0));
    char name[64];
    int quoted;
    assert_int_equal(parse_include(" #  include \"a/b.h\" // x", name, sizeof name, &quoted), 1);
    assert_string_equal(name, "a/b.h");
    assert_int_equal(parse_include("// #include \"a/b.h\"", name, sizeof name, &quoted), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_includes_point_down),
        cmocka_unit_test(test_breaches_are_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
