/* Character references of HTML ("&amp;", "&#233;"), as Python's html.unescape resolves them. */
#ifndef OAI_TEXT_HTML_TEXT_H
#define OAI_TEXT_HTML_TEXT_H

#include <stddef.h>

/* text[bytes] of valid UTF-8 -> out, which has room for 2 * bytes (no reference grows more); returns the length. */
size_t oai_html_unescape(const char *text, size_t bytes, char *out);

#endif
