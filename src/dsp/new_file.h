/* A file that appears complete or not at all: written beside its final place, synced, renamed. */
#ifndef OAI_DSP_NEW_FILE_H
#define OAI_DSP_NEW_FILE_H

#include <stdio.h>

#include "base/host.h"

typedef struct oai_new_file {
    const oai_host *host;
    FILE *stream;
    char *path, *temporary;
} oai_new_file;

/* IO: the folder is missing or not writable; the text names the path. */
oassl_status oai_new_file_open(const oai_host *host, const char *path, oai_new_file *out_file);

/* Ends the file.  status OK: flushes, syncs and renames; else, or when that fails, removes the temporary.  Returns
 * the first failure. */
oassl_status oai_new_file_close(oai_new_file *file, oassl_status status);

#endif
