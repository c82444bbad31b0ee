/* Finished sentences of an encoding run, kept beside the output so that a killed run goes on where it was.
 *
 * File: a heading with the key of the encoder, then one record a sentence: SHA-256 of its text (16 bytes of it), the
 * vector, CRC-32 of both.  Records are only appended; a torn last one, or a file of another encoder, is cut off. */
#ifndef OAI_TEXT_ENCODE_JOURNAL_H
#define OAI_TEXT_ENCODE_JOURNAL_H

#include "base/host.h"

typedef struct oai_encode_journal oai_encode_journal;

/* Opens or begins `path`, locked against another run (IO).  `key` tells encoders, tokenizers and settings apart. */
oassl_status oai_encode_journal_open(const oai_host *host, const char *path, const char *key, int64_t width,
                                     oai_encode_journal **out_journal);
/* The vector of a sentence that an earlier run finished, else NULL.  Valid until forgotten. */
const float *oai_encode_journal_find(const oai_encode_journal *journal, const char *text);
void oai_encode_journal_forget(oai_encode_journal *journal); /* frees what find needs */
oassl_status oai_encode_journal_put(oai_encode_journal *journal, const char *text, const float *vector);
/* Hands what was put to the disk. */
oassl_status oai_encode_journal_flush(oai_encode_journal *journal);
/* NULL legal; `done` removes the file, as does closing one without records. */
void oai_encode_journal_close(oai_encode_journal *journal, int done);

#endif
