/* Manifests: loading, looking through, counting, writing again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/check.h"
#include "data/manifest.h"
#include "fuzz.h"

static void report(void *user, int32_t severity, const char *file, uint64_t record, const char *id, const char *text) {
    (void)severity, (void)record;
    *(size_t *)user += strlen(file) + strlen(id) + strlen(text);
}

static void read_records(const oai_host *host, const oassl_manifest *m) {
    uint64_t n = oai_manifest_count(m), at;
    for (uint64_t i = 0; i < oai_manifest_count_all(m); i++) {
        const oassl_record *r = oai_manifest_at(m, i);
        if (i < n && (oai_manifest_find(m, r->id, &at) != OASSL_STATUS_OK || at != i)) fuzz_fail("'%s' is not found again", r->id);
        const char *ids[64] = {0};
        if (r->n_mix > 64) fuzz_fail("%u parts", r->n_mix);
        for (uint32_t k = 0; k < r->n_mix; k++) {
            if (r->mix[k] >= oai_manifest_count_all(m)) fuzz_fail("part %u of '%s' is no record", k, r->id);
            ids[k] = oai_manifest_at(m, r->mix[k])->id;
        }
        char *line;
        oassl_status status = oai_manifest_line(host, r, ids, &line);
        fuzz_check(status, "oai_manifest_line");
        if (status == OASSL_STATUS_OK) oai_free(host, line);
    }
    uint64_t numbers[8];
    oai_manifest_split(m, "train", numbers, 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    fuzz_part parts[2];
    size_t n = fuzz_split(data, bytes, parts, 2);
    fuzz_put("manifest.jsonl", parts[0].data, parts[0].bytes);
    fuzz_put("lent.jsonl", parts[n - 1].data, n > 1 ? parts[n - 1].bytes : 0);
    char path[512];
    snprintf(path, sizeof path, "%s/manifest.jsonl", fuzz_folder());
    const oai_host *host = fuzz_begin(((uint64_t)1 << 20) + 1024 * (uint64_t)bytes);
    for (int32_t missing = OASSL_MISSING_ERROR; missing <= OASSL_MISSING_KEEP; missing++) {
        oassl_manifest *m;
        oassl_status status = oai_manifest_load(host, path, missing, &m);
        fuzz_check(status, "oai_manifest_load");
        if (status != OASSL_STATUS_OK) continue;
        read_records(host, m);
        oai_manifest_free(m);
    }
    size_t told = 0;
    char against[512], *text = NULL;
    snprintf(against, sizeof against, "%s/lent.jsonl", fuzz_folder());
    oassl_check_options options = {sizeof options, .against = against, .report = report, .report_user = &told};
    oassl_check_counts counts = OASSL_CHECK_COUNTS_INIT;
    fuzz_check(oai_data_check(host, path, &options, &counts), "oai_data_check");
    oassl_status status = oai_data_stats(host, path, &text);
    fuzz_check(status, "oai_data_stats");
    if (status == OASSL_STATUS_OK) free(text);
    fuzz_end();
    return 0;
}
