#include "text/caption_file.h"

#include <string.h>

#include "base/json.h"

#define JOINT ", and "

/* Composites may be parts of others: without limits sixty lines could double a sentence sixty times. */
enum { MOST_SENTENCES = 64, MOST_JOINED_BYTES = 16384 };

typedef struct composite {
    oai_caption_set *set;
    uint64_t line;
    const char *id;
    json_t *parts;
} composite;

static oassl_status defect(const composite *c, const char *text, const char *part) {
    return oai_caption_report(c->set, OAI_CAPTION_ERROR, c->line, c->id, "composite: %s%s", text, part);
}

/* Part i; NULL after reporting why there is none. */
static oassl_status find_part(const composite *c, size_t i, const oai_caption **out_part) {
    const char *id = json_string_value(json_array_get(c->parts, i));
    *out_part = id ? oai_caption_set_find(c->set, id) : NULL;
    if (*out_part) return OASSL_STATUS_OK;
    return defect(c, id ? "no caption for part " : "field 'parts': expected a list of ids", id ? id : "");
}

static size_t bytes_joined(const char *const *texts, uint32_t n) {
    size_t bytes = 1;
    for (uint32_t i = 0; i < n; i++) bytes += strlen(texts[i]) + strlen(JOINT);
    return bytes;
}

static const char *join(oai_caption_set *set, const char *const *texts, uint32_t n) {
    size_t bytes = bytes_joined(texts, n);
    char *joined = oai_arena_alloc(&set->arena, bytes), *at = joined;
    for (uint32_t i = 0; joined && i < n; i++) at = stpcpy(i ? stpcpy(at, JOINT) : at, texts[i]);
    return joined;
}

/* Collects the parts' sentences into *out; *out_whole is false after a defect. */
static oassl_status gather(const composite *c, oai_caption *out, bool *out_whole) {
    size_t n_parts = json_array_size(c->parts), n_foreground = 0;
    const oai_caption *part;
    *out_whole = false;
    for (size_t i = 0; i < n_parts; i++) {
        OAI_TRY(find_part(c, i, &part));
        if (!part) return OASSL_STATUS_OK;
        n_foreground += part->n_foreground;
    }
    if (n_foreground > MOST_SENTENCES || n_parts > MOST_SENTENCES) return defect(c, "more than 64 sentences", "");
    const char **foreground = oai_arena_alloc(&c->set->arena, (n_foreground + 1) * sizeof *foreground);
    const char **background = oai_arena_alloc(&c->set->arena, (n_parts + 1) * sizeof *background);
    if (!foreground || !background) return oai_no_memory((n_foreground + n_parts) * sizeof *foreground, c->set->path);
    *out = (oai_caption){.id = c->id, .line = c->line, .foreground = foreground, .more_backgrounds = background};
    for (size_t i = 0; i < n_parts; i++) {
        OAI_TRY(find_part(c, i, &part));
        for (uint32_t k = 0; k < part->n_foreground; k++) foreground[out->n_foreground++] = part->foreground[k];
        if (part->background) background[out->n_more++] = part->background;
    }
    *out_whole = true;
    return OASSL_STATUS_OK;
}

static oassl_status keep(oai_caption_set *set, const oai_caption *caption) {
    if (set->n_captions == set->captions_room) {
        size_t room = 2 * set->captions_room + 16;
        oai_caption *larger =
            oai_grow(set->host, set->captions, set->n_captions * sizeof *larger, room * sizeof *larger);
        if (!larger) return oai_no_memory(room * sizeof *larger, "captions");
        set->captions = larger;
        set->captions_room = room;
    }
    OAI_TRY(oai_strmap_put(&set->by_id, caption->id, strlen(caption->id), (uint32_t)set->n_captions, NULL));
    set->captions[set->n_captions++] = *caption;
    return OASSL_STATUS_OK;
}

static oassl_status add(const composite *c, bool concat_text) {
    oai_caption caption;
    bool whole;
    if (oai_caption_set_find(c->set, c->id)) return defect(c, "the id is already there", "");
    if (json_array_size(c->parts) == 0) return defect(c, "no parts", "");
    OAI_TRY(gather(c, &caption, &whole));
    if (!whole) return OASSL_STATUS_OK;
    if (concat_text && caption.n_more > 1) {
        if (bytes_joined(caption.more_backgrounds, caption.n_more) > MOST_JOINED_BYTES) return defect(c, "the background is longer than 16384 bytes", "");
        const char *joined = join(c->set, caption.more_backgrounds, caption.n_more);
        if (!joined) return oai_no_memory(0, c->set->path);
        caption.more_backgrounds[0] = joined;
        caption.n_more = 1;
    }
    if (caption.n_more > 0) { /* the first is the background proper */
        caption.background = *caption.more_backgrounds++;
        caption.n_more--;
    }
    return keep(c->set, &caption);
}

static oassl_status add_line(oai_caption_set *set, uint64_t line, const json_t *object, bool concat_text) {
    composite c = {.set = set, .line = line};
    const char *id;
    oassl_status status = oai_json_string(object, "id", &id);
    if (status == OASSL_STATUS_OK) status = oai_json_array(object, "parts", &c.parts);
    if (status != OASSL_STATUS_OK) return defect(&c, oassl_last_error(), "");
    if (!id[0]) return defect(&c, "the id is empty", "");
    if (!(c.id = oai_arena_text(&set->arena, id, strlen(id)))) return oai_no_memory(strlen(id), set->path);
    return add(&c, concat_text);
}

oassl_status oai_caption_set_add_composites(oai_caption_set *set, const char *path, bool concat_text) {
    oai_jsonl *lines;
    json_t *object;
    OAI_TRY(oai_jsonl_open(set->host, path, &lines));
    oassl_status status;
    while ((status = oai_jsonl_next(lines, &object)) == OASSL_STATUS_OK && object) {
        status = add_line(set, oai_jsonl_line(lines), object, concat_text);
        json_decref(object);
        if (status != OASSL_STATUS_OK) break;
    }
    oai_jsonl_close(lines);
    return status;
}
