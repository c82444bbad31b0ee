/* One caption object checked by the rules of spec/datasets.md section 9.4 and added to a set. */
#ifndef OAI_TEXT_CAPTION_RULES_H
#define OAI_TEXT_CAPTION_RULES_H

#include "base/json.h"
#include "text/caption_file.h"

/* `id` NULL: take it from the object's `id` or `file`.  Defects are reported to the set; fails only without memory. */
oassl_status oai_caption_add(oai_caption_set *set, const oai_caption_options *options, uint64_t line, const char *id,
                             const json_t *object);

#endif
