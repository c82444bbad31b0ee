/* CLIP's byte-pair tokenizer (spec/models.md 5.4), token for token as the published ones.
 *
 * The form of the vocabulary says whose rules hold:
 *   OpenAI's merges file (bpe_simple_vocab_16e6.txt or .txt.gz): HTML references resolved twice, Python's lower case
 *     (with the final sigma); the repair of mis-decoded text (ftfy) is left out, inputs are valid UTF-8
 *   Hugging Face's vocab.json and merges.txt, or tokenizer.json: NFC, lower case character by character
 * Both then split into contractions, runs of letters, single digits and runs of other characters, and merge byte
 * pairs within each piece.  Immutable after creation, any thread. */
#ifndef OAI_TEXT_BPE_H
#define OAI_TEXT_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/host.h"

#define OAI_BPE_MERGES_FILE "bpe_simple_vocab_16e6.txt" /* also with .gz */

typedef struct oai_bpe oai_bpe;

/* OpenAI's merges file, plain or gzipped: ids 0..255 the bytes, 256..511 the bytes that end a word, 512... the merges
 * (at most 48894, what the file has beyond is not CLIP's), then start and end. */
oassl_status oai_bpe_load_merges(const oai_host *host, const char *path, oai_bpe **out_tokenizer);
/* What the folder has: vocab.json with merges.txt, else tokenizer.json, else OpenAI's merges file. */
oassl_status oai_bpe_load_folder(const oai_host *host, const char *folder, oai_bpe **out_tokenizer);
void oai_bpe_destroy(oai_bpe *tokenizer); /* NULL legal */

int32_t oai_bpe_size(const oai_bpe *tokenizer); /* largest id + 1 */
int32_t oai_bpe_end(const oai_bpe *tokenizer);

/* start, pieces, end into out_ids[max_length], max_length >= 2; a longer text is cut before the end token and *out_cut
 * (may be NULL) is the number of tokens dropped.  Text that is not UTF-8: OASSL_STATUS_FORMAT with the byte. */
oassl_status oai_bpe_encode(const oai_bpe *tokenizer, const char *text, int32_t max_length, int32_t *out_ids,
                            int32_t *out_length, int32_t *out_cut);

#endif
