/* Defects found in a file while the reading goes on: counted, told to the caller's report, the first error kept. */
#ifndef OAI_DATA_NOTES_H
#define OAI_DATA_NOTES_H

#include "base/host.h"
#include "oassl/data.h"

typedef struct oai_notes {
    const oai_host *host;
    oassl_data_report report;
    void *user;
    uint64_t n_errors, n_warnings;
    char first_error[512];
} oai_notes;

/* `id` may be NULL. */
void oai_note(oai_notes *notes, int32_t severity, const char *file, uint64_t record, const char *id,
              const char *format, ...) __attribute__((format(printf, 6, 7)));
/* A FORMAT failure becomes a noted error (its text is this thread's last one) and OK; others pass. */
oassl_status oai_note_failure(oai_notes *notes, oassl_status status, const char *file, uint64_t record,
                              const char *id);

#endif
