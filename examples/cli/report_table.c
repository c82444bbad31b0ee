/* Names of figures, intervals, and anything a result holds as tables. */
#include <ctype.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "report_parts.h"

static const struct {
    const char *key, *name, *meaning;
} scores[] = {
    {"pointing", "pointing", "the heat-map\342\200\231s highest point lies on the source"},
    {"twin", "twin", "the source is hotter than every silent look-alike beside it"},
    {"adaptive_success_30", "adaptive cIoU@0.3", "cIoU of at least 0.3, the map cut to the area of the truth"},
    {"adaptive_success_50", "adaptive cIoU@0.5", "cIoU of at least 0.5, the map cut to the area of the truth"},
    {"adaptive_auc", "adaptive AUC", "area under the adaptive success curve"},
    {"adaptive_mean_ciou", "adaptive mean cIoU", "mean consensus IoU, the map cut to the area of the truth"},
    {"success_30", "cIoU@0.3", "cIoU of at least 0.3, the map cut at its median"},
    {"success_50", "cIoU@0.5", "cIoU of at least 0.5, the map cut at its median: \342\200\234cIoU\342\200\235 of the papers"},
    {"auc", "AUC", "area under the success curve"},
    {"mean_ciou", "mean cIoU", "mean consensus IoU, the map cut at its median"},
    {"ap", "AP", "average precision over pixels; with several sources CAP"},
    {"piap", "PIAP", "best one-to-one assignment\342\200\231s pixel AP, mean over samples"},
};
enum { N_SCORES = sizeof scores / sizeof scores[0] };

static int score_index(const char *key) {
    for (int i = 0; i < N_SCORES; i++)
        if (strcmp(scores[i].key, key) == 0) return i;
    return -1;
}

const char *score_key(int index) { return index < N_SCORES ? scores[index].key : NULL; }

const char *score_name(const char *key) {
    int i = score_index(key);
    return i < 0 ? NULL : scores[i].name;
}

const char *score_meaning(const char *key) {
    int i = score_index(key);
    return i < 0 ? NULL : scores[i].meaning;
}

/* ---- text ---- */

/* Length of the UTF-8 sequence at `s`, 0 if it is none. */
static int sequence(const unsigned char *s) {
    int n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;
    for (int i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0))) return 0;
    if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))) return 0;
    return n;
}

static int printable(const unsigned char *s, int n) {
    if (n == 0) return 0;
    if (n == 1) return (s[0] >= 0x20 && s[0] != 0x7f) || s[0] == '\t' || s[0] == '\n';
    if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0) return 0;                        /* C1 controls */
    return !(n == 3 && s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe);           /* U+FFFE, U+FFFF */
}

void html_text(FILE *out, const char *text) {
    const unsigned char *s = (const unsigned char *)(text ? text : "");
    while (*s) {
        int n = sequence(s);
        if (!printable(s, n)) fputs("\357\277\275", out);
        else if (*s == '&') fputs("&amp;", out);
        else if (*s == '<') fputs("&lt;", out);
        else if (*s == '>') fputs("&gt;", out);
        else if (*s == '"') fputs("&quot;", out);
        else if (*s == '\'') fputs("&#39;", out);
        else fwrite(s, 1, (size_t)n, out);
        s += n ? n : 1;
    }
}

json_t *json_clean_string(const char *text) {
    const unsigned char *s = (const unsigned char *)(text ? text : "");
    char *clean = malloc(3 * strlen((const char *)s) + 1), *to = clean;
    if (!clean) return NULL;
    while (*s) {
        int n = sequence(s);
        if (printable(s, n)) memcpy(to, s, (size_t)n), to += n;
        else memcpy(to, "\357\277\275", 3), to += 3;
        s += n ? n : 1;
    }
    *to = '\0';
    json_t *string = json_string(clean);
    free(clean);
    return string;
}

static const struct {
    const char *key, *name;
} other_names[] = {{"n_samples", "samples"},          {"n_pairs", "sources"},
                   {"n_twin", "beside a silent twin"}, {"n_skipped", "skipped"},
                   {"list_hash", "hash of the list"},  {"seconds", "seconds spent"},
                   {"confidence", "mean confidence"},  {"similarity", "mean similarity"},
                   {"cap", "CAP"},                     {"iiou", "IIoU"},
                   {"iauc", "IAUC"},                   {"adaptive_iiou", "adaptive IIoU"},
                   {"adaptive_iauc", "adaptive IAUC"}, {"ap_conf", "AP of confidence"},
                   {"max_f1", "max-F1"},               {"loc_acc", "LocAcc"},
                   {"miou", "mIoU"},                   {"f_score", "F-score"},
                   {"success_75", "cIoU@0.75"}};

void html_key(FILE *out, const char *key) {
    const char *dot = strrchr(key, '.'), *last = dot ? dot + 1 : key, *known = score_name(last); /* "medium.success_50" */
    for (size_t i = 0; i < sizeof other_names / sizeof other_names[0] && !known; i++)
        if (strcmp(other_names[i].key, last) == 0) known = other_names[i].name;
    char text[128];
    if (known && dot) snprintf(text, sizeof text, "%.*s %s", (int)(dot - key < 60 ? dot - key : 60), key, known);
    else snprintf(text, sizeof text, "%s", known ? known : key);
    for (char *c = text; *c; c++)
        if (*c == '_') *c = ' ';
    html_text(out, text);
}

/* ---- intervals ---- */

static const json_t *first_of(const json_t *object, const char *const *keys) {
    for (; *keys; keys++) {
        const json_t *value = json_object_get(object, *keys);
        if (value) return value;
    }
    return NULL;
}

static int as_interval(const json_t *value, double *low, double *high) {
    static const char *const lows[] = {"low", "lower", "lo", NULL}, *const highs[] = {"high", "upper", "hi", NULL};
    const json_t *a = json_is_array(value) ? json_array_get(value, 0) : first_of(value, lows);
    const json_t *b = json_is_array(value) ? json_array_get(value, 1) : first_of(value, highs);
    if (!json_is_number(a) || !json_is_number(b)) return 0;
    *low = json_number_value(a);
    *high = json_number_value(b);
    return 1;
}

int find_interval(const json_t *holder, const char *key, double *out_low, double *out_high) {
    static const char *const places[] = {"interval", "intervals", "bootstrap", "confidence_intervals", "ci", NULL};
    if (as_interval(json_object_get(holder, key), out_low, out_high)) return 1;
    for (int i = 0; places[i]; i++) {
        const json_t *place = json_object_get(holder, places[i]);
        if (as_interval(json_object_get(place, key), out_low, out_high)) return 1;
    }
    return 0;
}

/* ---- anything ---- */

enum { MAX_LISTED = 64, MAX_ROWS = 400, MAX_LEVEL = 6 };

static int is_scalar(const json_t *value) { return !json_is_object(value) && !json_is_array(value); }

static void scalar(FILE *out, const json_t *value) {
    if (json_is_string(value)) html_text(out, json_string_value(value));
    else if (json_is_integer(value)) fprintf(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value)) {
        double v = json_real_value(value);
        fprintf(out, fabs(v) <= 1 && (fabs(v) >= 0.0005 || v == 0) ? "%.3f" : "%.5g", v);
    } else fputs(json_is_true(value) ? "yes" : json_is_false(value) ? "no" : "\342\200\223", out);
}

static void scalars_line(FILE *out, const json_t *array) {
    size_t n = json_array_size(array);
    for (size_t i = 0; i < n && i < MAX_LISTED; i++) {
        if (i) fputs(", ", out);
        scalar(out, json_array_get(array, i));
    }
    if (n > MAX_LISTED) fprintf(out, " \342\200\246 and %zu more", n - MAX_LISTED);
}

static int all_scalars(const json_t *array) {
    for (size_t i = 0; i < json_array_size(array); i++)
        if (!is_scalar(json_array_get(array, i))) return 0;
    return 1;
}

void html_cell(FILE *out, const json_t *value) {
    double low, high;
    if (!value) fputs("\342\200\223", out);
    else if (is_scalar(value)) scalar(out, value);
    else if (json_is_object(value) && (json_object_get(value, "value") || as_interval(value, &low, &high))) {
        if (json_object_get(value, "value")) scalar(out, json_object_get(value, "value"));
        if (as_interval(value, &low, &high) && high > low) fprintf(out, " <small>%.3f\342\200\223%.3f</small>", low, high);
    } else if (json_is_array(value) && all_scalars(value)) scalars_line(out, value);
    else {
        char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(4));
        html_text(out, text);
        free(text);
    }
}

/* Rows are the members' keys, columns the members. */
static void matrix(FILE *out, const json_t *object) {
    json_t *rows = json_object();
    const char *name, *key;
    json_t *member, *value;
    json_object_foreach((json_t *)object, name, member) json_object_foreach(member, key, value) json_object_set_new(rows, key, json_true());
    fputs("<div class=\"scroll\"><table><thead><tr><th></th>", out);
    json_object_foreach((json_t *)object, name, member) {
        fputs("<th scope=\"col\">", out);
        html_key(out, name);
        fputs("</th>", out);
    }
    fputs("</tr></thead><tbody>\n", out);
    json_object_foreach(rows, key, value) {
        fputs("<tr><th scope=\"row\">", out);
        html_key(out, key);
        fputs("</th>", out);
        const char *unused;
        json_object_foreach((json_t *)object, unused, member) {
            fputs(json_is_string(json_object_get(member, key)) ? "<td class=\"text\">" : "<td>", out);
            html_cell(out, json_object_get(member, key));
            fputs("</td>", out);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
    json_decref(rows);
}

/* Objects one below the other, their keys as columns. */
static void records(FILE *out, const json_t *array) {
    json_t *columns = json_object();
    const char *key;
    json_t *value;
    size_t n = json_array_size(array);
    for (size_t i = 0; i < n && i < MAX_ROWS; i++)
        json_object_foreach(json_array_get(array, i), key, value) json_object_set_new(columns, key, json_true());
    fputs("<div class=\"scroll\"><table class=\"records\"><thead><tr>", out);
    json_object_foreach(columns, key, value) {
        fputs("<th scope=\"col\">", out);
        html_key(out, key);
        fputs("</th>", out);
    }
    fputs("</tr></thead><tbody>\n", out);
    for (size_t i = 0; i < n && i < MAX_ROWS; i++) {
        fputs("<tr>", out);
        json_object_foreach(columns, key, value) {
            value = json_object_get(json_array_get(array, i), key);
            fputs(json_is_string(value) ? "<td class=\"text\">" : "<td>", out);
            html_cell(out, value);
            fputs("</td>", out);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
    if (n > MAX_ROWS) fprintf(out, "<p class=\"note\">%zu more rows are not shown.</p>\n", n - MAX_ROWS);
    json_decref(columns);
}

static int of_objects(const json_t *value, int flat) {
    const char *key;
    json_t *member, *inner;
    size_t n = 0;
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            if (!json_is_object(json_array_get(value, i))) return 0;
        return json_array_size(value) > 0;
    }
    json_object_foreach((json_t *)value, key, member) {
        const char *name;
        if (!json_is_object(member)) return 0;
        json_object_foreach(member, name, inner) if (flat && json_is_object(inner) && !json_object_get(inner, "low") && !json_object_get(inner, "value")) return 0;
        n++;
    }
    return n > 0;
}

static void members(FILE *out, const json_t *object, int level) {
    const char *key;
    json_t *value;
    int open = 0;
    json_object_foreach((json_t *)object, key, value) {
        if (!is_scalar(value) && !(json_is_array(value) && all_scalars(value))) continue;
        if (!open++) fputs("<dl>\n", out);
        fputs("<dt>", out);
        html_key(out, key);
        fputs("</dt><dd>", out);
        html_cell(out, value);
        fputs("</dd>\n", out);
    }
    if (open) fputs("</dl>\n", out);
    json_object_foreach((json_t *)object, key, value) if (!is_scalar(value) && !(json_is_array(value) && all_scalars(value)))
        html_any(out, key, value, level + 1);
}

void html_any(FILE *out, const char *heading, const json_t *value, int level) {
    int h = level < 2 ? 2 : level > 5 ? 5 : level;
    fprintf(out, "<h%d>", h);
    html_key(out, heading);
    fprintf(out, "</h%d>\n", h);
    if (level <= MAX_LEVEL && json_is_object(value) && of_objects(value, 1)) matrix(out, value);
    else if (level <= MAX_LEVEL && json_is_array(value) && of_objects(value, 1)) records(out, value);
    else if (level <= MAX_LEVEL && json_is_object(value)) members(out, value, level);
    else {
        fputs("<p class=\"note\">", out);
        html_cell(out, value);
        fputs("</p>\n", out);
    }
}
