/* The page: what a result says, in the order one asks. */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report_parts.h"

static const json_t *entry_result(const json_t *entries, size_t i) {
    return json_object_get(json_array_get(entries, i), "result");
}
static const char *entry_name(const json_t *entries, size_t i) {
    return json_string_value(json_object_get(json_array_get(entries, i), "name"));
}

static const json_t *object_of(const json_t *result, const char *a, const char *b) {
    const json_t *value = json_object_get(result, a);
    return json_is_object(value)                        ? value
           : json_is_object(json_object_get(result, b)) ? json_object_get(result, b)
                                                        : NULL;
}

/* Baselines depend on the list of samples alone: shown once a list. */
static int list_is_new(const json_t *entries, size_t i) {
    const json_t *hash = json_object_get(entry_result(entries, i), "list_hash");
    for (size_t k = 0; hash && k < i; k++)
        if (json_equal(hash, json_object_get(entry_result(entries, k), "list_hash"))) return 0;
    return 1;
}

static int columns_of(const json_t *entries, column *columns) {
    static const struct {
        const char *a, *b, *note, *curve;
        int baseline;
    } systems[] = {{"scores", "model", NULL, "model", 0},
                   {"mismatched", "wrong_sound", "wrong sound", "mismatched", 0},
                   {"centre_box", "centre", "centre box", "centre_box", SVG_CENTRE},
                   {"whole_image", "whole", "whole image", "whole_image", SVG_WHOLE}};
    int n = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < json_array_size(entries); i++)
            for (int s = 2 * pass; s < 2 * pass + 2 && n < MAX_COLUMNS; s++) {
                const json_t *result = entry_result(entries, i),
                             *scores = object_of(result, systems[s].a, systems[s].b);
                if (scores && (pass == 0 || list_is_new(entries, i)))
                    columns[n++] =
                        (column){entry_name(entries, i), systems[s].note, systems[s].curve, result, scores, (int)i,
                                 systems[s].baseline};
            }
    return n;
}

static int n_lists(const json_t *entries) {
    int n = 0;
    for (size_t i = 0; i < json_array_size(entries); i++) n += list_is_new(entries, i);
    return n;
}

/* ---- head ---------------------------------------------------------------------------------------------------- */

static void head(FILE *out, const char *title) {
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
          "'unsafe-inline'\"/>\n<title>",
          out);
    html_text(out, title);
    fprintf(out, "</title>\n<style>\n%s</style></head>\n<body><main>\n", report_style);
}

static void count(FILE *out, const json_t *result, const char *key, const char *words, const char **between) {
    const json_t *n = json_object_get(result, key);
    if (!json_is_integer(n) || json_integer_value(n) == 0) return;
    fprintf(out, "%s%lld %s", *between, (long long)json_integer_value(n), words);
    *between = ", ";
}

static void opening(FILE *out, const char *title, const json_t *entries) {
    fputs("<h1>", out);
    html_text(out, title);
    fputs("</h1>\n<p class=\"lead\">", out);
    const json_t *result = entry_result(entries, 0);
    if (json_array_size(entries) > 1)
        fprintf(out, "%zu results side by side%s", json_array_size(entries), n_lists(entries) == 1 ? ": " : "");
    if (n_lists(entries) == 1) {
        const char *between = "", *data = json_string_value(json_object_get(result, "data"));
        const char *split = json_string_value(json_object_get(result, "split"));
        if (data) html_text(out, data), between = ": ";
        if (data && split && *split) fputs(", split ", out), html_text(out, split);
        count(out, result, "n_samples", "samples", &between);
        count(out, result, "n_pairs", "sources", &between);
        count(out, result, "n_twin", "of them beside a silent twin", &between);
        count(out, result, "n_skipped", "skipped", &between);
    }
    fputs("</p>\n", out);
    if (n_lists(entries) > 1)
        fputs("<p class=\"warn\">These results were scored on different lists of samples: their figures do not "
              "compare.</p>\n",
              out);
}

static const column *find_column(const column *columns, int n, int entry, const char *curve) {
    for (int i = 0; i < n; i++)
        if (columns[i].entry == entry && strcmp(columns[i].curve, curve) == 0) return &columns[i];
    return NULL;
}

static int has_score(const column *c, const char *key) {
    if (!c || !json_is_number(json_object_get(c->scores, key))) return 0;
    const json_t *n = json_object_get(c->result, "n_twin");
    return strcmp(key, "twin") != 0 || !n || json_integer_value(n) > 0; /* without twins the figure says nothing */
}

static double score_of(const column *c, const char *key) { return json_number_value(json_object_get(c->scores, key)); }

static void tiles(FILE *out, const column *columns, int n) {
    static const char *const shown[] = {"pointing", "twin", "adaptive_success_50", "success_50", "ap", NULL};
    const column *model = find_column(columns, n, 0, "model"), *wrong = find_column(columns, n, 0, "mismatched"),
                 *centre = find_column(columns, n, 0, "centre_box");
    fputs("<ul class=\"tiles\">\n", out);
    for (int i = 0; shown[i]; i++) {
        if (!has_score(model, shown[i])) continue;
        fputs("<li><span>", out);
        html_text(out, score_name(shown[i]));
        fprintf(out, "</span><b>%.3f</b>", score_of(model, shown[i]));
        if (has_score(wrong, shown[i])) fprintf(out, "<span>wrong sound %.3f</span>", score_of(wrong, shown[i]));
        if (has_score(centre, shown[i])) fprintf(out, "<span>centre box %.3f</span>", score_of(centre, shown[i]));
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
}

/* ---- scores -------------------------------------------------------------------------------------------------- */

static void column_head(FILE *out, const column *c, int n_entries, int lists) {
    fprintf(out, "<th scope=\"col\"%s>", c->baseline ? " class=\"base\"" : "");
    if (!c->note)
        html_text(out, n_entries > 1 ? c->name : "model");
    else if ((c->baseline && lists == 1) || n_entries == 1)
        html_text(out, c->note);
    else {
        html_text(out, c->name);
        fputs("<small>", out);
        html_text(out, c->note);
        fputs("</small>", out);
    }
    fputs("</th>", out);
}

/* Beside the scores, in the result, or with the canonical protocol's figures; the latter two are the model's own. */
static int has_interval(const column *c, const char *key, double *low, double *high) {
    const json_t *canonical = json_object_get(json_object_get(c->result, "protocols"), "canonical");
    if (find_interval(c->scores, key, low, high)) return 1;
    if (c->note) return 0;
    return find_interval(c->result, key, low, high) ||
           find_interval(json_object_get(canonical, "figures"), key, low, high);
}

static void score_cell(FILE *out, const column *c, const char *key, double best) {
    if (!has_score(c, key)) {
        fputs("<td>\342\200\223</td>", out);
        return;
    }
    double v = score_of(c, key), low, high;
    const char *class = c->baseline ? " class=\"base\"" : !c->note && v > best - 0.0005 ? " class=\"best\"" : "";
    fprintf(out, fabs(v) <= 1 ? "<td%s>%.3f" : "<td%s>%.4g", class, v);
    if (has_interval(c, key, &low, &high) && high > low)
        fprintf(out, "<small>%.3f\342\200\223%.3f</small>", low, high);
    fputs("</td>", out);
}

static void score_row(FILE *out, const column *columns, int n, const char *key, int comparable) {
    double best = -INFINITY, worst = INFINITY;
    for (int i = 0; i < n && comparable; i++) {
        if (columns[i].note || !has_score(&columns[i], key)) continue;
        best = fmax(best, score_of(&columns[i], key));
        worst = fmin(worst, score_of(&columns[i], key));
    }
    if (best - worst < 0.0005 || !comparable) best = NAN; /* nothing to be better than */
    fputs("<tr><th scope=\"row\"", out);
    if (score_meaning(key)) {
        fputs(" title=\"", out);
        html_text(out, score_meaning(key));
        fputs("\"", out);
    }
    fputs(">", out);
    html_key(out, key);
    fputs("</th>", out);
    for (int i = 0; i < n; i++) score_cell(out, &columns[i], key, best);
    fputs("</tr>\n", out);
}

static int any_has(const column *columns, int n, const char *key) {
    for (int i = 0; i < n; i++)
        if (has_score(&columns[i], key)) return 1;
    return 0;
}

static void score_table(FILE *out, const json_t *entries, const column *columns, int n) {
    if (n == 0) return;
    int lists = n_lists(entries), intervals = 0;
    double low, high;
    fputs("<h2>Scores</h2>\n<div class=\"scroll\"><table><thead><tr><th></th>", out);
    for (int i = 0; i < n; i++) column_head(out, &columns[i], (int)json_array_size(entries), lists);
    fputs("</tr></thead><tbody>\n", out);
    for (int k = 0; score_key(k); k++)
        if (any_has(columns, n, score_key(k))) score_row(out, columns, n, score_key(k), lists == 1);
    json_t *done = json_object();
    for (int i = 0; i < n; i++) { /* figures this program does not know */
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)columns[i].scores, key, value) {
            intervals |= has_interval(&columns[i], key, &low, &high);
            if (score_name(key) || !json_is_number(value) || json_object_get(done, key)) continue;
            json_object_set_new(done, key, json_true());
            score_row(out, columns, n, key, lists == 1);
        }
    }
    json_decref(done);
    fputs("</tbody></table></div>\n<details><summary>What the figures mean</summary>\n<dl>\n", out);
    for (int k = 0; score_key(k); k++) {
        fputs("<dt>", out);
        html_text(out, score_name(score_key(k)));
        fputs("</dt><dd>", out);
        html_text(out, score_meaning(score_key(k)));
        fputs("</dd>\n", out);
    }
    fputs("</dl>\n<p class=\"note\">All are shares from 0 to 1, higher is better. The centre box and the whole image "
          "never look at the "
          "sample; with the wrong sound only the picture can help.</p></details>\n",
          out);
    if (intervals) fputs("<p class=\"note\">Small figures: bootstrap interval over samples.</p>\n", out);
}

/* ---- curves -------------------------------------------------------------------------------------------------- */

static int curve_lines(const json_t *entries, const column *columns, int n, const char *kind, svg_line *lines,
                       char labels[][160]) {
    int n_lines = 0;
    for (int i = 0; i < n && n_lines < SVG_MAX_LINES; i++) {
        const column *c = &columns[i];
        const json_t *values = json_object_get(json_object_get(column_breakdown(c, "curves"), c->curve), kind);
        if (json_array_size(values) < 2) continue;
        if (!c->note)
            snprintf(labels[n_lines], 160, "%.150s", json_array_size(entries) > 1 ? c->name : "model");
        else if (json_array_size(entries) == 1 || (c->baseline && n_lists(entries) == 1))
            snprintf(labels[n_lines], 160, "%s", c->note);
        else
            snprintf(labels[n_lines], 160, "%.130s, %s", c->name, c->note);
        int colour = c->baseline ? c->baseline : c->note && json_array_size(entries) == 1 ? 1 : c->entry % 8;
        lines[n_lines] = (svg_line){labels[n_lines], values, colour, c->note && !c->baseline};
        n_lines++;
    }
    return n_lines;
}

static void curves(FILE *out, const json_t *entries, const column *columns, int n) {
    svg_line lines[SVG_MAX_LINES];
    char labels[SVG_MAX_LINES][160];
    int n_lines = curve_lines(entries, columns, n, "adaptive", lines, labels);
    if (n_lines == 0) return;
    fputs("<h2>Success rate</h2>\n<p class=\"note\">Share of sources whose heat-map reaches a consensus IoU of at "
          "least the threshold; the area "
          "below is the AUC.</p>\n<div class=\"curves\">\n",
          out);
    svg_curves(out, "map cut to the area of the truth", lines, n_lines);
    n_lines = curve_lines(entries, columns, n, "half", lines, labels);
    svg_curves(out, "map cut at its median", lines, n_lines);
    fputs("</div>\n", out);
    svg_legend(out, lines, n_lines);
}

/* ---- what was scored, and all the rest ------------------------------------------------------------------------- */

static int is_shown(const char *key, const json_t *value) {
    static const char *const shown[] = {"scores",      "mismatched", "wrong_sound", "centre_box", "centre",
                                        "whole_image", "whole",      "breakdown",   "name",       "protocols"};
    if (strcmp(key, "model") == 0) return json_is_object(value);
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        if (strcmp(key, shown[i]) == 0) return 1;
    return 0;
}

/* A member of every result, under its own heading. */
static void section(FILE *out, const json_t *entries, size_t i, const char *key) {
    const json_t *value = json_object_get(entry_result(entries, i), key);
    if (json_object_size(value) + json_array_size(value) == 0) return;
    char heading[256];
    if (json_array_size(entries) == 1)
        snprintf(heading, sizeof heading, "%.250s", key);
    else
        snprintf(heading, sizeof heading, "%.90s: %.90s", entry_name(entries, i), key);
    if (json_array_size(entries) == 1 && heading[0] >= 'a' && heading[0] <= 'z')
        heading[0] = (char)(heading[0] - 'a' + 'A');
    html_any(out, heading, value, 2);
}

static void about(FILE *out, const json_t *entries) {
    json_t *facts = json_object(), *single = NULL;
    const char *key;
    json_t *value;
    for (size_t i = 0; i < json_array_size(entries); i++) {
        json_t *own = json_object();
        json_object_foreach((json_t *)entry_result(entries, i), key, value) {
            if (is_shown(key, value)) continue;
            if (json_is_object(value) || json_is_array(value))
                section(out, entries, i, key);
            else
                json_object_set(own, key, value);
        }
        json_object_set_new(facts, entry_name(entries, i), own);
        single = own;
    }
    if (json_array_size(entries) == 1)
        html_any(out, "What was scored", single, 2);
    else
        html_any(out, "What was scored", facts, 2);
    json_decref(facts);
}

/* The results themselves, so that `oassl report` reads pages as it reads JSON files.  '<' cannot end the script. */
static void embed(FILE *out, const json_t *entries) {
    for (size_t i = 0; i < json_array_size(entries); i++) {
        char *text = json_dumps(json_array_get(entries, i), JSON_COMPACT | JSON_REAL_PRECISION(9));
        fputs("<script type=\"application/json\" class=\"oassl-result\">", out);
        for (const char *c = text; c && *c; c++) {
            if (*c == '<' || *c == '>' || *c == '&')
                fprintf(out, "\\u%04x", *c);
            else
                fputc(*c, out);
        }
        fputs("</script>\n", out);
        free(text);
    }
}

static void page(FILE *out, const char *title, const json_t *entries, const json_t *samples) {
    column columns[MAX_COLUMNS];
    int n = columns_of(entries, columns);
    head(out, title);
    opening(out, title, entries);
    if (json_array_size(entries) == 1) tiles(out, columns, n);
    score_table(out, entries, columns, n);
    html_protocols(out, entries);
    curves(out, entries, columns, n);
    html_groups(out, columns, n, "classes", "By class", "Sources of each class, best first by average precision (AP).",
                1);
    html_groups(out, columns, n, "sizes", "By size",
                "Area of the source in a picture of 224 \303\227 224: small below 1,024 pixels, medium below 9,216, "
                "large below 20,736, huge above.",
                0);
    html_samples(out, samples);
    about(out, entries);
    fprintf(out, "<p class=\"note\">Made by liboassl %s.</p>\n", oassl_version_string());
    embed(out, entries);
    fputs("</main></body></html>\n", out);
}

/* ---- files --------------------------------------------------------------------------------------------------- */

int report_save(const char *path, const char *title, const json_t *entries, const json_t *samples) {
    char temporary[4096];
    FILE *file = NULL;
    int fd = -1, fine = snprintf(temporary, sizeof temporary, "%s.XXXXXX", path) < (int)sizeof temporary;
    if (!fine) errno = ENAMETOOLONG;
    if (fine) fd = mkstemp(temporary);
    if (fd >= 0) file = fdopen(fd, "w");
    if (file) {
        page(file, title, entries, samples);
        fine = fflush(file) == 0 && !ferror(file) && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
        fine = fclose(file) == 0 && fine && rename(temporary, path) == 0;
    }
    if (file && fine) return 0;
    fprintf(stderr, "oassl: report %s: %s\n", path, strerror(errno));
    if (fd >= 0) unlink(temporary);
    return file || fd >= 0 ? 1 : 2;
}

/* "run/best.safetensors" is called "run". */
void report_name(const json_t *result, const char *path, char *out_name, size_t capacity) {
    const char *given = json_string_value(json_object_get(result, "name"));
    const char *from = given ? given : path;
    static const char *const keys[] = {"model", "maps", "data"};
    for (int i = 0; !from && i < 3; i++) from = json_string_value(json_object_get(result, keys[i]));
    char text[4096];
    snprintf(text, sizeof text, "%s", from ? from : "result");
    char *base = text;
    for (size_t n = strlen(text); n > 1 && text[n - 1] == '/'; n--) text[n - 1] = '\0';
    if (!given) {
        char *slash = strrchr(text, '/'), *dot;
        base = slash ? slash + 1 : text;
        if ((dot = strrchr(base, '.')) && dot != base) *dot = '\0';
        int generic = strcmp(base, "best") == 0 || strcmp(base, "last") == 0 || strcmp(base, "manifest") == 0;
        if (generic && slash && slash != text) {
            *slash = '\0';
            slash = strrchr(text, '/');
            base = slash ? slash + 1 : text;
        }
    }
    json_t *clean = json_clean_string(base);
    snprintf(out_name, capacity, "%s", clean && *base ? json_string_value(clean) : "result");
    json_decref(clean);
}
