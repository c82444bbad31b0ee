#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/check.h"
#include "data/manifest.h"
#include "data/picture_size.h"

/* Upper ends of the shares of the frame that boxes are counted by, in percent. */
static const int sizes[] = {1, 5, 10, 25, 50, 75, 100};
enum { N_SIZES = sizeof sizes / sizeof *sizes };

static void add_one(json_t **object, const char *key) {
    json_t *count = json_object_get(*object, key);
    if (count)
        json_integer_set(count, json_integer_value(count) + 1);
    else
        oai_json_put(object, key, json_integer(1));
}

static void count_key(json_t **object, uint64_t number) {
    char key[24];
    snprintf(key, sizeof key, "%llu", (unsigned long long)number);
    add_one(object, key);
}

typedef struct stats {
    json_t *splits, *classes, *boxes_a_record, *box_sizes, *sources_a_record, *mixtures, *groups;
    uint64_t n_records, n_mixtures, n_silent, n_boxes, n_masks, n_sized;
} stats;

static void count_size(stats *s, double area, const float *box) {
    if (!(area > 0)) return;
    double share = 100.0 * (double)(box[2] - box[0]) * (double)(box[3] - box[1]) / area;
    int k = 0;
    char key[16];
    while (k + 1 < N_SIZES && share >= sizes[k]) k++;
    snprintf(key, sizeof key, "%d-%d", k ? sizes[k - 1] : 0, sizes[k]);
    add_one(&s->box_sizes, key);
    s->n_sized++;
}

/* Of the frame of a record's boxes: the one it names, else its picture's; 0 when nobody knows. */
static double area_of(const oassl_record *r) {
    int32_t width = r->frame_width, height = r->frame_height;
    if (!width && r->image && oai_picture_size(r->image, &width, &height) != OASSL_STATUS_OK) return 0;
    return (double)width * height;
}

static void count_record(stats *s, const oassl_record *r) {
    uint64_t n_boxes = 0;
    s->n_records++;
    add_one(&s->splits, r->split);
    if (r->n_mix) {
        s->n_mixtures++;
        count_key(&s->mixtures, r->n_mix);
        return;
    }
    s->n_silent += r->playing == 0 && r->n_sources == 0;
    double area = area_of(r);
    if (r->group) add_one(&s->groups, r->group);
    count_key(&s->sources_a_record, r->n_sources);
    for (uint32_t k = 0; k < r->n_sources; k++) {
        const oassl_record_source *source = &r->sources[k];
        if (*source->label) add_one(&s->classes, source->label);
        s->n_masks += source->mask != NULL;
        n_boxes += source->n_boxes;
        for (uint32_t i = 0; i < source->n_boxes; i++) count_size(s, area, source->boxes[i]);
    }
    s->n_boxes += n_boxes;
    count_key(&s->boxes_a_record, n_boxes);
}

/* Group sizes: how many groups have so many records. */
static json_t *sizes_of_groups(const json_t *groups) {
    json_t *by_size = groups ? json_object() : NULL;
    void *at = json_object_iter((json_t *)groups);
    for (; at; at = json_object_iter_next((json_t *)groups, at))
        count_key(&by_size, (uint64_t)json_integer_value(json_object_iter_value(at)));
    return by_size;
}

oassl_status oai_data_stats(const oai_host *host, const char *path, char **out_text) {
    oassl_manifest *m;
    stats s = {0};
    json_t **const objects[] = {&s.splits,           &s.classes,  &s.boxes_a_record, &s.box_sizes,
                                &s.sources_a_record, &s.mixtures, &s.groups};
    *out_text = NULL;
    OAI_TRY(oai_manifest_load(host, path, OASSL_MISSING_KEEP, &m));
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) *objects[i] = json_object();
    for (uint64_t i = 0; i < oai_manifest_count(m); i++) count_record(&s, oai_manifest_at(m, i));
    oai_manifest_free(m);
    size_t n_classes = json_object_size(s.classes), n_groups = json_object_size(s.groups);
    json_t *out = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "file", path, "records",
        (json_int_t)s.n_records, "mixtures", (json_int_t)s.n_mixtures, "silent", (json_int_t)s.n_silent, "boxes",
        (json_int_t)s.n_boxes, "masks", (json_int_t)s.n_masks, "n_classes", (json_int_t)n_classes, "n_groups",
        (json_int_t)n_groups, "sized_boxes", (json_int_t)s.n_sized, "splits", s.splits, "boxes_a_record",
        s.boxes_a_record, "box_percent_of_frame", s.box_sizes, "sources_a_record", s.sources_a_record, "mixture_sizes",
        s.mixtures, "group_sizes", sizes_of_groups(s.groups), "classes", s.classes);
    json_decref(s.groups);
    *out_text = oai_json_text(out, JSON_INDENT(2) | JSON_SORT_KEYS);
    json_decref(out);
    return *out_text ? OASSL_STATUS_OK : oai_json_text_failure(path, "the manifest's path");
}
