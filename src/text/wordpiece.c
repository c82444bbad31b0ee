#include "text/wordpiece.h"

#include <string.h>
#include <utf8proc.h>

#include "base/file.h"
#include "base/strmap.h"
#include "text/unicode.h"

#define MAX_WORD_CHARACTERS 100
#define MAX_VOCABULARY_BYTES ((size_t)256 << 20)

enum { PAD, UNK, CLS, SEP, MASK, N_SPECIAL };
static const char *const special_texts[N_SPECIAL] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};

struct oai_wordpiece {
    const oai_host *host;
    bool cased;
    char *vocabulary; /* the file with its line ends replaced by NULs */
    const char **tokens;
    int32_t n_tokens;
    oai_strmap ids;
    int32_t special[N_SPECIAL]; /* [MASK] may be -1 */
};

/* ---- vocabulary --------------------------------------------------------------------------------------------- */

static oassl_status read_tokens(oai_wordpiece *tokenizer, char *text, size_t bytes) {
    size_t n_lines = 0;
    for (size_t i = 0; i < bytes; i++) n_lines += text[i] == '\n' || i + 1 == bytes;
    tokenizer->tokens = oai_calloc(tokenizer->host, n_lines + 1, sizeof *tokenizer->tokens);
    if (!tokenizer->tokens) return oai_no_memory((n_lines + 1) * sizeof *tokenizer->tokens, "a vocabulary");
    for (char *line = text, *end = text + bytes; line < end;) {
        char *newline = memchr(line, '\n', (size_t)(end - line)), *stop = newline ? newline : end;
        char *next = newline ? newline + 1 : end;
        if (stop > line && stop[-1] == '\r') stop--;
        *stop = 0;
        int32_t id = tokenizer->n_tokens++;
        tokenizer->tokens[id] = line;
        OAI_TRY(oai_strmap_put(&tokenizer->ids, line, (size_t)(stop - line), (uint32_t)id, NULL));
        line = next;
    }
    return OASSL_STATUS_OK;
}

static oassl_status find_specials(oai_wordpiece *tokenizer) {
    for (int i = 0; i < N_SPECIAL; i++) {
        uint32_t id = oai_strmap_get(&tokenizer->ids, special_texts[i], strlen(special_texts[i]));
        if (id == OAI_STRMAP_NONE && i != MASK)
            return oai_fail(OASSL_STATUS_FORMAT, "the vocabulary of %d lines has no token %s", tokenizer->n_tokens,
                            special_texts[i]);
        tokenizer->special[i] = id == OAI_STRMAP_NONE ? -1 : (int32_t)id;
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_wordpiece_create(const oai_host *host, const char *vocabulary, size_t bytes, const char *name,
                                  bool cased, oai_wordpiece **out_tokenizer) {
    *out_tokenizer = NULL;
    if (bytes > MAX_VOCABULARY_BYTES) return oai_fail(OASSL_STATUS_FORMAT, "%s: too large for a vocabulary", name);
    oai_wordpiece *tokenizer = oai_calloc(host, 1, sizeof *tokenizer);
    if (!tokenizer) return oai_no_memory(sizeof *tokenizer, name);
    tokenizer->host = host;
    tokenizer->cased = cased;
    oai_strmap_init(&tokenizer->ids, host);
    size_t bom = bytes >= 3 && memcmp(vocabulary, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    oassl_status status = OASSL_STATUS_OK;
    tokenizer->vocabulary = oai_alloc(host, bytes + 1);
    if (!tokenizer->vocabulary) {
        status = oai_no_memory(bytes + 1, name);
    } else {
        memcpy(tokenizer->vocabulary, vocabulary + bom, bytes - bom);
        status = read_tokens(tokenizer, tokenizer->vocabulary, bytes - bom);
    }
    if (status == OASSL_STATUS_OK) status = find_specials(tokenizer);
    if (status != OASSL_STATUS_OK) {
        oai_wordpiece_destroy(tokenizer);
        return oai_fail_within(status, "%s", name);
    }
    *out_tokenizer = tokenizer;
    return OASSL_STATUS_OK;
}

oassl_status oai_wordpiece_load(const oai_host *host, const char *path, bool cased, oai_wordpiece **out_tokenizer) {
    *out_tokenizer = NULL;
    char *text;
    size_t bytes;
    OAI_TRY(oai_file_read(host, path, MAX_VOCABULARY_BYTES, &text, &bytes));
    oassl_status status = oai_wordpiece_create(host, text, bytes, path, cased, out_tokenizer);
    oai_free(host, text);
    return status;
}

void oai_wordpiece_destroy(oai_wordpiece *tokenizer) {
    if (!tokenizer) return;
    oai_strmap_free(&tokenizer->ids);
    oai_free(tokenizer->host, tokenizer->tokens);
    oai_free(tokenizer->host, tokenizer->vocabulary);
    oai_free(tokenizer->host, tokenizer);
}

int32_t oai_wordpiece_size(const oai_wordpiece *tokenizer) { return tokenizer->n_tokens; }
int32_t oai_wordpiece_pad(const oai_wordpiece *tokenizer) { return tokenizer->special[PAD]; }
const char *oai_wordpiece_token(const oai_wordpiece *tokenizer, int32_t id) {
    return id >= 0 && id < tokenizer->n_tokens ? tokenizer->tokens[id] : NULL;
}

/* ---- characters --------------------------------------------------------------------------------------------- */

static bool is_white(int32_t c) {
    return oai_is_space(c); /* vertical tab, form feed and next line are dropped before */
}

static bool is_ideograph(int32_t c) {
    static const int32_t ranges[][2] = {{0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF},
                                        {0x2A700, 0x2B73F}, {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF},
                                        {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i][0] && c <= ranges[i][1]) return true;
    return false;
}

/* ---- encoding ----------------------------------------------------------------------------------------------- */

typedef struct encoding {
    const oai_wordpiece *tokenizer;
    int32_t *ids;
    int32_t n, room, cut;
} encoding;

static void emit(encoding *e, int32_t id) {
    if (e->n < e->room)
        e->ids[e->n++] = id;
    else
        e->cut++;
}

/* Greedy longest match.  The bytes before the rest of the word are used up, so "##" is written over them. */
static void encode_word(encoding *e, const int32_t *word, size_t n) {
    const oai_wordpiece *tokenizer = e->tokenizer;
    if (n > MAX_WORD_CHARACTERS) {
        emit(e, tokenizer->special[UNK]);
        return;
    }
    char text[2 + 4 * MAX_WORD_CHARACTERS];
    size_t ends[MAX_WORD_CHARACTERS + 1] = {2};
    for (size_t i = 0; i < n; i++)
        ends[i + 1] = ends[i] + (size_t)utf8proc_encode_char(word[i], (utf8proc_uint8_t *)text + ends[i]);
    int32_t pieces[MAX_WORD_CHARACTERS], n_pieces = 0;
    for (size_t start = 0; start < n;) {
        size_t from = ends[start], stop = n;
        if (start > 0) memcpy(text + (from -= 2), "##", 2);
        uint32_t id = OAI_STRMAP_NONE;
        for (; stop > start && id == OAI_STRMAP_NONE; stop--)
            id = oai_strmap_get(&tokenizer->ids, text + from, ends[stop] - from);
        if (id == OAI_STRMAP_NONE) {
            emit(e, tokenizer->special[UNK]);
            return;
        }
        pieces[n_pieces++] = (int32_t)id;
        start = stop + 1;
    }
    for (int32_t i = 0; i < n_pieces; i++) emit(e, pieces[i]);
}

static void encode_words(encoding *e, const int32_t *text, size_t n) {
    size_t start = 0;
    for (size_t i = 0; i <= n; i++) {
        bool punctuation = i < n && oai_bert_punctuation(text[i]);
        if (i < n && !punctuation && !is_white(text[i])) continue;
        if (i > start) encode_word(e, text + start, i - start);
        if (punctuation) encode_word(e, text + i, 1);
        start = i + 1;
    }
}

/* Cleans and normalises; `out` has room for 4 characters per byte of the text, which no decomposition exceeds. */
static oassl_status normalise(const oai_wordpiece *tokenizer, const char *text, size_t bytes, size_t position,
                              int32_t *out, size_t *out_n) {
    size_t n = 0;
    for (size_t at = 0; at < bytes;) {
        int32_t c;
        utf8proc_ssize_t step =
            utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(bytes - at), &c);
        if (step <= 0) return oai_fail(OASSL_STATUS_FORMAT, "text is not valid UTF-8 at byte %zu", position + at);
        at += (size_t)step;
        if (oai_bert_dropped(c)) continue;
        bool ideograph = is_ideograph(c);
        if (ideograph) out[n++] = ' ';
        if (is_white(c))
            out[n++] = ' ';
        else if (tokenizer->cased)
            out[n++] = c;
        else
            n += oai_decompose(c, out + n);
        if (ideograph) out[n++] = ' ';
    }
    if (!tokenizer->cased) {
        oai_reorder(out, n);
        size_t kept = 0;
        for (size_t i = 0; i < n; i++)
            if (!oai_bert_mark(out[i])) kept += oai_to_lower(out[i], true, out + kept); /* no dotted I is left */
        n = kept;
    }
    *out_n = n;
    return OASSL_STATUS_OK;
}

/* The next literal special token at or behind `text`; its id, or -1 at the end. */
static const char *next_special(const oai_wordpiece *tokenizer, const char *text, int32_t *out_id, size_t *out_bytes) {
    for (const char *at = strchr(text, '['); at; at = strchr(at + 1, '['))
        for (int i = 0; i < N_SPECIAL; i++) {
            *out_bytes = strlen(special_texts[i]);
            *out_id = tokenizer->special[i];
            if (*out_id >= 0 && strncmp(at, special_texts[i], *out_bytes) == 0) return at;
        }
    *out_id = -1;
    *out_bytes = 0;
    return text + strlen(text);
}

oassl_status oai_wordpiece_encode(const oai_wordpiece *tokenizer, const char *text, int32_t max_length,
                                  int32_t *out_ids, int32_t *out_length, int32_t *out_cut) {
    *out_length = 0;
    if (out_cut) *out_cut = 0;
    if (max_length < 2)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "maximum length %d, expected at least 2", max_length);
    size_t bytes = strlen(text), characters_bytes = (4 * bytes + 4) * sizeof(int32_t);
    int32_t *characters = oai_alloc(tokenizer->host, characters_bytes);
    if (!characters) return oai_no_memory(characters_bytes, "a text");
    encoding e = {.tokenizer = tokenizer, .ids = out_ids, .room = max_length - 1};
    emit(&e, tokenizer->special[CLS]);
    oassl_status status = OASSL_STATUS_OK;
    for (const char *at = text;;) {
        int32_t id;
        size_t special_bytes, n = 0;
        const char *stop = next_special(tokenizer, at, &id, &special_bytes);
        status = normalise(tokenizer, at, (size_t)(stop - at), (size_t)(at - text), characters, &n);
        if (status != OASSL_STATUS_OK) break;
        encode_words(&e, characters, n);
        if (id < 0) break;
        emit(&e, id);
        at = stop + special_bytes;
    }
    oai_free(tokenizer->host, characters);
    OAI_TRY(status);
    out_ids[e.n++] = tokenizer->special[SEP];
    *out_length = e.n;
    if (out_cut) *out_cut = e.cut;
    return OASSL_STATUS_OK;
}

oassl_status oai_wordpiece_encode_batch(const oai_wordpiece *tokenizer, const char *const *texts, size_t n,
                                        int32_t max_length, int32_t *out_ids, int32_t *out_lengths) {
    for (size_t i = 0; i < n; i++) {
        int32_t *row = out_ids + i * (size_t)max_length;
        oassl_status status = oai_wordpiece_encode(tokenizer, texts[i], max_length, row, &out_lengths[i], NULL);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "text %zu", i);
        for (int32_t j = out_lengths[i]; j < max_length; j++) row[j] = tokenizer->special[PAD];
    }
    return OASSL_STATUS_OK;
}
