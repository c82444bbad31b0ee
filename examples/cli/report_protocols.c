/* Published protocols: figures that compare within a protocol only, so each has a card of its own. */
#include <string.h>

#include "report_parts.h"

enum { MANY_FIGURES = 14 };

static const json_t *protocols_of(const json_t *entries, size_t i) {
    return json_object_get(json_object_get(json_array_get(entries, i), "result"), "protocols");
}

/* {"rules", "notes", "figures": {...}}, or the figures themselves. */
static const json_t *figures_of(const json_t *protocol) {
    const json_t *figures = json_object_get(protocol, "figures");
    return json_is_object(figures) ? figures : protocol;
}

/* The keys of an object to those of a set; `late`: those of one threshold of a grid, which come last. */
static void collect(json_t *set, const json_t *object, int late) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
        if (!json_is_string(value) && (strncmp(key, "t0.", 3) == 0) == late) json_object_set_new(set, key, json_true());
}

static void figure_row(FILE *out, const json_t *entries, const char *protocol, const char *figure) {
    const json_t *count = NULL;
    size_t n = json_array_size(entries);
    fputs("<tr><th scope=\"row\">", out);
    html_key(out, figure);
    fputs("</th>", out);
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_object_get(figures_of(json_object_get(protocols_of(entries, i), protocol)), figure);
        if (json_object_get(value, "n")) count = json_object_get(value, "n");
        fputs("<td>", out);
        html_cell(out, value);
        fputs("</td>", out);
    }
    if (n == 1) {
        fputs("<td class=\"base\">", out);
        html_cell(out, count);
        fputs("</td>", out);
    }
    fputs("</tr>\n", out);
}

static void figure_table(FILE *out, const json_t *entries, const char *protocol, const json_t *figures, size_t from, size_t to) {
    const char *key;
    json_t *value;
    size_t at = 0;
    fputs("<div class=\"scroll\"><table><thead><tr><th></th>", out);
    for (size_t i = 0; i < json_array_size(entries); i++) {
        fputs("<th scope=\"col\">", out);
        if (json_array_size(entries) > 1) html_text(out, json_string_value(json_object_get(json_array_get(entries, i), "name")));
        fputs("</th>", out);
    }
    if (json_array_size(entries) == 1) fputs("<th scope=\"col\">of</th>", out);
    fputs("</tr></thead><tbody>\n", out);
    json_object_foreach((json_t *)figures, key, value) {
        if (at >= from && at < to) figure_row(out, entries, protocol, key);
        at++;
    }
    fputs("</tbody></table></div>\n", out);
}

static void card(FILE *out, const json_t *entries, const char *protocol) {
    json_t *figures = json_object(), *late = json_object();
    const char *rules = NULL, *notes = NULL;
    for (size_t i = 0; i < json_array_size(entries); i++) {
        const json_t *own = json_object_get(protocols_of(entries, i), protocol);
        collect(figures, figures_of(own), 0);
        collect(late, figures_of(own), 1);
        if (!rules) rules = json_string_value(json_object_get(own, "rules"));
        if (!notes) notes = json_string_value(json_object_get(own, "notes"));
    }
    json_object_update(figures, late);
    json_decref(late);
    size_t n = json_object_size(figures), shown = n > MANY_FIGURES + 2 ? MANY_FIGURES : n;
    fputs("<article class=\"card\"><h4>", out);
    html_text(out, protocol);
    fputs("</h4>\n", out);
    for (int i = 0; i < 2; i++) {
        if (!(i ? notes : rules) || !*(i ? notes : rules)) continue;
        fputs("<p class=\"note\">", out);
        html_text(out, i ? notes : rules);
        fputs("</p>\n", out);
    }
    figure_table(out, entries, protocol, figures, 0, shown);
    if (shown < n) {
        fprintf(out, "<details><summary>%zu more figures</summary>\n", n - shown);
        figure_table(out, entries, protocol, figures, shown, n);
        fputs("</details>\n", out);
    }
    fputs("</article>\n", out);
    json_decref(figures);
}

void html_protocols(FILE *out, const json_t *entries) {
    json_t *names = json_object(), *value;
    const char *name;
    for (size_t i = 0; i < json_array_size(entries); i++) collect(names, protocols_of(entries, i), 0);
    if (json_object_size(names)) {
        fputs("<h2>Published protocols</h2>\n<p class=\"note\">Each reproduces one published evaluator, flaws included; figures of "
              "different protocols do not compare.  Small figures: bootstrap interval.</p>\n",
              out);
        fprintf(out, "<div class=\"cards top%s\">\n", json_array_size(entries) > 2 ? " broad" : "");
        json_object_foreach(names, name, value) card(out, entries, name);
        fputs("</div>\n", out);
    }
    json_decref(names);
}
