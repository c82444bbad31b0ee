/* Vocabularies of both tokenizers, in every form, and a text encoded with what was loaded.
 *
 * Input: parts with "====" lines between them: the vocabulary, the merges, the text. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "text/tokenizer.h"

static const char plain_text[] = "A red Violin's bow, played 12 times; [MASK] caf\xC3\xA9 \xE4\xB8\xAD &amp; un\xCC\x81";

static void encode(const oai_tokenizer *t, const char *text) {
    enum { LENGTH = 24 };
    int32_t ids[LENGTH], length = 0, cut = 0;
    oassl_status status = oai_tokenizer_encode(t, text, LENGTH, ids, &length, &cut);
    fuzz_check(status, "oai_tokenizer_encode");
    if (status != OASSL_STATUS_OK) return;
    if (length < 2 || length > LENGTH || cut < 0) fuzz_fail("%d tokens, %d cut", length, cut);
    for (int32_t i = 0; i < length; i++)
        if (ids[i] < 0 || ids[i] >= oai_tokenizer_size(t)) fuzz_fail("id %d of %d", ids[i], oai_tokenizer_size(t));
}

static void load(const oai_host *host, bool clip, const char *text) {
    oai_tokenizer t;
    oassl_status status = oai_tokenizer_load(host, fuzz_folder(), clip, &t);
    fuzz_check(status, "oai_tokenizer_load");
    if (status == OASSL_STATUS_OK) {
        encode(&t, plain_text);
        encode(&t, text);
    }
    oai_tokenizer_close(&t);
}

/* The same bytes under each name a folder may have them. */
static void load_as(const oai_host *host, bool clip, const char *name, const fuzz_part *vocabulary, const char *second, const fuzz_part *rest,
                    const char *text) {
    fuzz_put(name, vocabulary->data, vocabulary->bytes);
    if (second) fuzz_put(second, rest->data, rest->bytes);
    load(host, clip, text);
    fuzz_remove(name);
    if (second) fuzz_remove(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_part parts[3];
    size_t n = fuzz_split(data, bytes, parts, 3);
    char *text = malloc(parts[n - 1].bytes + 1);
    if (!text) fuzz_fail("no memory");
    if (parts[n - 1].bytes) memcpy(text, parts[n - 1].data, parts[n - 1].bytes);
    text[parts[n - 1].bytes] = 0;
    const fuzz_part *merges = &parts[n > 1 ? 1 : 0];
    /* Tables of some bytes a token, of ids too that no token has; gzip packs at most 1032 bytes into one. */
    const bool gzipped = parts[0].bytes > 1 && parts[0].data[0] == 0x1F && parts[0].data[1] == 0x8B;
    const oai_host *host = fuzz_begin(((uint64_t)16 << 20) + (gzipped ? 64 * 1032 : 1024) * (uint64_t)bytes);
    load_as(host, false, "vocab.txt", &parts[0], "tokenizer_config.json", merges, text);
    load_as(host, false, "tokenizer.json", &parts[0], NULL, NULL, text);
    load_as(host, true, "tokenizer.json", &parts[0], NULL, NULL, text);
    load_as(host, true, "vocab.json", &parts[0], "merges.txt", merges, text);
    load_as(host, true, OAI_BPE_MERGES_FILE, &parts[0], NULL, NULL, text);
    load_as(host, true, OAI_BPE_MERGES_FILE ".gz", &parts[0], NULL, NULL, text);
    fuzz_end();
    free(text);
    return 0;
}
