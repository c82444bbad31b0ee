#include "text/caption_encode.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_BATCH 32

typedef struct sentence {
    const char *text;
    int32_t *ids;
    int32_t length;
    uint32_t index; /* in order of first use */
} sentence;

typedef struct work {
    const oai_host *host;
    const oai_text_encoding *encoding;
    oai_caption_set *set;
    sentence *sentences;
    uint32_t n_sentences;
    uint32_t n_done; /* of them taken from the journal: the last ones */
    float *vectors;  /* [n_sentences, width], by index */
    oai_encode_journal *journal;
    oai_strmap by_text;
    oai_arena arena;
} work;

static oassl_status add_sentence(work *w, const oai_caption *caption, const char *text, int32_t *ids) {
    uint32_t old;
    OAI_TRY(oai_strmap_put(&w->by_text, text, strlen(text), w->n_sentences, &old));
    if (old != OAI_STRMAP_NONE) return oai_strmap_put(&w->by_text, text, strlen(text), old, NULL);
    sentence *s = &w->sentences[w->n_sentences];
    *s = (sentence){.text = text, .index = w->n_sentences};
    int32_t cut;
    OAI_TRY(oai_tokenizer_encode(w->encoding->tokenizer, text, w->encoding->max_length, ids, &s->length, &cut));
    if (cut > 0)
        OAI_TRY(oai_caption_report(w->set, OAI_CAPTION_WARNING, caption->line, caption->id,
                                   "sentence cut to %d tokens, %d dropped: \"%.60s\"", w->encoding->max_length, cut,
                                   text));
    size_t bytes = (size_t)s->length * sizeof *ids;
    if (!(s->ids = oai_arena_alloc(&w->arena, bytes))) return oai_no_memory(bytes, "tokens");
    memcpy(s->ids, ids, bytes);
    w->n_sentences++;
    return OASSL_STATUS_OK;
}

static oassl_status collect(work *w) {
    const oai_caption_set *set = w->set;
    size_t room = 1;
    for (size_t i = 0; i < set->n_captions; i++) room += set->captions[i].n_foreground + set->captions[i].n_more + 1;
    if (room >= OAI_STRMAP_NONE) return oai_fail(OASSL_STATUS_UNSUPPORTED, "%s: too many sentences", set->path);
    size_t ids_bytes = (size_t)w->encoding->max_length * sizeof(int32_t);
    int32_t *ids = oai_alloc(w->host, ids_bytes);
    w->sentences = oai_calloc(w->host, room, sizeof *w->sentences);
    oassl_status status =
        ids && w->sentences ? OASSL_STATUS_OK : oai_no_memory(room * sizeof *w->sentences, set->path);
    for (size_t i = 0; i < set->n_captions && status == OASSL_STATUS_OK; i++) {
        const oai_caption *caption = &set->captions[i];
        for (uint32_t j = 0; j < caption->n_foreground && status == OASSL_STATUS_OK; j++)
            status = add_sentence(w, caption, caption->foreground[j], ids);
        if (status == OASSL_STATUS_OK && caption->background)
            status = add_sentence(w, caption, caption->background, ids);
        for (uint32_t j = 0; j < caption->n_more && status == OASSL_STATUS_OK; j++)
            status = add_sentence(w, caption, caption->more_backgrounds[j], ids);
    }
    oai_free(w->host, ids);
    return status;
}

static int by_length(const void *a, const void *b) {
    const sentence *x = a, *y = b;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static oassl_status encode_batch(work *w, const sentence *first, uint32_t n, int32_t *ids, int32_t *lengths,
                                 float *vectors) {
    const oai_text_encoding *encoding = w->encoding;
    size_t row = (size_t)first[n - 1].length, width = (size_t)encoding->width; /* sorted: the last is the longest */
    int32_t pad = oai_tokenizer_pad(encoding->tokenizer);
    for (uint32_t i = 0; i < n; i++) {
        lengths[i] = first[i].length;
        for (size_t j = 0; j < row; j++) ids[i * row + j] = j < (size_t)lengths[i] ? first[i].ids[j] : pad;
    }
    OAI_TRY(encoding->encode(encoding->user, ids, lengths, n, (uint32_t)row, vectors));
    for (uint32_t i = 0; i < n; i++) {
        for (size_t j = 0; j < width; j++)
            if (!isfinite(vectors[i * width + j]))
                return oai_fail(OASSL_STATUS_NON_FINITE, "%s: the encoder gave NaN or infinity for \"%.80s\"",
                                w->set->path, first[i].text);
        memcpy(w->vectors + first[i].index * width, vectors + i * width, width * sizeof *vectors);
        if (w->journal) OAI_TRY(oai_encode_journal_put(w->journal, first[i].text, vectors + i * width));
    }
    return w->journal ? oai_encode_journal_flush(w->journal) : OASSL_STATUS_OK;
}

/* What tells this encoding from others: the same sentence has another vector elsewhere. */
static oassl_status open_journal(work *w) {
    const oai_text_encoding *e = w->encoding;
    char key[512];
    snprintf(key, sizeof key, "%s %s %s %d", e->encoder_hash, e->tokenizer_hash, e->pooling, e->max_length);
    return oai_encode_journal_open(w->host, e->journal, key, e->width, &w->journal);
}

/* Takes finished sentences from the journal and moves them behind the others. */
static void take_done(work *w) {
    size_t width = (size_t)w->encoding->width;
    uint32_t n = w->n_sentences;
    for (uint32_t i = 0; w->journal && i < n - w->n_done;) {
        sentence s = w->sentences[i];
        const float *vector = oai_encode_journal_find(w->journal, s.text);
        if (!vector) {
            i++;
            continue;
        }
        memcpy(w->vectors + s.index * width, vector, width * sizeof *vector);
        w->n_done++;
        w->sentences[i] = w->sentences[n - w->n_done];
        w->sentences[n - w->n_done] = s;
    }
    if (w->journal) oai_encode_journal_forget(w->journal);
    if (w->n_done)
        oai_log(w->host, OAI_LOG_INFO, "%s: %u of %u sentences were finished by an earlier run", w->encoding->journal,
                w->n_done, n);
}

static oassl_status encode_all(work *w) {
    const oai_text_encoding *encoding = w->encoding;
    uint32_t batch = encoding->batch ? encoding->batch : DEFAULT_BATCH;
    size_t width = (size_t)encoding->width, n_ids = (size_t)batch * (size_t)encoding->max_length;
    w->vectors = oai_calloc(w->host, w->n_sentences + 1u, width * sizeof *w->vectors);
    int32_t *ids = oai_calloc(w->host, n_ids + batch, sizeof *ids);
    float *vectors = oai_calloc(w->host, batch, width * sizeof *vectors);
    oassl_status status = OASSL_STATUS_OK;
    if (!w->vectors || !ids || !vectors) status = oai_no_memory((w->n_sentences + 1u) * width * 4, "sentence vectors");
    if (status == OASSL_STATUS_OK && encoding->journal) status = open_journal(w);
    if (status == OASSL_STATUS_OK) take_done(w);
    uint32_t todo = w->n_sentences - w->n_done;
    qsort(w->sentences, todo, sizeof *w->sentences, by_length);
    for (uint32_t at = 0; at < todo && status == OASSL_STATUS_OK; at += batch) {
        uint32_t n = todo - at < batch ? todo - at : batch;
        status = oai_progress(w->host, "encode captions", w->n_done + at, w->n_sentences);
        if (status == OASSL_STATUS_OK) status = encode_batch(w, w->sentences + at, n, ids, ids + n_ids, vectors);
    }
    if (status == OASSL_STATUS_OK) status = oai_progress(w->host, "encode captions", w->n_sentences, w->n_sentences);
    oai_free(w->host, ids);
    oai_free(w->host, vectors);
    return status;
}

static void copy_vector(const work *w, const char *text, float *out) {
    size_t width = (size_t)w->encoding->width;
    uint32_t index = oai_strmap_get(&w->by_text, text, strlen(text));
    memcpy(out, w->vectors + index * width, width * sizeof *out);
}

/* The background's vector; of a composite the mean of its parts'. */
static void give_background(const work *w, const oai_caption *caption, float *out, float *part) {
    size_t width = (size_t)w->encoding->width;
    if (!caption->background) return;
    copy_vector(w, caption->background, out);
    for (uint32_t i = 0; i < caption->n_more; i++) {
        copy_vector(w, caption->more_backgrounds[i], part);
        for (size_t j = 0; j < width; j++) out[j] += part[j];
    }
    for (size_t j = 0; caption->n_more && j < width; j++) out[j] /= (float)(caption->n_more + 1);
}

static oassl_status distribute(const work *w, oai_caption_features **out_features) {
    const oai_caption_set *set = w->set;
    const oai_text_encoding *encoding = w->encoding;
    size_t n = set->n_captions, width = (size_t)encoding->width;
    const char **ids = oai_calloc(w->host, n + 1, sizeof *ids);
    uint32_t *k = oai_calloc(w->host, n + 1, sizeof *k);
    float *part = oai_calloc(w->host, width, sizeof *part);
    oassl_status status = ids && k && part ? OASSL_STATUS_OK : oai_no_memory((n + 1) * sizeof *ids, "ids");
    for (size_t i = 0; status == OASSL_STATUS_OK && i < n; i++) {
        ids[i] = set->captions[i].id;
        k[i] = set->captions[i].n_foreground;
    }
    oai_caption_features *features = NULL;
    if (status == OASSL_STATUS_OK)
        status = oai_caption_features_create(w->host, ids, k, (int64_t)n, encoding->width, encoding->encoder,
                                             encoding->encoder_hash, &features);
    for (size_t i = 0; status == OASSL_STATUS_OK && i < n; i++) {
        const oai_caption *caption = &set->captions[i];
        float *rows = features->foreground + (size_t)features->offsets[i] * width;
        for (uint32_t j = 0; j < caption->n_foreground; j++) copy_vector(w, caption->foreground[j], rows + j * width);
        give_background(w, caption, features->background + i * width, part);
    }
    oai_free(w->host, ids);
    oai_free(w->host, k);
    oai_free(w->host, part);
    if (status == OASSL_STATUS_OK)
        status = oai_caption_features_describe(features, encoding->tokenizer_hash, encoding->pooling);
    if (status != OASSL_STATUS_OK) {
        oai_caption_features_destroy(features);
        return status;
    }
    *out_features = features;
    return status;
}

oassl_status oai_caption_encode(const oai_host *host, oai_caption_set *set, const oai_text_encoding *encoding,
                                oai_caption_features **out_features, oai_encode_journal **out_journal) {
    *out_features = NULL;
    *out_journal = NULL;
    OAI_TRY(oai_caption_set_require_valid(set));
    work w = {.host = host, .encoding = encoding, .set = set};
    oai_strmap_init(&w.by_text, host);
    oai_arena_init(&w.arena, host);
    oassl_status status = collect(&w);
    if (status == OASSL_STATUS_OK) status = encode_all(&w);
    if (status == OASSL_STATUS_OK) status = distribute(&w, out_features);
    oai_strmap_free(&w.by_text);
    oai_arena_free(&w.arena);
    oai_free(host, w.sentences);
    oai_free(host, w.vectors);
    if (status == OASSL_STATUS_OK)
        *out_journal = w.journal;
    else
        oai_encode_journal_close(w.journal, 0);
    return status;
}
