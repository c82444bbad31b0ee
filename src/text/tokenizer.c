#include "text/tokenizer.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of the files that are there, in a fixed order; the names tell apart what the same bytes would mean. */
static oassl_status hash_files(const char *folder, bool clip, char out[OAI_SHA256_TEXT]) {
    static const char *const names[2][6] = {
        {"vocab.txt", "tokenizer_config.json", "tokenizer.json"},
        {"vocab.json", "merges.txt", "tokenizer.json", OAI_BPE_MERGES_FILE, OAI_BPE_MERGES_FILE ".gz"}};
    oai_sha256 hash;
    oai_sha256_init(&hash);
    bool found = false;
    for (int i = 0; i < 6 && names[clip][i]; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", folder, names[clip][i]);
        if (access(path, F_OK) != 0 || (found && i != 1) || (clip && !found && i == 1)) continue; /* unread */
        found = found || clip || i != 1;
        oai_sha256_add(&hash, names[clip][i], strlen(names[clip][i]));
        OAI_TRY(oai_sha256_add_file(&hash, path));
    }
    oai_sha256_finish_text(&hash, out);
    return OASSL_STATUS_OK;
}

oassl_status oai_tokenizer_load(const oai_host *host, const char *folder, bool clip, oai_tokenizer *out_tokenizer) {
    *out_tokenizer = (oai_tokenizer){0};
    oassl_status status = clip ? oai_bpe_load_folder(host, folder, &out_tokenizer->pairs)
                               : oai_wordpiece_load_folder(host, folder, &out_tokenizer->words);
    if (status == OASSL_STATUS_OK) status = hash_files(folder, clip, out_tokenizer->hash);
    if (status != OASSL_STATUS_OK) oai_tokenizer_close(out_tokenizer);
    return status;
}

void oai_tokenizer_close(oai_tokenizer *tokenizer) {
    oai_wordpiece_destroy(tokenizer->words);
    oai_bpe_destroy(tokenizer->pairs);
    *tokenizer = (oai_tokenizer){0};
}

int32_t oai_tokenizer_size(const oai_tokenizer *t) {
    return t->words ? oai_wordpiece_size(t->words) : oai_bpe_size(t->pairs);
}
int32_t oai_tokenizer_pad(const oai_tokenizer *t) { return t->words ? oai_wordpiece_pad(t->words) : 0; }

oassl_status oai_tokenizer_encode(const oai_tokenizer *tokenizer, const char *text, int32_t max_length,
                                  int32_t *out_ids, int32_t *out_length, int32_t *out_cut) {
    if (tokenizer->words)
        return oai_wordpiece_encode(tokenizer->words, text, max_length, out_ids, out_length, out_cut);
    return oai_bpe_encode(tokenizer->pairs, text, max_length, out_ids, out_length, out_cut);
}

oassl_status oai_tokenizer_encode_batch(const oai_tokenizer *tokenizer, const char *const *texts, size_t n,
                                        int32_t max_length, int32_t *out_ids, int32_t *out_lengths) {
    for (size_t i = 0; i < n; i++) {
        int32_t *row = out_ids + i * (size_t)max_length;
        oassl_status status = oai_tokenizer_encode(tokenizer, texts[i], max_length, row, &out_lengths[i], NULL);
        if (status != OASSL_STATUS_OK) return oai_fail_within(status, "text %zu", i);
        for (int32_t j = out_lengths[i]; j < max_length; j++) row[j] = oai_tokenizer_pad(tokenizer);
    }
    return OASSL_STATUS_OK;
}
