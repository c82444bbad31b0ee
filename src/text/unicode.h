/* Character classes as the published tokenizers have them, whatever the version of the Unicode library: tables probed
 * from them (tests/data/gen_clip_unicode.py), and utf8proc for decomposition and case, which do not change. */
#ifndef OAI_TEXT_UNICODE_H
#define OAI_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Hugging Face's BertTokenizer: removed when cleaning, tokens of their own, combining marks dropped by uncased. */
bool oai_bert_dropped(int32_t c);
bool oai_bert_punctuation(int32_t c);
bool oai_bert_mark(int32_t c);

/* \p{L}, \p{N}: with Hugging Face's tables, or OpenAI's younger ones. */
bool oai_is_letter(int32_t c, bool openai);
bool oai_is_number(int32_t c, bool openai);
bool oai_is_space(int32_t c); /* White_Space */

bool oai_is_cased(int32_t c); /* and not case-ignorable */
bool oai_is_case_ignorable(int32_t c);
/* Lower case of one character: 1 or 2 to `out`.  `late`: also of capitals younger than Unicode 14. */
size_t oai_to_lower(int32_t c, bool late, int32_t out[2]);

/* Canonical decomposition of one character; returns how many (at most 4) went to `out`. */
size_t oai_decompose(int32_t c, int32_t out[4]);
/* Stable sort of each run of combining characters by class: the second half of NFD. */
void oai_reorder(int32_t *text, size_t n);
/* Canonical composition of decomposed text in place (NFC); returns the new length. */
size_t oai_compose(int32_t *text, size_t n);

#endif
