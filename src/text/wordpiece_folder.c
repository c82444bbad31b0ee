/* The WordPiece of a Hugging Face folder: vocab.txt with tokenizer_config.json, or all in tokenizer.json. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/json.h"
#include "text/wordpiece.h"

#define MAX_TOKENS (1 << 24)

/* Whether the folder asks for a cased tokenizer; the file that would say so is optional. */
static oassl_status read_cased(const oai_host *host, const char *folder, bool *out_cased) {
    char path[PATH_MAX];
    *out_cased = false;
    snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
    json_t *config;
    oassl_status status = oai_json_load(host, path, &config);
    if (status == OASSL_STATUS_NOT_FOUND) return OASSL_STATUS_OK;
    OAI_TRY(status);
    bool lower = true;
    if (oai_json_has(config, "do_lower_case")) status = oai_json_boolean(config, "do_lower_case", &lower);
    json_decref(config);
    *out_cased = !lower;
    return status == OASSL_STATUS_OK ? status : oai_fail_within(status, "%s", path);
}

/* The vocabulary as the lines of a vocab.txt; ids without a token become empty lines, of which there may be some but
 * not millions: a small file must not take much memory. */
static oassl_status write_lines(const oai_host *host, json_t *vocabulary, char **out_text, size_t *out_bytes) {
    const char *key;
    json_t *value;
    int64_t n = 0;
    size_t bytes = 0;
    json_object_foreach(vocabulary, key, value) {
        int64_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id >= MAX_TOKENS || strchr(key, '\n'))
            return oai_fail(OASSL_STATUS_FORMAT, "token '%.80s': expected one line with an id of 0..%d", key,
                            MAX_TOKENS - 1);
        if (id >= n) n = id + 1;
        bytes += strlen(key);
    }
    if ((size_t)n > 16 * json_object_size(vocabulary) + 65536)
        return oai_fail(OASSL_STATUS_FORMAT, "%zu tokens with ids up to %lld", json_object_size(vocabulary), (long long)n - 1);
    bytes += (size_t)n;
    const char **tokens = oai_calloc(host, (size_t)n + 1, sizeof *tokens);
    char *text = oai_alloc(host, bytes + 1), *at = text;
    if (tokens && text) {
        json_object_foreach(vocabulary, key, value) tokens[json_integer_value(value)] = key;
        for (int64_t i = 0; i < n; i++) {
            if (tokens[i]) at = stpcpy(at, tokens[i]);
            *at++ = '\n';
        }
        *at = 0;
    }
    oai_free(host, tokens);
    *out_text = text;
    *out_bytes = (size_t)(at - text);
    if (at > text || n == 0) return OASSL_STATUS_OK;
    oai_free(host, text);
    *out_text = NULL;
    return oai_no_memory(bytes, "a vocabulary");
}

/* {"model": {"type": "WordPiece", "vocab": {...}}, "normalizer": {"lowercase": ..}} */
static oassl_status read_json(const oai_host *host, json_t *object, const char *path, oai_wordpiece **out_tokenizer) {
    json_t *model, *vocabulary, *normalizer;
    const char *type;
    bool lower = true;
    char *text = NULL;
    size_t bytes;
    OAI_TRY(oai_json_object(object, "model", &model));
    OAI_TRY(oai_json_string(model, "type", &type));
    if (strcmp(type, "WordPiece") != 0)
        return oai_fail(OASSL_STATUS_UNSUPPORTED, "field 'type': expected \"WordPiece\", found \"%s\"", type);
    OAI_TRY(oai_json_object(model, "vocab", &vocabulary));
    if (oai_json_has(object, "normalizer")) {
        OAI_TRY(oai_json_object(object, "normalizer", &normalizer));
        if (oai_json_has(normalizer, "lowercase")) OAI_TRY(oai_json_boolean(normalizer, "lowercase", &lower));
    }
    OAI_TRY(write_lines(host, vocabulary, &text, &bytes));
    oassl_status status = oai_wordpiece_create(host, text, bytes, path, !lower, out_tokenizer);
    oai_free(host, text);
    return status;
}

oassl_status oai_wordpiece_load_folder(const oai_host *host, const char *folder, oai_wordpiece **out_tokenizer) {
    char path[PATH_MAX], json_path[PATH_MAX];
    bool cased;
    *out_tokenizer = NULL;
    if (strlen(folder) > sizeof path - 32)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "folder name of %zu bytes is too long", strlen(folder));
    snprintf(path, sizeof path, "%s/vocab.txt", folder);
    snprintf(json_path, sizeof json_path, "%s/tokenizer.json", folder);
    if (access(path, F_OK) == 0 || access(json_path, F_OK) != 0) {
        OAI_TRY(read_cased(host, folder, &cased));
        return oai_wordpiece_load(host, path, cased, out_tokenizer);
    }
    json_t *object;
    OAI_TRY(oai_json_load(host, json_path, &object));
    oassl_status status = read_json(host, object, json_path, out_tokenizer);
    json_decref(object);
    return status == OASSL_STATUS_OK ? status : oai_fail_within(status, "%s", json_path);
}
