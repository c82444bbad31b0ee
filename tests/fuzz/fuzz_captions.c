/* Caption files, strict and as an importer repairs them, and the file that composes them. */
#include "fuzz.h"
#include "text/caption_file.h"

static void load(const oai_host *host, const char *path, const char *composites, const oai_caption_options *options) {
    oai_caption_set *set;
    oassl_status status = oai_caption_set_load(host, path, options, &set);
    fuzz_check(status, "oai_caption_set_load");
    if (status != OASSL_STATUS_OK) return;
    for (int k = 0; k < 2; k++) fuzz_check(oai_caption_set_add_composites(set, composites, k), "oai_caption_set_add_composites");
    fuzz_check(oai_caption_set_require_valid(set), "oai_caption_set_require_valid");
    for (size_t i = 0; i < set->n_captions; i++)
        if (oai_caption_set_find(set, set->captions[i].id) != &set->captions[i]) fuzz_fail("'%s' is not found again", set->captions[i].id);
    oai_caption_set_destroy(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_part parts[2];
    size_t n = fuzz_split(data, bytes, parts, 2);
    const char *path = fuzz_put("captions.jsonl", parts[0].data, parts[0].bytes);
    const char *composites = fuzz_put("composites.jsonl", parts[n - 1].data, parts[n - 1].bytes);
    /* A defect, of which a line may have several, is reported in some hundred bytes. */
    const oai_host *host = fuzz_begin(((uint64_t)1 << 20) + 1024 * (uint64_t)bytes);
    static const oai_caption_options importer = {.n_sources = 2, .allow_empty_background = true, .repair = true};
    load(host, path, composites, NULL);
    load(host, path, composites, &importer);
    fuzz_end();
    return 0;
}
