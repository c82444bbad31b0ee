/* Scores by class and by size. */
#include <stdlib.h>
#include <string.h>

#include "report_parts.h"

enum { SHORT_LIST = 15, LONG_LIST = 40 };

const json_t *column_breakdown(const column *c, const char *key) {
    return json_object_get(json_object_get(c->result, "breakdown"), key);
}

static const json_t *group_named(const json_t *groups, const char *name) {
    size_t i;
    json_t *group;
    json_array_foreach((json_t *)groups, i, group) {
        const char *other = json_string_value(json_object_get(group, "name"));
        if (other && strcmp(other, name) == 0) return group;
    }
    return NULL;
}

typedef struct group_row {
    const char *name;
    double order;
} group_row;

static int falling(const void *a, const void *b) {
    const group_row *x = a, *y = b;
    return x->order < y->order ? 1 : x->order > y->order ? -1 : strcmp(x->name, y->name);
}

static void plain_cell(FILE *out, const json_t *value, int bar) {
    double v = json_number_value(value);
    if (!json_is_number(value))
        fputs("<td>\342\200\223</td>", out);
    else if (json_is_integer(value) && !bar)
        fprintf(out, "<td>%lld</td>", (long long)json_integer_value(value));
    else if (bar)
        fprintf(out, "<td class=\"bar\" style=\"--v:%.3f\">%.3f</td>", v < 0 ? 0 : v > 1 ? 1 : v, v);
    else
        fprintf(out, "<td>%.3f</td>", v);
}

static void group_line(FILE *out, const column *models, int n_models, const char *what, const char *name) {
    static const char *const single[] = {"pointing", "adaptive_success_50", NULL};
    const json_t *first = NULL;
    for (int i = 0; i < n_models && !first; i++) first = group_named(column_breakdown(&models[i], what), name);
    fputs("<tr><th scope=\"row\">", out);
    html_text(out, name);
    fputs("</th>", out);
    plain_cell(out, json_object_get(first, "n_pairs"), 0);
    for (int k = 0; n_models == 1 && single[k]; k++) plain_cell(out, json_object_get(first, single[k]), 0);
    for (int i = 0; i < n_models; i++)
        plain_cell(out, json_object_get(group_named(column_breakdown(&models[i], what), name), "ap"), 1);
    fputs("</tr>\n", out);
}

static void group_table(FILE *out, const column *models, int n_models, const char *what, const group_row *rows,
                        size_t from, size_t to) {
    fputs("<div class=\"scroll\"><table class=\"groups\"><thead><tr><th></th><th scope=\"col\">sources</th>", out);
    if (n_models == 1)
        fputs("<th scope=\"col\">pointing</th><th scope=\"col\">adaptive @0.5</th><th scope=\"col\">AP</th>", out);
    for (int i = 0; n_models > 1 && i < n_models; i++) {
        fputs("<th scope=\"col\">", out);
        html_text(out, models[i].name);
        fputs("<small>AP</small></th>", out);
    }
    fputs("</tr></thead><tbody>\n", out);
    for (size_t i = from; i < to; i++) group_line(out, models, n_models, what, rows[i].name);
    fputs("</tbody></table></div>\n", out);
}

void html_groups(FILE *out, const column *columns, int n, const char *what, const char *heading, const char *note,
                 int sorted) {
    column models[MAX_COLUMNS];
    int n_models = 0;
    size_t n_rows = 0, total = 0;
    for (int i = 0; i < n; i++)
        if (!columns[i].note && json_array_size(column_breakdown(&columns[i], what))) {
            total += json_array_size(column_breakdown(&columns[i], what));
            models[n_models++] = columns[i];
        }
    group_row *rows = calloc(total + 1, sizeof *rows);
    for (int m = 0; rows && m < n_models; m++) {
        size_t i, k;
        json_t *group;
        json_array_foreach((json_t *)column_breakdown(&models[m], what), i, group) {
            const char *name = json_string_value(json_object_get(group, "name"));
            for (k = 0; name && k < n_rows && strcmp(rows[k].name, name) != 0;) k++;
            if (name && k == n_rows)
                rows[n_rows++] = (group_row){name, json_number_value(json_object_get(group, "ap"))};
        }
    }
    if (n_rows) {
        if (sorted) qsort(rows, n_rows, sizeof *rows, falling);
        fprintf(out, "<h2>%s</h2>\n<p class=\"note\">%s</p>\n", heading, note);
        if (n_rows <= LONG_LIST)
            group_table(out, models, n_models, what, rows, 0, n_rows);
        else {
            fprintf(out, "<h3>The best %d</h3>\n", SHORT_LIST);
            group_table(out, models, n_models, what, rows, 0, SHORT_LIST);
            fprintf(out, "<h3>The worst %d</h3>\n", SHORT_LIST);
            group_table(out, models, n_models, what, rows, n_rows - SHORT_LIST, n_rows);
            fprintf(out, "<details><summary>All %zu</summary>\n", n_rows);
            group_table(out, models, n_models, what, rows, 0, n_rows);
            fputs("</details>\n", out);
        }
    }
    free(rows);
}
