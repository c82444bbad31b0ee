#include <math.h>
#include <string.h>

#include "metric/sample_parts.h"

oassl_status oai_dense_room(const oai_host *host, dense_map *map, size_t bytes) {
    if (bytes > map->room) {
        oai_free(host, map->own);
        map->room = 0;
        map->own = oai_alloc(host, bytes);
        if (!map->own) return oai_no_memory(bytes, "a heat-map");
        map->room = bytes;
    }
    map->values = map->own;
    return OASSL_STATUS_OK;
}

static oassl_status check_map(const oassl_tensor *t) {
    if (!t->data || t->device != OASSL_DEVICE_CPU || (t->dtype != OASSL_DTYPE_F64 && t->dtype != OASSL_DTYPE_F32) ||
        t->rank != 2 || t->shape[0] < 1 || t->shape[1] < 1)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH,
                        "expected F32 or F64 on the CPU of shape [h, w], found dtype %d, device %d, rank %d", t->dtype,
                        t->device, t->rank);
    if (t->shape[0] > 65536 || t->shape[1] > 65536)
        return oai_fail(OASSL_STATUS_SHAPE_MISMATCH, "a map of %lld x %lld, at most 65536 a side",
                        (long long)t->shape[0], (long long)t->shape[1]);
    return OASSL_STATUS_OK;
}

static void copy_rows(const oassl_tensor *t, int64_t dy, int64_t dx, dense_map *out) {
    for (int64_t y = 0; y < out->h; y++)
        for (int64_t x = 0; x < out->w; x++) {
            if (out->single)
                ((float *)out->own)[y * out->w + x] = ((const float *)t->data)[y * dy + x * dx];
            else
                ((double *)out->own)[y * out->w + x] = ((const double *)t->data)[y * dy + x * dx];
        }
}

static oassl_status report_non_finite(const dense_map *m) {
    for (int64_t i = 0; i < m->h * m->w; i++) {
        double v = m->single ? (double)((const float *)m->values)[i] : ((const double *)m->values)[i];
        if (!isfinite(v))
            return oai_fail(OASSL_STATUS_NON_FINITE, "%g at row %lld, column %lld", v, (long long)(i / m->w),
                            (long long)(i % m->w));
    }
    return OASSL_STATUS_OK;
}

static oassl_status read_map(oai_sample_cache *c, const oassl_tensor *t, dense_map *out_map) {
    OAI_TRY(check_map(t));
    int64_t h = t->shape[0], w = t->shape[1], dy = t->strides[0], dx = t->strides[1];
    if (dy == 0 && dx == 0) dy = w, dx = 1;
    out_map->h = h, out_map->w = w, out_map->single = t->dtype == OASSL_DTYPE_F32;
    size_t bytes = out_map->single ? sizeof(float) : sizeof(double);
    if (dx == 1 && dy == w && (uintptr_t)t->data % bytes == 0) {
        out_map->values = t->data;
    } else {
        OAI_TRY(oai_dense_room(c->host, out_map, (size_t)(h * w) * bytes));
        copy_rows(t, dy, dx, out_map);
    }
    bool finite = out_map->single ? oai_extent_f32(out_map->values, (size_t)(h * w), &out_map->lo, &out_map->hi)
                                  : oai_extent_f64(out_map->values, (size_t)(h * w), &out_map->lo, &out_map->hi);
    return finite ? OASSL_STATUS_OK : report_non_finite(out_map);
}

static oassl_status check_truth(const oai_sample_cache *c, const oassl_metric_truth *t) {
    if (t->mask) return OASSL_STATUS_OK;
    if ((!t->boxes && !t->numbers) || t->n_boxes == 0)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "neither box nor mask");
    if (t->n_boxes > MAX_BOXES)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "%u boxes, at most %d", t->n_boxes, MAX_BOXES);
    if (t->numbers && (t->numbers_are < OASSL_BOX_PIXELS || t->numbers_are > OASSL_BOX_OF_224))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "numbers_are is %d, expected 0..4", t->numbers_are);
    if (t->numbers && t->part >= c->n_parts)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "part is %u, the picture has %u", t->part, c->n_parts);
    for (uint32_t i = 0; i < t->n_boxes && !t->numbers; i++) {
        const float *b = t->boxes[i];
        if (!(isfinite(b[0]) && isfinite(b[1]) && isfinite(b[2]) && isfinite(b[3]) && b[0] < b[2] && b[1] < b[3]))
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "box %u is [%g, %g, %g, %g], expected x0 < x1 and y0 < y1",
                            i, b[0], b[1], b[2], b[3]);
    }
    return OASSL_STATUS_OK;
}

uint32_t oai_part_of_truth(const oai_sample_cache *c, const oassl_metric_truth *t) {
    const oassl_metric_sample *s = c->sample;
    double side = s->axis ? s->height : s->width, at = 0;
    if (c->n_parts == 1) return 0;
    if (t->numbers) return t->part;
    if (t->mask) {
        for (int64_t i = 0, n = (int64_t)s->width * s->height; i < n; i++)
            if (t->mask[i]) {
                at = (double)(s->axis ? i / s->width : i % s->width);
                break;
            }
    } else {
        at = 0.5 * ((double)t->boxes[0][s->axis ? 1 : 0] + (double)t->boxes[0][s->axis ? 3 : 2]);
    }
    double part = at * c->n_parts / side;
    return part <= 0 ? 0 : part >= c->n_parts ? c->n_parts - 1 : (uint32_t)part;
}

static oassl_status check_sample(const oassl_metric_sample *s) {
    if (s->n_maps > MAX_SOURCES || (s->n_maps && !s->maps))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%u maps, expected 0..%d of them", s->n_maps, MAX_SOURCES);
    if (s->n_sources > MAX_SOURCES || (s->n_sources && !s->sources))
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%u sources, expected 0..%d of them", s->n_sources,
                        MAX_SOURCES);
    if (s->n_silent && !s->silent)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "n_silent is %u, silent is NULL", s->n_silent);
    if (s->width < 1 || s->height < 1)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "picture of %d x %d", s->width, s->height);
    if (s->n_parts > MAX_SOURCES)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "%u composed pictures, at most %d", s->n_parts, MAX_SOURCES);
    if (s->axis < 0 || s->axis > 1)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "axis is %d, expected 0 or 1", s->axis);
    if (s->confidence && !isfinite(*s->confidence))
        return oai_fail(OASSL_STATUS_NON_FINITE, "confidence is %g", *s->confidence);
    return OASSL_STATUS_OK;
}

oassl_status oai_sample_take(oai_sample_cache *c, const oassl_metric_sample *s) {
    OAI_TRY(check_sample(s));
    c->sample = s, c->n_parts = s->n_parts ? s->n_parts : 1;
    c->has_xywh = false;
    for (uint32_t i = 0; i < s->n_maps; i++) {
        oassl_status status = read_map(c, &s->maps[i], &c->maps[i]);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "map %u", i);
    }
    if (s->object) {
        oassl_status status = read_map(c, s->object, &c->object);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "object map");
    }
    for (uint32_t i = 0; i < s->n_sources; i++) {
        oassl_status status = check_truth(c, &s->sources[i]);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "source %u", i);
        c->part_of[i] = oai_part_of_truth(c, &s->sources[i]);
        c->has_xywh = c->has_xywh || (s->sources[i].numbers && s->sources[i].numbers_are == OASSL_BOX_XYWH);
    }
    for (uint32_t i = 0; i < s->n_silent; i++) {
        oassl_status status = s->silent[i].twin ? check_truth(c, &s->silent[i]) : OASSL_STATUS_OK;
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "silent %u", i);
    }
    return OASSL_STATUS_OK;
}
