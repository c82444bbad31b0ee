/* Mixtures of imported records: a csv of partners, or the index rule (spec: datasets.md 3). */
#include <string.h>

#include "data/idlist.h"
#include "data/import.h"

/* An item "a+b" of the ids in `item->mix`. */
static oassl_status add_mixture(oai_import *m, oai_import_item *item) {
    size_t bytes = 0;
    for (uint32_t i = 0; i < item->n_mix; i++) bytes += strlen(item->mix[i]) + 1;
    char *id = oai_arena_alloc(&m->arena, bytes), *to = id;
    if (!id) return oai_no_memory(bytes, "a mixture");
    for (uint32_t i = 0; i < item->n_mix; i++) {
        size_t n = strlen(item->mix[i]);
        memcpy(to, item->mix[i], n);
        to[n] = i + 1 < item->n_mix ? '+' : 0;
        to += n + 1;
    }
    item->id = id, item->offset = -1;
    item->split = m->options->split ? m->options->split : "test";
    uint64_t n_before = m->n;
    OAI_TRY(oai_import_add(m, item));
    m->counts.n_mixtures += m->n - n_before;
    return OASSL_STATUS_OK;
}

static void compare_class(oai_import *m, const oai_import_item *mixture, const oai_import_item *part,
                          const char *class_name) {
    char theirs[256], ours[256];
    if (!part->label || !*class_name) return;
    oai_flat_label(class_name, theirs, sizeof theirs);
    oai_flat_label(part->label, ours, sizeof ours);
    if (strcmp(theirs, ours) != 0)
        oai_note(&m->notes, OASSL_DATA_WARNING, mixture->file, mixture->record, part->id,
                 "class '%s', the annotations say '%s'", class_name, part->label);
}

/* id,class,mix_id,mix_class[,mix_id,mix_class..] */
static oassl_status take_partners(oai_import *m, const oai_csv *csv, oai_import_item *item, void *user) {
    const uint64_t *n_singles = user;
    uint32_t n = csv->n_fields / 2;
    if (csv->n_fields % 2 || n < 2 || n > OAI_IMPORT_MAX_MIX)
        return oai_fail(OASSL_STATUS_FORMAT, "expected id,class repeated 2 to 8 times, found %u columns",
                        csv->n_fields);
    for (uint32_t i = 0; i < n; i++) {
        const char *id = csv->fields[2 * i];
        for (uint32_t k = 0; k < i; k++)
            if (strcmp(item->mix[k], id) == 0)
                return oai_fail(OASSL_STATUS_FORMAT, "'%.60s' is mixed with itself", id);
        uint32_t at = oai_strmap_get(&m->ids, id, strlen(id));
        if (at == OAI_STRMAP_NONE || at >= *n_singles) {
            m->counts.n_unknown++;
            return oai_fail(OASSL_STATUS_FORMAT,
                            "column %u: no record '%.60s' (not annotated, not in the list, or without media)",
                            2 * i + 1, id);
        }
        item->mix[i] = m->items[at].id;
        compare_class(m, item, &m->items[at], csv->fields[2 * i + 1]);
    }
    item->n_mix = n;
    return add_mixture(m, item);
}

/* Of N records, mixture k takes k + floor(i N / n); what the silent halves of extended sets are is no part of it. */
static oassl_status by_index(oai_import *m, uint64_t n_singles) {
    uint64_t n = 0, parts = m->options->mix_sources;
    uint32_t *usable = oai_alloc(m->host, (n_singles + 1) * sizeof *usable);
    if (!usable) return oai_no_memory(n_singles * sizeof *usable, "mixtures");
    for (uint64_t i = 0; i < n_singles; i++)
        if (!m->items[i].silent) usable[n++] = (uint32_t)i;
    oassl_status status = OASSL_STATUS_OK;
    for (uint64_t k = 0; status == OASSL_STATUS_OK && k < n / parts; k++) {
        oai_import_item item = {.file = "index rule", .record = k + 1, .n_mix = (uint32_t)parts};
        for (uint64_t i = 0; i < parts; i++) item.mix[i] = m->items[usable[k + i * n / parts]].id;
        status = add_mixture(m, &item);
    }
    oai_free(m->host, usable);
    return status;
}

oassl_status oai_import_mixtures(oai_import *m) {
    uint64_t n_singles = m->n;
    for (uint64_t i = 0; i < n_singles; i++) m->items[i].split = "part";
    return m->options->mix ? oai_import_rows(m, m->options->mix, take_partners, &n_singles) : by_index(m, n_singles);
}
