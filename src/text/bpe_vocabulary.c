#include "text/bpe_vocabulary.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>
#include <zlib.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strmap.h"

#define MAX_FILE_BYTES ((size_t)64 << 20)
#define CLIP_MERGES (49152 - 256 - 2)
#define MAX_SYMBOL_BYTES 4096

static const char *const special_texts[2] = {"<|startoftext|>", "<|endoftext|>"};

/* ---- merges by pair ------------------------------------------------------------------------------------------ */

static oai_bpe_merge *slot_of(const oai_bpe *tokenizer, int32_t left, int32_t right) {
    uint64_t hash = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    for (size_t i = hash >> 32;; i++) {
        oai_bpe_merge *slot = &tokenizer->merges[i & (tokenizer->n_slots - 1)];
        if (slot->rank < 0 || (slot->left == left && slot->right == right)) return slot;
    }
}

const oai_bpe_merge *oai_bpe_merge_find(const oai_bpe *tokenizer, int32_t left, int32_t right) {
    const oai_bpe_merge *slot = slot_of(tokenizer, left, right);
    return slot->rank < 0 ? NULL : slot;
}

static oassl_status make_slots(oai_bpe *tokenizer, size_t n_merges) {
    tokenizer->n_slots = 64;
    while (tokenizer->n_slots < 2 * n_merges + 2) tokenizer->n_slots *= 2;
    tokenizer->merges = oai_calloc(tokenizer->host, tokenizer->n_slots, sizeof *tokenizer->merges);
    if (!tokenizer->merges) return oai_no_memory(tokenizer->n_slots * sizeof *tokenizer->merges, "merges");
    for (size_t i = 0; i < tokenizer->n_slots; i++) tokenizer->merges[i].rank = -1;
    return OASSL_STATUS_OK;
}

/* ---- symbols ------------------------------------------------------------------------------------------------- */

/* While a vocabulary is read: the ids of its texts. */
typedef struct reader {
    oai_bpe *tokenizer;
    oai_strmap ids;
    oai_arena arena;
    const char *path;
} reader;

/* The character that stands for a byte: itself if it prints, else one behind U+00FF.  Bytes in order of their id. */
static void byte_characters(uint8_t order[256], int32_t characters[256]) {
    int n = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int b = 0; b < 256; b++) {
            bool prints = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
            if (prints != (pass == 0)) continue;
            characters[b] = prints ? b : 256 + n - 188;
            order[n++] = (uint8_t)b;
        }
}

static size_t symbol_text(int32_t character, bool last, char out[16]) {
    size_t n = (size_t)utf8proc_encode_char(character, (utf8proc_uint8_t *)out);
    memcpy(out + n, last ? "</w>" : "", last ? 5 : 1);
    return n + (last ? 4 : 0);
}

static oassl_status add_text(reader *r, const char *text, size_t bytes, int32_t id) {
    const char *copy = oai_arena_text(&r->arena, text, bytes);
    if (!copy) return oai_no_memory(bytes, r->path);
    return oai_strmap_put(&r->ids, copy, bytes, (uint32_t)id, NULL);
}

static oassl_status find_text(const reader *r, const char *text, size_t bytes, int32_t *out_id) {
    uint32_t id = oai_strmap_get(&r->ids, text, bytes);
    if (id == OAI_STRMAP_NONE)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: the vocabulary has no token '%.*s'", r->path,
                        (int)(bytes > 80 ? 80 : bytes), text);
    *out_id = (int32_t)id;
    return OASSL_STATUS_OK;
}

static oassl_status find_bytes(reader *r) {
    uint8_t order[256];
    int32_t characters[256];
    byte_characters(order, characters);
    for (int last = 0; last < 2; last++)
        for (int b = 0; b < 256; b++) {
            char text[16];
            size_t n = symbol_text(characters[b], last, text);
            OAI_TRY(find_text(r, text, n, &r->tokenizer->bytes[last][b]));
        }
    for (int i = 0; i < 2; i++)
        OAI_TRY(find_text(r, special_texts[i], strlen(special_texts[i]), &r->tokenizer->special[i]));
    return OASSL_STATUS_OK;
}

static oassl_status add_merge(reader *r, const char *left, size_t left_bytes, const char *right, size_t right_bytes,
                              int32_t rank) {
    char joined[2 * MAX_SYMBOL_BYTES];
    int32_t a, b, merged;
    if (left_bytes > MAX_SYMBOL_BYTES || right_bytes > MAX_SYMBOL_BYTES)
        return oai_fail(OASSL_STATUS_FORMAT, "%s: merge %d is too long", r->path, rank + 1);
    memcpy(joined, left, left_bytes);
    memcpy(joined + left_bytes, right, right_bytes);
    OAI_TRY(find_text(r, left, left_bytes, &a));
    OAI_TRY(find_text(r, right, right_bytes, &b));
    OAI_TRY(find_text(r, joined, left_bytes + right_bytes, &merged));
    oai_bpe_merge *slot = slot_of(r->tokenizer, a, b);
    *slot = (oai_bpe_merge){a, b, merged, rank}; /* of equal pairs the last counts, as in a Python dict */
    return OASSL_STATUS_OK;
}

/* "left right" -> where the parts are; false if it is not two words. */
static bool split_pair(const char *line, size_t bytes, size_t *out_left, const char **out_right, size_t *out_bytes) {
    const char *space = memchr(line, ' ', bytes);
    if (!space || space == line || space + 1 == line + bytes) return false;
    *out_left = (size_t)(space - line);
    *out_right = space + 1;
    *out_bytes = bytes - *out_left - 1;
    return !memchr(*out_right, ' ', *out_bytes);
}

/* ---- merges files -------------------------------------------------------------------------------------------- */

/* Lines of merges; the first is a heading, an empty one ends them. */
typedef struct lines {
    const char *at, *end;
    int32_t number;
} lines;

static bool next_line(lines *l, const char **out_line, size_t *out_bytes) {
    if (l->at >= l->end) return false;
    const char *newline = memchr(l->at, '\n', (size_t)(l->end - l->at)), *stop = newline ? newline : l->end;
    *out_line = l->at;
    l->at = newline ? newline + 1 : l->end;
    l->number++;
    if (stop > *out_line && stop[-1] == '\r') stop--;
    *out_bytes = (size_t)(stop - *out_line);
    return *out_bytes > 0;
}

/* Calls for each merge: pass 0 gives the joined texts their ids, pass 1 enters the merges. */
static oassl_status read_merges(reader *r, const char *text, size_t bytes, bool name_tokens, int32_t most,
                                int32_t *out_n) {
    lines l = {text, text + bytes, 0};
    const char *line, *right;
    size_t n, left_bytes, right_bytes;
    char joined[2 * MAX_SYMBOL_BYTES];
    *out_n = 0;
    next_line(&l, &line, &n);
    while (*out_n < most && next_line(&l, &line, &n)) {
        if (!split_pair(line, n, &left_bytes, &right, &right_bytes) || n > MAX_SYMBOL_BYTES)
            return oai_fail(OASSL_STATUS_FORMAT, "%s:%d: expected two symbols, found '%.*s'", r->path, l.number,
                            (int)(n > 80 ? 80 : n), line);
        if (name_tokens) {
            memcpy(joined, line, left_bytes);
            memcpy(joined + left_bytes, right, right_bytes);
            OAI_TRY(add_text(r, joined, left_bytes + right_bytes, 512 + *out_n));
        } else {
            OAI_TRY(add_merge(r, line, left_bytes, right, right_bytes, *out_n));
        }
        ++*out_n;
    }
    return OASSL_STATUS_OK;
}

static oassl_status read_openai(reader *r, const char *text, size_t bytes) {
    uint8_t order[256];
    int32_t characters[256], n;
    byte_characters(order, characters);
    for (int id = 0; id < 512; id++) {
        char symbol[16];
        size_t symbol_bytes = symbol_text(characters[order[id % 256]], id >= 256, symbol);
        OAI_TRY(add_text(r, symbol, symbol_bytes, id));
    }
    OAI_TRY(read_merges(r, text, bytes, true, CLIP_MERGES, &n));
    if (n == 0) return oai_fail(OASSL_STATUS_FORMAT, "%s: no merges", r->path);
    for (int i = 0; i < 2; i++) OAI_TRY(add_text(r, special_texts[i], strlen(special_texts[i]), 512 + n + i));
    r->tokenizer->size = 512 + n + 2;
    OAI_TRY(find_bytes(r));
    OAI_TRY(make_slots(r->tokenizer, (size_t)n));
    return read_merges(r, text, bytes, false, CLIP_MERGES, &n);
}

/* A file, unpacked if it is gzipped, with a NUL behind it.  Deflate packs at most 1032 bytes into one: a trailer that
 * promises more lies. */
static oassl_status read_packed(const oai_host *host, const char *path, char **out_text, size_t *out_bytes) {
    OAI_TRY(oai_file_read(host, path, MAX_FILE_BYTES, out_text, out_bytes));
    const uint8_t *packed = (const uint8_t *)*out_text;
    size_t n = *out_bytes;
    if (n < 18 || packed[0] != 0x1F || packed[1] != 0x8B) return OASSL_STATUS_OK;
    uint32_t size = (uint32_t)packed[n - 4] | (uint32_t)packed[n - 3] << 8 | (uint32_t)packed[n - 2] << 16 |
                    (uint32_t)packed[n - 1] << 24;
    const bool credible = size <= MAX_FILE_BYTES && size / 1032 <= n;
    char *text = credible ? oai_alloc(host, (size_t)size + 1) : NULL;
    z_stream stream = {.next_in = (Bytef *)packed, .avail_in = (uInt)n, .next_out = (Bytef *)text, .avail_out = size};
    int result = Z_MEM_ERROR;
    if (text && (result = inflateInit2(&stream, 16 + MAX_WBITS)) == Z_OK) {
        result = inflate(&stream, Z_FINISH);
        inflateEnd(&stream);
    }
    oai_free(host, (void *)packed);
    *out_text = text;
    *out_bytes = size;
    if (result == Z_STREAM_END && stream.avail_out == 0) {
        text[size] = 0;
        return OASSL_STATUS_OK;
    }
    oai_free(host, text);
    *out_text = NULL;
    if (result == Z_MEM_ERROR && credible) return oai_no_memory(size, path);
    return oai_fail(OASSL_STATUS_FORMAT, "%s: not a whole gzip file of one member", path);
}

/* ---- Hugging Face's files ------------------------------------------------------------------------------------ */

static oassl_status read_vocabulary(reader *r, const json_t *vocabulary) {
    const char *key;
    json_t *value;
    int64_t most = -1;
    json_object_foreach((json_t *)vocabulary, key, value) {
        int64_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id >= 1 << 24)
            return oai_fail(OASSL_STATUS_FORMAT, "%s: token '%.80s': expected an id of 0..%d", r->path, key,
                            (1 << 24) - 1);
        OAI_TRY(add_text(r, key, strlen(key), (int32_t)id));
        if (id > most) most = id;
    }
    r->tokenizer->size = (int32_t)most + 1;
    return find_bytes(r);
}

static oassl_status read_folder_pair(reader *r, const char *vocab_path, const char *merges_path) {
    const oai_host *host = r->tokenizer->host;
    json_t *vocabulary;
    char *text;
    size_t bytes;
    int32_t n;
    OAI_TRY(oai_json_load(host, vocab_path, &vocabulary));
    r->path = vocab_path;
    oassl_status status = read_vocabulary(r, vocabulary);
    json_decref(vocabulary);
    OAI_TRY(status);
    OAI_TRY(oai_file_read(host, merges_path, MAX_FILE_BYTES, &text, &bytes));
    r->path = merges_path;
    status = make_slots(r->tokenizer, bytes / 4);
    if (status == OASSL_STATUS_OK) status = read_merges(r, text, bytes, false, INT32_MAX, &n);
    oai_free(host, text);
    return status;
}

/* "model": {"vocab": {...}, "merges": ["a b" or ["a", "b"], ...]} */
static oassl_status read_tokenizer_json(reader *r, const json_t *object) {
    json_t *model, *vocabulary, *merges, *item;
    size_t i;
    OAI_TRY(oai_json_object(object, "model", &model));
    OAI_TRY(oai_json_object(model, "vocab", &vocabulary));
    OAI_TRY(oai_json_array(model, "merges", &merges));
    OAI_TRY(read_vocabulary(r, vocabulary));
    OAI_TRY(make_slots(r->tokenizer, json_array_size(merges)));
    json_array_foreach(merges, i, item) {
        const char *left = json_string_value(item), *right;
        size_t left_bytes, right_bytes;
        if (json_is_array(item) && json_array_size(item) == 2) {
            left = json_string_value(json_array_get(item, 0));
            right = json_string_value(json_array_get(item, 1));
            if (!left || !right) return oai_fail(OASSL_STATUS_FORMAT, "%s: merge %zu is no pair of texts", r->path, i);
            left_bytes = strlen(left);
            right_bytes = strlen(right);
        } else if (!left || !split_pair(left, strlen(left), &left_bytes, &right, &right_bytes)) {
            return oai_fail(OASSL_STATUS_FORMAT, "%s: merge %zu is no pair of texts", r->path, i);
        }
        OAI_TRY(add_merge(r, left, left_bytes, right, right_bytes, (int32_t)i));
    }
    return OASSL_STATUS_OK;
}

static oassl_status read_folder(reader *r, const char *folder) {
    char path[PATH_MAX], merges[PATH_MAX];
    json_t *object;
    if (strlen(folder) > sizeof path - 64)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "folder name of %zu bytes is too long", strlen(folder));
    snprintf(path, sizeof path, "%s/vocab.json", folder);
    snprintf(merges, sizeof merges, "%s/merges.txt", folder);
    if (access(path, F_OK) == 0) return read_folder_pair(r, path, merges);
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    OAI_TRY(oai_json_load(r->tokenizer->host, path, &object));
    r->path = path;
    oassl_status status = read_tokenizer_json(r, object);
    json_decref(object);
    return status;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

void oai_bpe_destroy(oai_bpe *tokenizer) {
    if (!tokenizer) return;
    oai_free(tokenizer->host, tokenizer->merges);
    oai_free(tokenizer->host, tokenizer);
}

static oassl_status load(const oai_host *host, const char *path, bool openai, oai_bpe **out_tokenizer) {
    *out_tokenizer = NULL;
    oai_bpe *tokenizer = oai_calloc(host, 1, sizeof *tokenizer);
    if (!tokenizer) return oai_no_memory(sizeof *tokenizer, path);
    tokenizer->host = host;
    tokenizer->openai = openai;
    reader r = {.tokenizer = tokenizer, .path = path};
    oai_strmap_init(&r.ids, host);
    oai_arena_init(&r.arena, host);
    oassl_status status;
    if (openai) {
        char *text;
        size_t bytes;
        status = read_packed(host, path, &text, &bytes);
        if (status == OASSL_STATUS_OK) {
            status = read_openai(&r, text, bytes);
            oai_free(host, text);
        }
    } else {
        status = read_folder(&r, path);
    }
    oai_strmap_free(&r.ids);
    oai_arena_free(&r.arena);
    if (status != OASSL_STATUS_OK) {
        oai_bpe_destroy(tokenizer);
        return status;
    }
    *out_tokenizer = tokenizer;
    return OASSL_STATUS_OK;
}

oassl_status oai_bpe_load_merges(const oai_host *host, const char *path, oai_bpe **out_tokenizer) {
    return load(host, path, true, out_tokenizer);
}

oassl_status oai_bpe_load_folder(const oai_host *host, const char *folder, oai_bpe **out_tokenizer) {
    char path[PATH_MAX];
    *out_tokenizer = NULL;
    snprintf(path, sizeof path, "%s/vocab.json", folder);
    if (access(path, F_OK) == 0) return load(host, folder, false, out_tokenizer);
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    if (access(path, F_OK) == 0) return load(host, folder, false, out_tokenizer);
    snprintf(path, sizeof path, "%s/" OAI_BPE_MERGES_FILE, folder);
    if (access(path, F_OK) == 0) return load(host, path, true, out_tokenizer);
    snprintf(path, sizeof path, "%s/" OAI_BPE_MERGES_FILE ".gz", folder);
    if (access(path, F_OK) == 0) return load(host, path, true, out_tokenizer);
    return oai_fail(OASSL_STATUS_NOT_FOUND,
                    "%s: no vocab.json with merges.txt, no tokenizer.json, no " OAI_BPE_MERGES_FILE "[.gz]", folder);
}
