#include "text/bpe.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

#include "text/bpe_vocabulary.h"
#include "text/html_text.h"
#include "text/unicode.h"

static const char *const special_texts[2] = {"<|startoftext|>", "<|endoftext|>"};

int32_t oai_bpe_size(const oai_bpe *tokenizer) { return tokenizer->size; }
int32_t oai_bpe_end(const oai_bpe *tokenizer) { return tokenizer->special[OAI_BPE_END]; }

/* ---- one piece ----------------------------------------------------------------------------------------------- */

typedef struct encoding {
    const oai_bpe *tokenizer;
    int32_t *ids;
    int32_t n, room, cut;
    int32_t *symbols; /* of the piece at work; room for 4 a character of the text */
} encoding;

static void emit(encoding *e, int32_t id) {
    if (e->n < e->room)
        e->ids[e->n++] = id;
    else
        e->cut++;
}

/* Merges the pair of lowest rank wherever it stands, from left to right, until no pair is known. */
static size_t merge(const oai_bpe *tokenizer, int32_t *symbols, size_t n) {
    while (n > 1) {
        const oai_bpe_merge *best = NULL;
        for (size_t i = 0; i + 1 < n; i++) {
            const oai_bpe_merge *known = oai_bpe_merge_find(tokenizer, symbols[i], symbols[i + 1]);
            if (known && (!best || known->rank < best->rank)) best = known;
        }
        if (!best) break;
        size_t kept = 0;
        for (size_t i = 0; i < n; kept++) {
            bool pair = i + 1 < n && symbols[i] == best->left && symbols[i + 1] == best->right;
            symbols[kept] = pair ? best->merged : symbols[i];
            i += pair ? 2 : 1;
        }
        n = kept;
    }
    return n;
}

static void encode_piece(encoding *e, const int32_t *text, size_t n) {
    size_t n_symbols = 0;
    for (size_t i = 0; i < n; i++) {
        utf8proc_uint8_t bytes[4];
        utf8proc_ssize_t n_bytes = utf8proc_encode_char(text[i], bytes);
        for (utf8proc_ssize_t k = 0; k < n_bytes; k++)
            e->symbols[n_symbols++] = e->tokenizer->bytes[i + 1 == n && k + 1 == n_bytes][bytes[k]];
    }
    n_symbols = merge(e->tokenizer, e->symbols, n_symbols);
    for (size_t i = 0; i < n_symbols; i++) emit(e, e->symbols[i]);
}

/* ---- pieces -------------------------------------------------------------------------------------------------- */

/* Length of the ASCII word at text, 0 if it is not there. */
static size_t match(const int32_t *text, size_t n, const char *word, bool openai) {
    size_t i = 0;
    for (; word[i]; i++) {
        if (i >= n) return 0;
        int32_t c = openai && text[i] == 0x17F ? 's' : text[i]; /* their expression ignores case, of the long s too */
        if (c != word[i]) return 0;
    }
    return i;
}

static size_t contraction(const int32_t *text, size_t n, bool openai) {
    static const char *const words[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    for (size_t i = 0; text[0] == '\'' && i < sizeof words / sizeof *words; i++) {
        size_t length = match(text, n, words[i], openai);
        if (length) return length;
    }
    return 0;
}

/* A special token's text, met after lower-casing: OpenAI's becomes the token, Hugging Face's three pieces. */
static size_t take_special(encoding *e, const int32_t *text, size_t n) {
    for (int i = 0; text[0] == '<' && i < 2; i++) {
        size_t length = match(text, n, special_texts[i], false);
        if (!length) continue;
        if (e->tokenizer->openai) {
            emit(e, e->tokenizer->special[i]);
        } else {
            encode_piece(e, text, 2);
            encode_piece(e, text + 2, length - 4);
            encode_piece(e, text + length - 2, 2);
        }
        return length;
    }
    return 0;
}

/* White space, and the one character that OpenAI's expression finds in no class: as it ignores case, U+0345, a form of
 * iota, is no "other" character, and it is no letter either. */
static bool skipped(int32_t c, bool openai) { return oai_is_space(c) || (openai && c == 0x345); }

static void encode_pieces(encoding *e, const int32_t *text, size_t n) {
    bool openai = e->tokenizer->openai;
    for (size_t at = 0; at < n;) {
        const int32_t *piece = text + at;
        size_t length = take_special(e, piece, n - at);
        at += length;
        if (length) continue;
        length = contraction(piece, n - at, openai);
        if (skipped(*piece, openai)) {
            at++;
            continue;
        }
        if (!length && oai_is_letter(*piece, openai)) {
            while (at + length < n && oai_is_letter(piece[length], openai)) length++;
        } else if (!length && oai_is_number(*piece, openai)) {
            length = 1;
        } else if (!length) {
            while (at + length < n && !skipped(piece[length], openai) && !oai_is_letter(piece[length], openai) &&
                   !oai_is_number(piece[length], openai))
                length++;
        }
        encode_piece(e, piece, length);
        at += length;
    }
}

/* ---- cleaning ------------------------------------------------------------------------------------------------ */

/* Whether a sigma at `at` ends a word: a cased letter before it and none behind, case-ignorable ones not counting. */
static bool ends_word(const int32_t *text, size_t n, size_t at) {
    size_t before = at, behind = at + 1;
    while (before > 0 && oai_is_case_ignorable(text[before - 1])) before--;
    if (before == 0 || !oai_is_cased(text[before - 1])) return false;
    while (behind < n && oai_is_case_ignorable(text[behind])) behind++;
    return behind == n || !oai_is_cased(text[behind]);
}

/* `out` has room for 2 * n. */
static size_t lower(const int32_t *text, size_t n, bool openai, int32_t *out) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (openai && text[i] == 0x3A3 && ends_word(text, n, i))
            out[kept++] = 0x3C2;
        else
            kept += oai_to_lower(text[i], !openai, out + kept);
    }
    return kept;
}

/* Python's str.strip also takes the four separators of files, groups, records and units. */
static void strip(const int32_t **text, size_t *n) {
    while (*n > 0 && (oai_is_space(**text) || (**text >= 28 && **text <= 31))) (*text)++, (*n)--;
    for (int32_t c; *n > 0 && (c = (*text)[*n - 1], oai_is_space(c) || (c >= 28 && c <= 31));) (*n)--;
}

static oassl_status decode(const char *text, size_t bytes, size_t position, int32_t *out, size_t *out_n) {
    size_t n = 0;
    for (size_t at = 0; at < bytes; n++) {
        utf8proc_ssize_t step =
            utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(bytes - at), &out[n]);
        if (step <= 0) return oai_fail(OASSL_STATUS_FORMAT, "text is not valid UTF-8 at byte %zu", position + at);
        at += (size_t)step;
    }
    *out_n = n;
    return OASSL_STATUS_OK;
}

/* Memory for one text of `bytes` bytes: HTML can double it twice over, decomposition gives at most 4 a character. */
typedef struct workspace {
    char *first, *second;                  /* 4 * bytes each */
    int32_t *characters, *other, *symbols; /* 8 * bytes each, symbols 32 * bytes */
} workspace;

static oassl_status encode_openai(encoding *e, const char *text, size_t bytes, workspace *w) {
    size_t n;
    OAI_TRY(decode(text, bytes, 0, w->characters, &n));
    bytes = oai_html_unescape(text, bytes, w->first);
    bytes = oai_html_unescape(w->first, bytes, w->second);
    OAI_TRY(decode(w->second, bytes, 0, w->characters, &n));
    const int32_t *stripped = w->characters;
    strip(&stripped, &n);
    encode_pieces(e, w->other, lower(stripped, n, true, w->other));
    return OASSL_STATUS_OK;
}

/* Hugging Face cuts the special tokens' texts out first and normalises what lies between. */
static oassl_status encode_hugging_face(encoding *e, const char *text, size_t bytes, workspace *w) {
    const char *end = text + bytes;
    for (const char *at = text; at < end;) {
        const char *stop = end;
        int special = -1;
        for (int i = 0; i < 2; i++) {
            const char *found = strstr(at, special_texts[i]);
            if (found && found < stop) stop = found, special = i;
        }
        size_t n, decomposed = 0;
        OAI_TRY(decode(at, (size_t)(stop - at), (size_t)(at - text), w->other, &n));
        for (size_t i = 0; i < n; i++) decomposed += oai_decompose(w->other[i], w->characters + decomposed);
        oai_reorder(w->characters, decomposed);
        n = oai_compose(w->characters, decomposed);
        encode_pieces(e, w->other, lower(w->characters, n, false, w->other));
        if (special < 0) break;
        emit(e, e->tokenizer->special[special]);
        at = stop + strlen(special_texts[special]);
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_bpe_encode(const oai_bpe *tokenizer, const char *text, int32_t max_length, int32_t *out_ids,
                            int32_t *out_length, int32_t *out_cut) {
    *out_length = 0;
    if (out_cut) *out_cut = 0;
    if (max_length < 2)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "maximum length %d, expected at least 2", max_length);
    size_t bytes = strlen(text), room = bytes + 8, words = (8 + 8 + 32) * room;
    int32_t *memory = oai_alloc(tokenizer->host, words * sizeof *memory + 8 * room);
    if (!memory) return oai_no_memory(words * sizeof *memory + 8 * room, "a text");
    workspace w = {.characters = memory, .other = memory + 8 * room, .symbols = memory + 16 * room};
    w.first = (char *)(memory + words);
    w.second = w.first + 4 * room;
    encoding e = {.tokenizer = tokenizer, .ids = out_ids, .room = max_length - 1, .symbols = w.symbols};
    emit(&e, tokenizer->special[OAI_BPE_START]);
    oassl_status status =
        tokenizer->openai ? encode_openai(&e, text, bytes, &w) : encode_hugging_face(&e, text, bytes, &w);
    oai_free(tokenizer->host, memory);
    OAI_TRY(status);
    out_ids[e.n++] = tokenizer->special[OAI_BPE_END];
    *out_length = e.n;
    if (out_cut) *out_cut = e.cut;
    return OASSL_STATUS_OK;
}
