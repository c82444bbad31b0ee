/* WordPiece, token for token as Hugging Face's BertTokenizer (spec/models.md section 8).
 *
 * Clean, put blanks around CJK ideographs, (uncased: NFD, drop combining marks Mn, lower-case), split at white space
 * and around punctuation, longest match per word with continuation pieces "##...".  The literal texts [PAD] [UNK]
 * [CLS] [SEP] [MASK] inside a text become those tokens, as there.  Immutable after creation, any thread. */
#ifndef OAI_TEXT_WORDPIECE_H
#define OAI_TEXT_WORDPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/host.h"

typedef struct oai_wordpiece oai_wordpiece;

/* vocab.txt: one token a line, id = line number from 0; the last of equal lines counts.  The ids of the special tokens
 * are looked up by their text; [PAD] [UNK] [CLS] [SEP] must be there. */
oassl_status oai_wordpiece_load(const oai_host *host, const char *path, bool cased, oai_wordpiece **out_tokenizer);
/* vocab.txt of a Hugging Face folder, cased only if tokenizer_config.json beside it says "do_lower_case": false; without
 * it tokenizer.json. */
oassl_status oai_wordpiece_load_folder(const oai_host *host, const char *folder, oai_wordpiece **out_tokenizer);
/* The same from memory; `name` is for error texts. */
oassl_status oai_wordpiece_create(const oai_host *host, const char *vocabulary, size_t bytes, const char *name,
                                  bool cased, oai_wordpiece **out_tokenizer);
void oai_wordpiece_destroy(oai_wordpiece *tokenizer); /* NULL legal */

int32_t oai_wordpiece_size(const oai_wordpiece *tokenizer); /* number of ids */
int32_t oai_wordpiece_pad(const oai_wordpiece *tokenizer);
const char *oai_wordpiece_token(const oai_wordpiece *tokenizer, int32_t id); /* NULL out of range */

/* [CLS] pieces [SEP] into out_ids[max_length], max_length >= 2; a longer text is cut before [SEP] and *out_cut (may
 * be NULL) is the number of pieces dropped.  Text that is not UTF-8: OASSL_STATUS_FORMAT with the byte's position. */
oassl_status oai_wordpiece_encode(const oai_wordpiece *tokenizer, const char *text, int32_t max_length,
                                  int32_t *out_ids, int32_t *out_length, int32_t *out_cut);

/* n texts into out_ids[n * max_length], each row filled up with [PAD]. */
oassl_status oai_wordpiece_encode_batch(const oai_wordpiece *tokenizer, const char *const *texts, size_t n,
                                        int32_t max_length, int32_t *out_ids, int32_t *out_lengths);

#endif
