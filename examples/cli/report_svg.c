/* Success-rate curves as inline SVG.  Colours and dashes are classes of the page's style sheet. */
#include "report_parts.h"

enum { WIDTH = 380, HEIGHT = 250, LEFT = 34, RIGHT = 8, TOP = 24, BOTTOM = 36 };

static double x_of(double threshold) { return LEFT + threshold * (WIDTH - LEFT - RIGHT); }
static double y_of(double share) {
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
}

static void axes(FILE *out) {
    for (int i = 0; i <= 5; i++) {
        double v = i / 5.0;
        fprintf(out, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", x_of(0), y_of(v), x_of(1), y_of(v));
        fprintf(out, "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>", x_of(v), y_of(0), x_of(v), y_of(1));
        fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.1f</text>", LEFT - 6, y_of(v) + 4, v);
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%.1f</text>\n", x_of(v), y_of(0) + 15, i == 5 ? "end" : "middle", v);
    }
    fprintf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">cIoU threshold</text>\n", x_of(0.5), HEIGHT - 6);
}

static void line_class(FILE *out, const svg_line *line) {
    fprintf(out, "s%d%s", line->colour, line->wrong ? " wrong" : "");
}

static void curve(FILE *out, const svg_line *line) {
    size_t n = json_array_size(line->values);
    if (n < 2) return;
    fputs("<g><title>", out);
    html_text(out, line->label);
    fputs("</title><polyline class=\"", out);
    line_class(out, line);
    fputs("\" points=\"", out);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "%s%.1f,%.1f", i ? " " : "", x_of((double)i / (double)(n - 1)), y_of(json_number_value(json_array_get(line->values, i))));
    fputs("\"/></g>\n", out);
}

void svg_curves(FILE *out, const char *title, const svg_line *lines, int n) {
    fprintf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    html_text(out, title);
    fprintf(out, "\">\n<text class=\"title\" x=\"%d\" y=\"14\">", LEFT);
    html_text(out, title);
    fputs("</text>\n", out);
    axes(out);
    for (int i = n - 1; i >= 0; i--) curve(out, &lines[i]); /* the first on top */
    fputs("</svg>\n", out);
}

void svg_legend(FILE *out, const svg_line *lines, int n) {
    fputs("<ul class=\"legend\">\n", out);
    for (int i = 0; i < n; i++) {
        fputs("<li><svg class=\"swatch\" viewBox=\"0 0 26 8\" aria-hidden=\"true\"><polyline class=\"", out);
        line_class(out, &lines[i]);
        fputs("\" points=\"1,4 25,4\"/></svg>", out);
        html_text(out, lines[i].label);
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
}
