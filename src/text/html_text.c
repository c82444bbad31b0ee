#include "text/html_text.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

#include "text/html_entities.inc"

#define MAX_NAME_CHARACTERS 32 /* of a named reference, its semicolon not counted */

/* What a number means: bytes 0x80..0x9F are Windows-1252, surrogates and giants a replacement character, and
 * characters no text should have nothing (0). */
static int32_t numbered(uint32_t number) {
    static const uint16_t windows[32] = {0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021,
                                         0x2C6,  0x2030, 0x160,  0x2039, 0x152,  0x8D,   0x17D,  0x8F,
                                         0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                         0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};
    if (number == 0 || (number >= 0xD800 && number < 0xE000) || number > 0x10FFFF) return 0xFFFD;
    if (number >= 0x80 && number < 0xA0) return windows[number - 0x80];
    if (number == '\r' || number == '\t' || number == '\n' || number == '\f') return (int32_t)number;
    if (number < 32 || number == 127 || (number >= 0xFDD0 && number <= 0xFDEF) || (number & 0xFFFE) == 0xFFFE)
        return 0;
    return (int32_t)number;
}

/* "#123;", "#xAB" at text; the bytes used, 0 if it is no number. */
static size_t take_number(const char *text, size_t bytes, char *out, size_t *out_bytes) {
    bool hexadecimal = bytes > 1 && (text[1] == 'x' || text[1] == 'X');
    size_t at = hexadecimal ? 2 : 1, digits = at;
    uint32_t number = 0, base = hexadecimal ? 16 : 10;
    for (; at < bytes; at++) {
        char c = text[at];
        uint32_t digit = c >= '0' && c <= '9'                  ? (uint32_t)(c - '0')
                         : hexadecimal && c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : hexadecimal && c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                               : 99;
        if (digit == 99) break;
        if (number <= 0x110000) number = number * base + digit;
    }
    if (at == digits) return 0;
    if (at < bytes && text[at] == ';') at++;
    int32_t c = numbered(number);
    *out_bytes = c ? (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)out) : 0;
    return at;
}

static const char *entity(const char *name, size_t bytes) {
    size_t low = 0, high = sizeof html_entities / sizeof *html_entities;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const char *found = html_entities[middle].name;
        int order = strncmp(found, name, bytes);
        if (order == 0 && found[bytes]) order = 1;
        if (order == 0) return html_entities[middle].text;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* The name at text, up to 32 characters and a semicolon, or its longest known beginning; the rest stays text. */
static size_t take_name(const char *text, size_t bytes, char *out, size_t *out_bytes) {
    size_t end = 0;
    for (int n = 0; end < bytes && !strchr("\t\n\f <&#;", text[end]) && n < MAX_NAME_CHARACTERS; n++)
        for (end++; end < bytes && ((uint8_t)text[end] & 0xC0) == 0x80;) end++;
    if (end == 0) return 0;
    size_t whole = end + (end < bytes && text[end] == ';');
    const char *value = entity(text, whole);
    size_t name = whole;
    for (size_t n = whole - 1; !value && n > 1; n--)
        if ((value = entity(text, n))) name = n;
    if (!value) {
        *out++ = '&';
        memcpy(out, text, whole);
        *out_bytes = whole + 1;
        return whole;
    }
    size_t value_bytes = strlen(value);
    memcpy(out, value, value_bytes);
    memcpy(out + value_bytes, text + name, whole - name);
    *out_bytes = value_bytes + whole - name;
    return whole;
}

size_t oai_html_unescape(const char *text, size_t bytes, char *out) {
    size_t n = 0;
    for (size_t at = 0; at < bytes;) {
        size_t used = 0, written = 0;
        if (text[at] == '&' && at + 1 < bytes) {
            if (text[at + 1] == '#')
                used = take_number(text + at + 1, bytes - at - 1, out + n, &written);
            else
                used = take_name(text + at + 1, bytes - at - 1, out + n, &written);
        }
        if (used == 0) {
            out[n++] = text[at++];
            continue;
        }
        at += used + 1;
        n += written;
    }
    return n;
}
