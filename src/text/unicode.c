#include "text/unicode.h"

#include <utf8proc.h>

#include "text/unicode_tables.inc"

/* U+11938 decomposes since Unicode 13, which the normalizer of `tokenizers` does not know. */
#define LATE_COMPOSITE 0x11938

/* The last range that begins at or before c; NULL if there is none. */
static const uint32_t *find(const uint32_t (*ranges)[2], size_t n, int32_t c) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle][0] <= (uint32_t)c)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? ranges[low - 1] : NULL;
}

static bool inside(const uint32_t (*ranges)[2], size_t n, int32_t c) {
    const uint32_t *range = find(ranges, n, c);
    return range && (uint32_t)c <= range[1];
}

#define IN(table) inside(table##_ranges, sizeof table##_ranges / sizeof *table##_ranges, c)

bool oai_bert_dropped(int32_t c) { return c == 0 || IN(bert_dropped); }
bool oai_bert_punctuation(int32_t c) { return IN(bert_punctuation); }
bool oai_bert_mark(int32_t c) { return IN(bert_mark); }
bool oai_is_letter(int32_t c, bool openai) { return IN(letter) || (openai && IN(late_letter)); }
bool oai_is_number(int32_t c, bool openai) { return IN(number) || (openai && IN(late_number)); }
bool oai_is_cased(int32_t c) { return IN(cased); }
bool oai_is_case_ignorable(int32_t c) { return IN(case_ignorable); }

bool oai_is_space(int32_t c) {
    return (c >= 9 && c <= 13) || c == 32 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
           c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

size_t oai_to_lower(int32_t c, bool late, int32_t out[2]) {
    const uint32_t *young = find(late_lower, sizeof late_lower / sizeof *late_lower, c);
    out[0] = c;
    if (young && young[0] == (uint32_t)c) {
        if (late) out[0] = (int32_t)young[1];
    } else if (c == 0x130) { /* I with a dot above: i and the dot */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    } else {
        out[0] = utf8proc_tolower(c);
    }
    return 1;
}

size_t oai_decompose(int32_t c, int32_t out[4]) {
    int boundary = 0;
    utf8proc_ssize_t n =
        c == LATE_COMPOSITE ? 0 : utf8proc_decompose_char(c, out, 4, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &boundary);
    if (n >= 1 && n <= 4) return (size_t)n;
    out[0] = c;
    return 1;
}

static int combining_class(int32_t c) {
    return c > 0x2FF && IN(combining) ? utf8proc_get_property(c)->combining_class : 0;
}

void oai_reorder(int32_t *text, size_t n) {
    for (size_t i = 1; i < n; i++) {
        int class = combining_class(text[i]);
        for (size_t j = i; class != 0 && j > 0; j--) {
            if (combining_class(text[j - 1]) <= class) break;
            int32_t swapped = text[j];
            text[j] = text[j - 1];
            text[j - 1] = swapped;
        }
    }
}

/* The composite of two characters, 0 if there is none. */
static int32_t composite(int32_t first, int32_t second) {
    int32_t pair[3] = {first, second};
    if (second < 0x300) return 0;
    utf8proc_ssize_t n = utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    return n == 1 && pair[0] != LATE_COMPOSITE ? pair[0] : 0;
}

size_t oai_compose(int32_t *text, size_t n) {
    size_t kept = 0, starter = SIZE_MAX;
    int last = 0; /* class of what was kept behind the starter */
    for (size_t i = 0; i < n; i++) {
        int32_t c = text[i];
        int class = combining_class(c);
        bool open = starter != SIZE_MAX && (kept == starter + 1 || (last < class && last != 0));
        int32_t joined = open ? composite(text[starter], c) : 0;
        if (joined) {
            text[starter] = joined;
            continue;
        }
        if (class == 0) starter = kept;
        last = class;
        text[kept++] = c;
    }
    return kept;
}
