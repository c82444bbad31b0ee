/* A look over a JSON text that allocates nothing.
 *
 * jansson reports running out of memory as if the text were wrong; and while its token buffer grows it does not report
 * it at all, but takes what it has of a string or number for the whole.  So we know ourselves what is JSON, and how
 * long the longest token is. */
#ifndef OAI_BASE_JSON_SCAN_H
#define OAI_BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* False if the text is not one JSON object or array; repeated keys, numbers too large and nesting too deep are left to
 * jansson.  *out_longest: bytes of the longest token, quotes included. */
bool oai_json_scan(const char *text, size_t bytes, size_t *out_longest);

#endif
