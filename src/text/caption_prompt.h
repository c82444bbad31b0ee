/* What a multimodal model is asked for a picture's captions (spec/datasets.md 9.1), versioned by its hash.  The Python
 * captioner sends the same text (bindings/python/oassl/prompt.txt). */
#ifndef OAI_TEXT_CAPTION_PROMPT_H
#define OAI_TEXT_CAPTION_PROMPT_H

#include "base/host.h"

extern const char oai_caption_prompt[];      /* with {count} and {labels} where a picture's own come */
extern const char oai_caption_prompt_hash[]; /* SHA-256 of it */

/* The prompt for these labels, to be freed with oai_free.  White space and commas in a label become underscores. */
oassl_status oai_caption_prompt_make(const oai_host *host, const char *const *labels, uint32_t n, char **out_text);

#endif
