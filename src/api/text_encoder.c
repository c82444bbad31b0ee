#include "api/text_encoder.h"

#include <string.h>

#include "base/options.h"
#include "base/file.h"
#include "oassl/encoder.h"
#include "runtime/context.h"

enum { MAX_VOCABULARY_BYTES = 64 << 20 };

/* Cuts `text` into its lines in place; a last newline ends the last token and begins none. */
static oassl_status split_lines(const oai_host *host, char *text, const char ***out_lines, uint32_t *out_n) {
    uint32_t n = 0, capacity = 1;
    for (const char *c = text; *c; c++) capacity += *c == '\n';
    const char **lines = oai_alloc(host, capacity * sizeof *lines);
    if (!lines) return oai_no_memory(capacity * sizeof *lines, "a vocabulary");
    for (char *line = text; *line;) {
        char *end = strchr(line, '\n');
        lines[n++] = line;
        if (!end) break;
        *end = '\0';
        if (end > line && end[-1] == '\r') end[-1] = '\0';
        line = end + 1;
    }
    *out_lines = lines;
    *out_n = n;
    return OASSL_STATUS_OK;
}

oassl_status oassl_encoder_make_text(const oassl_context *context, const char *folder, const char *vocab_path,
                                     const oassl_text_encoder_options *options) {
    OAI_REQUIRE(context);
    OAI_REQUIRE(folder);
    OAI_REQUIRE(vocab_path);
    oassl_text_encoder_options o;
    OAI_TRY(oai_options_read("oassl_text_encoder_options", options, &o, sizeof o));
    const oai_host *host = oai_context_host(context);
    char *text;
    size_t bytes;
    const char **lines = NULL;
    uint32_t n = 0;
    OAI_TRY(oai_file_read(host, vocab_path, MAX_VOCABULARY_BYTES, &text, &bytes));
    oassl_status status = split_lines(host, text, &lines, &n);
    if (status == OASSL_STATUS_OK)
        status = oai_text_encoder_write_seeded(host, folder, lines, n, o.n_layers ? o.n_layers : 2, o.width ? o.width : 128,
                                               o.n_heads ? o.n_heads : 4, o.seed);
    oai_free(host, (void *)lines);
    oai_free(host, text);
    return status;
}

oassl_status oai_text_encoder_tokenizer(const oai_host *host, const oai_text_encoder *encoder, oai_tokenizer *out_tokenizer) {
    const char *folder = oai_text_encoder_folder(encoder);
    bool clip = oai_text_encoder_is_clip(encoder);
    OAI_TRY(oai_tokenizer_load(host, folder, clip, out_tokenizer));
    int64_t size = oai_tokenizer_size(out_tokenizer), rows = oai_text_encoder_vocab_size(encoder);
    if (size <= rows) return OASSL_STATUS_OK;
    oai_tokenizer_close(out_tokenizer);
    return oai_fail(OASSL_STATUS_FORMAT, "%s: %s has %lld tokens, more than the %lld rows of the word embeddings", folder,
                    clip ? "the tokenizer" : "vocab.txt", (long long)size, (long long)rows);
}
