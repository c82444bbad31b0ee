/* Pieces of the report, shared by its files. */
#ifndef OASSL_CLI_REPORT_PARTS_H
#define OASSL_CLI_REPORT_PARTS_H

#include <stdio.h>

#include "report.h"

/* A true or predicted pair as the report keeps it. */
enum { REPORT_STEPS = 21 }; /* thresholds 0, 0.05 .. 1 */

/* Text into HTML: marks escaped, bytes that are no UTF-8 and control characters replaced by U+FFFD.  NULL is "". */
void html_text(FILE *out, const char *text);

/* ---- report_sample.c: the drawing of one sample ---- */

/* A card: id, sources with their scores, pictures and spectrogram as data URLs.  `pairs` in order of sources. */
oassl_status sample_card(const oassl_context *context, const char *folder, const oassl_metric_sample *sample,
                         const oassl_image *picture, const oassl_audio *sound, const oassl_metric_pair *pairs,
                         double score, json_t **out_card);

/* Box `b` of a truth in pixels of the whole picture, clipped to it; 0 = nothing is left of it. */
int truth_box(const oassl_metric_sample *sample, const oassl_metric_truth *truth, uint32_t b, double *out_box);

/* ---- report_svg.c ---- */

typedef struct svg_line {
    const char *label;
    const json_t *values; /* REPORT_STEPS numbers */
    int colour;           /* 0..7, or SVG_CENTRE, SVG_WHOLE */
    int wrong;            /* 1: dashed */
} svg_line;
enum { SVG_CENTRE = 8, SVG_WHOLE = 9, SVG_MAX_LINES = 24 };

void svg_curves(FILE *out, const char *title, const svg_line *lines, int n);
void svg_legend(FILE *out, const svg_line *lines, int n);

/* ---- report_table.c ---- */

/* How a figure is called, and what it means; NULL for a key that is not known. */
const char *score_name(const char *key);
const char *score_meaning(const char *key);
const char *score_key(int index); /* in the order of tables; NULL past the last */
/* "mean_ciou" to "mean ciou". */
void html_key(FILE *out, const char *key);
/* The interval of scores[key]: from "interval", "intervals", "bootstrap" or "confidence_intervals" beside or inside
 * the scores. */
int find_interval(const json_t *holder, const char *key, double *out_low, double *out_high);
/* "0.512" with its interval, scalars, short arrays; what is deeper as compact JSON.  NULL is a dash. */
void html_cell(FILE *out, const json_t *value);
/* Anything at all, as tables and lists. */
void html_any(FILE *out, const char *heading, const json_t *value, int level);

/* ---- report_groups.c ---- */

enum { MAX_COLUMNS = 64 };

/* One row of scores: a model, the same with wrong sounds, or a baseline. */
typedef struct column {
    const char *name;
    const char *note; /* "wrong sound", "centre box"; NULL for the model itself */
    const char *curve;
    const json_t *result, *scores;
    int entry, baseline; /* 0, SVG_CENTRE, SVG_WHOLE */
} column;

/* "curves", "classes" or "sizes" of a column's result; NULL when it has none. */
const json_t *column_breakdown(const column *c, const char *key);
void html_groups(FILE *out, const column *columns, int n, const char *what, const char *heading, const char *note,
                 int sorted);

/* ---- report_cards.c ---- */

void html_samples(FILE *out, const json_t *samples);

/* ---- report_protocols.c ---- */

/* Published protocols, a card each: figures of every entry, rules, flaws. */
void html_protocols(FILE *out, const json_t *entries);

extern const char report_style[];

#endif
