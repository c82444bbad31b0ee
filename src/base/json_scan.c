#include "base/json_scan.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include <utf8proc.h>

enum { MOST_DEPTH = 2048 /* jansson's */ };

typedef struct scanner {
    const uint8_t *at, *end;
    bool in_object[MOST_DEPTH + 1]; /* of the open lists and objects */
    size_t depth;
} scanner;

static bool scan_digits(scanner *s) {
    const uint8_t *first = s->at;
    while (s->at < s->end && isdigit(*s->at)) s->at++;
    return s->at > first;
}

static bool is_next(const scanner *s, char c) { return s->at < s->end && *s->at == (uint8_t)c; }

static bool scan_number(scanner *s) {
    if (is_next(s, '-')) s->at++;
    if (is_next(s, '0'))
        s->at++;
    else if (!scan_digits(s))
        return false;
    if (is_next(s, '.')) {
        s->at++;
        if (!scan_digits(s)) return false;
    }
    if (is_next(s, 'e') || is_next(s, 'E')) {
        s->at++;
        if (is_next(s, '+') || is_next(s, '-')) s->at++;
        return scan_digits(s);
    }
    return true;
}

/* XXXX of \uXXXX; negative if it is not. */
static int32_t scan_hexadecimal(scanner *s) {
    int32_t value = 0;
    if (s->end - s->at < 4) return -1;
    for (int i = 0; i < 4; i++, s->at++) {
        if (!isxdigit(*s->at)) return -1;
        value = 16 * value + (isdigit(*s->at) ? *s->at - '0' : tolower(*s->at) - 'a' + 10);
    }
    return value;
}

/* Behind a backslash.  U+0000 is refused: texts end with one. */
static bool scan_escape(scanner *s) {
    if (s->at == s->end || !strchr("\"\\/bfnrtu", *s->at) || !*s->at) return false;
    if (*s->at++ != 'u') return true;
    int32_t code = scan_hexadecimal(s);
    if (code <= 0 || (code >= 0xDC00 && code <= 0xDFFF)) return false;
    if (code < 0xD800 || code > 0xDBFF) return true;
    if (s->end - s->at < 6 || s->at[0] != '\\' || s->at[1] != 'u') return false;
    s->at += 2;
    code = scan_hexadecimal(s);
    return code >= 0xDC00 && code <= 0xDFFF;
}

static bool scan_string(scanner *s) {
    for (s->at++; s->at < s->end && *s->at != '"';) {
        utf8proc_int32_t letter;
        utf8proc_ssize_t n = utf8proc_iterate(s->at, s->end - s->at, &letter);
        if (n <= 0 || letter < 0x20) return false;
        s->at += n;
        if (letter == '\\' && !scan_escape(s)) return false;
    }
    return s->at < s->end && *s->at++ == '"';
}

static bool scan_word(scanner *s) {
    static const char *const words[] = {"true", "false", "null"};
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(s->end - s->at) < n || memcmp(s->at, words[i], n) != 0) continue;
        s->at += n;
        return s->at == s->end || !isalpha(*s->at);
    }
    return false;
}

static bool scan_scalar(scanner *s, size_t *longest) {
    const uint8_t *first = s->at;
    bool good = *first == '"' ? scan_string(s) : isalpha(*first) ? scan_word(s) : scan_number(s);
    if ((size_t)(s->at - first) > *longest) *longest = (size_t)(s->at - first);
    return good;
}

static void skip_space(scanner *s) {
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) s->at++;
}

static bool scan_key(scanner *s, size_t *longest) {
    if (!is_next(s, '"') || !scan_scalar(s, longest)) return false;
    skip_space(s);
    if (!is_next(s, ':')) return false;
    s->at++;
    return true;
}

bool oai_json_scan(const char *text, size_t bytes, size_t *out_longest) {
    scanner s = {.at = (const uint8_t *)text, .end = (const uint8_t *)text + bytes};
    enum { ENTRY, FIRST_ENTRY, SEPARATOR } expected = ENTRY; /* FIRST_ENTRY: or the end of what has just begun */
    *out_longest = 0;
    for (;;) {
        skip_space(&s);
        if (s.at == s.end) return s.depth == 0 && expected == SEPARATOR;
        bool in_object = s.depth > 0 && s.in_object[s.depth];
        if (expected != ENTRY && s.depth > 0 && *s.at == (in_object ? '}' : ']')) {
            s.at++;
            s.depth--;
            expected = SEPARATOR;
        } else if (expected == SEPARATOR) {
            if (s.depth == 0 || *s.at++ != ',') return false;
            expected = ENTRY;
        } else {
            if (in_object && !scan_key(&s, out_longest)) return false;
            skip_space(&s);
            if (s.at == s.end) return false;
            if (*s.at == '{' || *s.at == '[') {
                if (s.depth == MOST_DEPTH) return true;
                s.in_object[++s.depth] = *s.at++ == '{';
                expected = FIRST_ENTRY;
            } else {
                if (s.depth == 0 || !scan_scalar(&s, out_longest)) return false;
                expected = SEPARATOR;
            }
        }
    }
}
