#include "truth.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_SOURCES = OASSL_METRIC_MAX_SOURCES, MAX_BOXES = 64 };

struct truth_book {
    const oassl_context *context;
    oassl_manifest *manifest;
    uint64_t *numbers, n, n_left_out;
    int mask_threshold;
};

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static oassl_record record_at(const truth_book *b, uint64_t number) {
    oassl_record r = OASSL_RECORD_INIT;
    oassl_manifest_record(b->manifest, number, &r);
    return r;
}

/* Sources with a place, or nothing that sounds and said so ("playing": false). */
static bool has_truth(const truth_book *b, const oassl_record *r) {
    if (r->n_mix == 0) return r->n_sources > 0 ? r->n_sources <= MAX_SOURCES : r->playing == 0;
    uint32_t n = 0;
    for (uint32_t k = 0; k < r->n_mix; k++) {
        oassl_record part = record_at(b, r->mix[k]);
        if (part.n_sources == 0) return false;
        for (uint32_t s = 0; s < part.n_sources; s++)
            if (part.sources[s].mask && part.sources[s].n_boxes == 0) return false; /* masks are not composed */
        n += part.n_sources;
    }
    return n <= MAX_SOURCES;
}

static oassl_status choose(truth_book *b, const char *split, bool mixtures) {
    uint64_t n = 0, n_wanted = 0;
    oassl_status status = oassl_manifest_split(b->manifest, split, NULL, 0, &n);
    b->numbers = calloc(n + 1, sizeof *b->numbers);
    if (status != OASSL_STATUS_OK || !b->numbers) return status ? status : OASSL_STATUS_OUT_OF_MEMORY;
    oassl_manifest_split(b->manifest, split, b->numbers, n, &n);
    for (uint64_t i = 0; i < n; i++) {
        oassl_record r = record_at(b, b->numbers[i]);
        if (mixtures && r.n_mix == 0) continue;
        n_wanted++;
        if (has_truth(b, &r)) b->numbers[b->n++] = b->numbers[i];
    }
    b->n_left_out = n_wanted - b->n;
    return OASSL_STATUS_OK;
}

int truth_open(const oassl_context *context, const char *data, const char *split, bool mixtures, uint64_t mask_threshold,
               truth_book **out_book) {
    truth_book *b = *out_book = calloc(1, sizeof *b);
    if (!b) return fputs("oassl: no memory for the truth\n", stderr), 1;
    b->context = context, b->mask_threshold = (int)mask_threshold;
    oassl_manifest_options options = OASSL_MANIFEST_OPTIONS_INIT;
    options.missing = OASSL_MISSING_KEEP;
    oassl_status status = oassl_manifest_load(context, data, &options, &b->manifest);
    if (status == OASSL_STATUS_OK) status = choose(b, split, mixtures);
    if (status != OASSL_STATUS_OK) return cli_failed(status);
    if (b->n == 0) fprintf(stderr, "oassl: %s: split '%s' has no record with boxes or masks\n", data, split);
    return b->n == 0 ? 2 : 0;
}

void truth_close(truth_book *b) {
    if (!b) return;
    free(b->numbers);
    oassl_manifest_destroy(b->manifest);
    free(b);
}

uint64_t truth_count(const truth_book *b) { return b->n; }
uint64_t truth_n_left_out(const truth_book *b) { return b->n_left_out; }
const char *truth_id(const truth_book *b, uint64_t index) { return record_at(b, b->numbers[index]).id; }

/* ---- one sample ------------------------------------------------------------------------------------------------- */

typedef struct page {
    oassl_metric_truth sources[MAX_SOURCES];
    double numbers[MAX_SOURCES][MAX_BOXES][4];
    uint8_t *masks[MAX_SOURCES];
} page;

void truth_release(void *kept) {
    page *p = kept;
    for (int k = 0; p && k < MAX_SOURCES; k++) free(p->masks[k]);
    free(p);
}

static oassl_status load_mask(const truth_book *b, const char *path, int32_t *width, int32_t *height, uint8_t **out_mask) {
    oassl_image mask;
    const char *dot = strrchr(path, '.');
    bool lossy = dot && (strcmp(dot, ".jpg") == 0 || strcmp(dot, ".jpeg") == 0);
    int from = b->mask_threshold ? b->mask_threshold : lossy ? 128 : 0;
    oassl_status status = oassl_image_load(b->context, path, &mask);
    if (status != OASSL_STATUS_OK) return status;
    size_t n = (size_t)mask.width * (size_t)mask.height, stride = mask.row_bytes ? (size_t)mask.row_bytes : 3 * (size_t)mask.width;
    *out_mask = malloc(n);
    for (size_t i = 0; *out_mask && i < n; i++) {
        const uint8_t *rgb = mask.rgb + i / (size_t)mask.width * stride + 3 * (i % (size_t)mask.width);
        (*out_mask)[i] = from ? rgb[0] + rgb[1] + rgb[2] >= 3 * from : rgb[0] || rgb[1] || rgb[2];
    }
    *width = mask.width, *height = mask.height;
    oassl_image_free(b->context, &mask);
    return *out_mask ? OASSL_STATUS_OK : OASSL_STATUS_OUT_OF_MEMORY;
}

/* The frame of a record's boxes: the one it names, else its picture. */
static oassl_status frame_of(const truth_book *b, const oassl_record *r, int32_t *width, int32_t *height) {
    *width = r->frame_width, *height = r->frame_height;
    if (*width > 0 && *height > 0) return OASSL_STATUS_OK;
    oassl_image picture;
    oassl_status status = oassl_image_load(b->context, r->image ? r->image : r->id, &picture);
    if (status != OASSL_STATUS_OK) return status;
    *width = picture.width, *height = picture.height;
    oassl_image_free(b->context, &picture);
    return OASSL_STATUS_OK;
}

/* Boxes by the annotation's own numbers when the manifest has them, else by its own in pixels of the frame. */
static void take_boxes(const oassl_record *r, uint32_t s, double (*room)[4], oassl_metric_truth *out) {
    const oassl_record_source *from = &r->sources[s];
    if (r->numbers_are && from->n_numbers) {
        out->numbers = from->numbers, out->n_boxes = from->n_numbers, out->numbers_are = r->numbers_are;
        return;
    }
    out->numbers = (const double(*)[4])room, out->numbers_are = OASSL_BOX_PIXELS;
    out->n_boxes = from->n_boxes < MAX_BOXES ? from->n_boxes : MAX_BOXES;
    for (uint32_t i = 0; i < out->n_boxes; i++)
        for (int c = 0; c < 4; c++) room[i][c] = (double)from->boxes[i][c];
    if (out->n_boxes) return;
    memset(room, 0, sizeof *room); /* nothing is inside */
    out->n_boxes = 1;
}

static oassl_status take_source(const truth_book *b, const oassl_record *r, uint32_t s, uint32_t part, page *p, oassl_metric_sample *out) {
    uint32_t k = out->n_sources++;
    oassl_metric_truth *t = &p->sources[k];
    int32_t width = 0, height = 0;
    *t = (oassl_metric_truth){.label = r->sources[s].label, .consensus = r->consensus, .part = part};
    if (!r->sources[s].mask) return take_boxes(r, s, p->numbers[k], t), OASSL_STATUS_OK;
    oassl_status status = load_mask(b, r->sources[s].mask, &width, &height, &p->masks[k]);
    if (status != OASSL_STATUS_OK) return status;
    if (k > 0 && (out->width != width || out->height != height)) return OASSL_STATUS_SHAPE_MISMATCH;
    t->mask = p->masks[k], t->n_boxes = 0;
    out->width = width, out->height = height;
    return OASSL_STATUS_OK;
}

/* Boxes of the record's own pixels need one frame for all parts; other frames are brought to 224. */
static oassl_status set_frame(const truth_book *b, const oassl_record *r, page *p, uint32_t first, oassl_metric_sample *out) {
    int32_t width = 224, height = 224, n = (int32_t)out->n_parts;
    bool own = false, masked = false;
    for (uint32_t k = first; k < out->n_sources; k++) {
        masked = masked || p->sources[k].mask;
        own = own || (!p->sources[k].mask && p->sources[k].numbers_are == OASSL_BOX_PIXELS);
    }
    oassl_status status = own ? frame_of(b, r, &width, &height) : OASSL_STATUS_OK;
    if (status != OASSL_STATUS_OK) return status;
    if (n == 1) {
        if (!masked) out->width = width, out->height = height;
        return OASSL_STATUS_OK;
    }
    for (uint32_t k = first; k < out->n_sources; k++)
        for (uint32_t i = 0; p->sources[k].numbers_are == OASSL_BOX_PIXELS && i < p->sources[k].n_boxes; i++)
            for (int c = 0; c < 4; c++) p->numbers[k][i][c] = p->numbers[k][i][c] * 224 / (c % 2 ? height : width);
    out->width = out->axis ? 224 : 224 * n, out->height = out->axis ? 224 * n : 224;
    return OASSL_STATUS_OK;
}

oassl_status truth_fill(const truth_book *b, uint64_t index, oassl_metric_sample *out, void **out_kept) {
    oassl_record r = record_at(b, b->numbers[index]);
    page *p = calloc(1, sizeof *p);
    oassl_status status = p ? OASSL_STATUS_OK : OASSL_STATUS_OUT_OF_MEMORY;
    uint32_t n = r.n_mix ? r.n_mix : 1;
    *out = (oassl_metric_sample){.id = r.id, .group = r.group, .n_parts = n, .axis = r.axis, .width = 224, .height = 224};
    for (uint32_t k = 0; k < n && status == OASSL_STATUS_OK; k++) {
        oassl_record part = r.n_mix ? record_at(b, r.mix[k]) : r;
        uint32_t first = out->n_sources;
        for (uint32_t s = 0; s < part.n_sources && status == OASSL_STATUS_OK; s++) status = take_source(b, &part, s, k, p, out);
        if (status == OASSL_STATUS_OK && part.n_sources) status = set_frame(b, &part, p, first, out);
    }
    if (p) out->sources = p->sources;
    *out_kept = p;
    if (status == OASSL_STATUS_OK) return status;
    truth_release(p);
    *out_kept = NULL;
    return status;
}
