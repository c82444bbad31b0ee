#include "data/csv.h"

#include <stdbool.h>
#include <string.h>
#include <utf8proc.h>

#include "base/file.h"

#define MAX_BYTES ((size_t)1 << 30)

oassl_status oai_csv_open(const oai_host *host, const char *path, oai_csv *out_csv) {
    size_t bytes;
    memset(out_csv, 0, sizeof *out_csv);
    out_csv->host = host;
    OAI_TRY(oai_file_read(host, path, MAX_BYTES, &out_csv->text, &bytes));
    out_csv->next = out_csv->text, out_csv->end = out_csv->text + bytes;
    if (bytes >= 3 && memcmp(out_csv->text, "\xEF\xBB\xBF", 3) == 0) out_csv->next += 3;
    return OASSL_STATUS_OK;
}

void oai_csv_close(oai_csv *csv) {
    if (csv->host) oai_free(csv->host, csv->text);
    memset(csv, 0, sizeof *csv);
}

static oassl_status check_text(const char *line, size_t bytes) {
    if (memchr(line, 0, bytes)) return oai_fail(OASSL_STATUS_FORMAT, "expected text, found a NUL byte");
    for (size_t i = 0; i < bytes;) {
        if ((unsigned char)line[i] < 0x80) {
            i++;
            continue;
        }
        utf8proc_int32_t code;
        utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)line + i, (utf8proc_ssize_t)(bytes - i), &code);
        if (n <= 0) return oai_fail(OASSL_STATUS_FORMAT, "byte %zu: expected UTF-8", i + 1);
        i += (size_t)n;
    }
    return OASSL_STATUS_OK;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* Unquotes in place; *at moves behind the closing quote and the blanks after it. */
static oassl_status quoted(char **at, char **out_field) {
    char *from = *at + 1, *to = from;
    *out_field = from;
    for (;; from++) {
        if (!*from)
            return oai_fail(OASSL_STATUS_FORMAT, "field '%.40s': the quote is not closed on its line", *out_field);
        if (*from == '"' && *++from != '"') break;
        *to++ = *from;
    }
    while (is_blank(*from)) from++;
    if (*from && *from != ',')
        return oai_fail(OASSL_STATUS_FORMAT, "expected a comma after a quoted field, found '%s'", from);
    *at = from;
    *to = 0; /* before `from`: the closing quote lies between */
    return OASSL_STATUS_OK;
}

static void plain(char **at, char **out_field) {
    char *end = *at + strcspn(*at, ","), *last = end;
    *out_field = *at;
    *at = end;
    while (last > *out_field && is_blank(last[-1])) last--;
    if (last < end) *last = 0;
}

static oassl_status split(oai_csv *csv, char *at) {
    for (csv->n_fields = 0;; at++) {
        if (csv->n_fields == OAI_CSV_MAX_FIELDS)
            return oai_fail(OASSL_STATUS_FORMAT, "more than %d columns", OAI_CSV_MAX_FIELDS);
        char **field = &csv->fields[csv->n_fields++];
        while (is_blank(*at)) at++;
        if (*at == '"')
            OAI_TRY(quoted(&at, field));
        else
            plain(&at, field);
        if (!*at) return OASSL_STATUS_OK;
        *at = 0;
    }
}

oassl_status oai_csv_next(oai_csv *csv) {
    csv->n_fields = 0;
    while (csv->next < csv->end) {
        char *line = csv->next, *end = memchr(line, '\n', (size_t)(csv->end - line));
        if (!end) end = csv->end; /* oai_file_read put a NUL there */
        csv->next = end < csv->end ? end + 1 : end;
        csv->line++;
        size_t bytes = (size_t)(end - line);
        while (bytes && is_blank(line[bytes - 1])) bytes--;
        OAI_TRY(check_text(line, bytes));
        line[bytes] = 0;
        while (is_blank(*line)) line++;
        if (*line) return split(csv, line);
    }
    return OASSL_STATUS_OK;
}
