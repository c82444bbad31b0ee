/* oassl report: results kept by `--json` or inside earlier reports, side by side. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "report.h"
#include "report_parts.h"

static const cli_command command = {
    "report", "results side by side in one HTML page", "--out F.html [options] A.json B.json ...",
    "Reads result files of 'oassl eval --json' and 'oassl metrics --json', or reports made by --report, and compares them\n"
    "in one self-contained HTML file: scores, success-rate curves, classes, sizes.  A result has curves and groups when it\n"
    "was made with --report.\n\n"
    "example:\n  oassl eval --model a/best.safetensors --data M --json --report a.html > a.json\n"
    "  oassl eval --model b/best.safetensors --data M --json --report b.html > b.json\n  oassl report --out both.html a.json b.json\n"};

enum { MAX_FILES = 32, MAX_BYTES = 256 << 20 };

static char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long n = -1;
    if (file && fseek(file, 0, SEEK_END) == 0) n = ftell(file);
    if (n >= 0 && n < MAX_BYTES && fseek(file, 0, SEEK_SET) == 0 && (text = malloc((size_t)n + 1))) {
        size_t got = fread(text, 1, (size_t)n, file);
        text[got] = '\0';
        if (got != (size_t)n || strlen(text) != got) { /* a read error, or a NUL inside: no text */
            free(text);
            text = NULL;
        }
    }
    if (file) fclose(file);
    if (!text) fprintf(stderr, "oassl report: %s: cannot be read as text\n", path);
    return text;
}

static int add_entry(json_t *entries, const char *path, json_t *result) {
    char name[256];
    report_name(result, path, name, sizeof name);
    return json_array_append_new(entries, json_pack("{s:o, s:o}", "name", json_clean_string(name), "result", result));
}

/* The entries an earlier report carries.  A single one is called by its file, as a JSON file is. */
static int read_page(json_t *entries, const char *path, char *text) {
    static const char mark[] = "<script type=\"application/json\" class=\"oassl-result\">";
    int n = 0;
    char *first = strstr(text, mark);
    bool several = first && strstr(first + 1, mark);
    for (char *at = text; (at = strstr(at, mark)); n++) {
        at += strlen(mark);
        json_error_t error;
        json_t *entry = json_loads(at, JSON_DISABLE_EOF_CHECK, &error);
        json_t *result = json_incref(json_object_get(entry, "result"));
        const char *name = json_string_value(json_object_get(entry, "name"));
        if (several && json_is_object(result) && name && !json_object_get(result, "name")) json_object_set_new(result, "name", json_string(name));
        json_decref(entry);
        if (!json_is_object(result)) {
            fprintf(stderr, "oassl report: %s: result %d inside is damaged\n", path, n + 1);
            json_decref(result);
            return 2;
        }
        add_entry(entries, path, result);
    }
    if (n == 0) fprintf(stderr, "oassl report: %s: an HTML file without results of oassl\n", path);
    return n ? 0 : 2;
}

static int read_result(json_t *entries, const char *path) {
    char *text = read_text(path);
    if (!text) return 2;
    size_t blank = strspn(text, " \t\r\n");
    int code = 0;
    if (text[blank] == '<') code = read_page(entries, path, text);
    else {
        json_error_t error;
        json_t *result = json_loads(text, 0, &error);
        if (json_is_object(result)) add_entry(entries, path, result);
        else {
            fprintf(stderr, "oassl report: %s, line %d: expected a JSON object of results: %s\n", path, result ? 1 : error.line,
                    result ? "found something else" : error.text);
            json_decref(result);
            code = 2;
        }
    }
    free(text);
    return code;
}

static bool name_taken(const json_t *entries, size_t n, const json_t *name) {
    for (size_t i = 0; i < n; i++)
        if (json_equal(json_object_get(json_array_get(entries, i), "name"), name)) return true;
    return false;
}

/* Names must tell results apart: "run", "run (2)" ... */
static void number_equal_names(json_t *entries) {
    for (size_t i = 1; i < json_array_size(entries); i++) {
        json_t *entry = json_array_get(entries, i), *given = json_incref(json_object_get(entry, "name"));
        char name[300];
        for (int number = 2; name_taken(entries, i, json_object_get(entry, "name")); number++) {
            snprintf(name, sizeof name, "%s (%d)", json_string_value(given), number);
            json_object_set_new(entry, "name", json_string(name));
        }
        json_decref(given);
    }
}

/* Takes what is no option and no option's value out of argv. */
static int split_arguments(const cli_option *table, int argc, char **argv, char **options, const char **files, uint32_t *n_files) {
    int n = 0;
    options[n++] = argv[0];
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            if (*n_files < MAX_FILES) files[*n_files] = argv[i];
            ++*n_files;
            continue;
        }
        options[n++] = argv[i];
        for (const cli_option *o = table; o->name; o++)
            if (strcmp(o->name, argv[i]) == 0 && o->kind != CLI_FLAG && i + 1 < argc) options[n++] = argv[++i];
    }
    return n;
}

int cmd_report(int argc, char **argv) {
    const char *out = NULL, *title = NULL, *files[MAX_FILES];
    uint32_t n_files = 0;
    const cli_option table[] = {
        {"--out", CLI_TEXT, &out, "F", "HTML file to write", true},
        {"--title", CLI_TEXT, &title, "T", "heading of the page; default: the results' names", false},
        CLI_COMMON_OPTIONS,
        CLI_END,
    };
    char **options = calloc((size_t)argc + 1, sizeof *options);
    if (!options) return 1;
    int n_options = split_arguments(table, argc, argv, options, files, &n_files);
    int code = cli_parse(&command, table, n_options, options);
    free(options);
    if (code >= 0) return code;
    if (n_files == 0) return cli_wrong(&command, "no result files given");
    if (n_files > MAX_FILES) return cli_wrong(&command, "%u files; at most %d fit beside each other", n_files, MAX_FILES);
    json_t *entries = json_array();
    code = 0;
    for (uint32_t i = 0; i < n_files && code == 0; i++) code = read_result(entries, files[i]);
    if (code == 0) {
        number_equal_names(entries);
        char joined[512] = "";
        size_t n = 0;
        for (size_t i = 0; i < json_array_size(entries) && n + 64 < sizeof joined; i++)
            n += (size_t)snprintf(joined + n, sizeof joined - n, "%s%.60s", i ? ", " : "",
                                  json_string_value(json_object_get(json_array_get(entries, i), "name")));
        code = report_save(out, title ? title : joined, entries, NULL);
    }
    json_decref(entries);
    return code;
}
