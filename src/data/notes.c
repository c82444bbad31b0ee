#include "data/notes.h"

#include <stdio.h>

void oai_note(oai_notes *notes, int32_t severity, const char *file, uint64_t record, const char *id,
              const char *format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (severity == OASSL_DATA_ERROR && notes->n_errors++ == 0)
        snprintf(notes->first_error, sizeof notes->first_error, "%.200s:%llu: %s%.60s%s%.200s", file,
                 (unsigned long long)record, id ? "'" : "", id ? id : "", id ? "': " : "", text);
    if (severity == OASSL_DATA_WARNING) notes->n_warnings++;
    if (notes->report)
        notes->report(notes->user, severity, file, record, id ? id : "", text);
    else
        oai_log(notes->host, OAI_LOG_WARN, "%s:%llu: %s: %s", file, (unsigned long long)record, id ? id : "(no id)",
                text);
}

oassl_status oai_note_failure(oai_notes *notes, oassl_status status, const char *file, uint64_t record,
                              const char *id) {
    if (status != OASSL_STATUS_FORMAT) return status;
    char text[400];
    snprintf(text, sizeof text, "%s", oassl_last_error());
    oai_note(notes, OASSL_DATA_ERROR, file, record, id, "%s", text);
    return OASSL_STATUS_OK;
}
