/* Comma separated text as data sets publish it: UTF-8, LF or CRLF, BOM, blank lines and a missing last newline
 * accepted, double quotes optional ("" is a quote inside them).  A row is one line. */
#ifndef OAI_DATA_CSV_H
#define OAI_DATA_CSV_H

#include "base/host.h"

enum { OAI_CSV_MAX_FIELDS = 32 };

typedef struct oai_csv {
    const oai_host *host;
    char *text, *next, *end;
    uint64_t line;
    uint32_t n_fields;
    char *fields[OAI_CSV_MAX_FIELDS]; /* of the row last returned; they live until oai_csv_close, blanks around them
                                         removed */
} oai_csv;

oassl_status oai_csv_open(const oai_host *host, const char *path, oai_csv *out_csv);
/* n_fields is 0 at the end.  FORMAT says what is wrong with a line; the next call goes on behind it. */
oassl_status oai_csv_next(oai_csv *csv);
void oai_csv_close(oai_csv *csv); /* zeroed ones are legal */

#endif
