#include "protocols.h"

#include <stdlib.h>

static oassl_status metric_json(oassl_metric *metric, json_t **out_object) {
    uint64_t bytes = 0;
    json_error_t error;
    oassl_status status = oassl_metric_json(metric, NULL, 0, &bytes);
    if (status != OASSL_STATUS_OK) return status;
    char *text = malloc(bytes);
    if (!text) return OASSL_STATUS_OUT_OF_MEMORY;
    status = oassl_metric_json(metric, text, bytes, &bytes);
    *out_object = status == OASSL_STATUS_OK ? json_loads(text, 0, &error) : NULL;
    free(text);
    return status == OASSL_STATUS_OK && !*out_object ? OASSL_STATUS_OUT_OF_MEMORY : status;
}

oassl_status protocols_to_json(oassl_metric *metric, json_t *out) {
    static const char *const names[][2] = {{"n_samples", "n_samples"}, {"n_pairs", "n_pairs"}, {"n_twin", "n_twin"}, {"list_hash", "list_hash"},
                                           {"protocol", "settings"},   {"model", "scores"},    {"centre", "centre_box"}, {"whole", "whole_image"},
                                           {"protocols", "protocols"}};
    json_t *all;
    oassl_status status = metric_json(metric, &all);
    if (status != OASSL_STATUS_OK) return status;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) json_object_set(out, names[i][1], json_object_get(all, names[i][0]));
    json_decref(all);
    return OASSL_STATUS_OK;
}

void protocols_print(const json_t *protocols) {
    const char *name, *figure;
    json_t *one, *value;
    json_object_foreach((json_t *)protocols, name, one) {
        printf("\n%s\n  rules: %s\n  notes: %s\n", name, json_string_value(json_object_get(one, "rules")),
               json_string_value(json_object_get(one, "notes")));
        json_object_foreach(json_object_get(one, "figures"), figure, value) {
            printf("  %-28s %9.5f", figure, json_number_value(json_object_get(value, "value")));
            if (json_object_get(value, "low"))
                printf("  [%8.5f, %8.5f]", json_number_value(json_object_get(value, "low")), json_number_value(json_object_get(value, "high")));
            printf("  n = %lld\n", (long long)json_integer_value(json_object_get(value, "n")));
        }
    }
}

static void print_retrieval(const char *name, const json_t *ways) {
    const char *way;
    json_t *one;
    json_object_foreach((json_t *)ways, way, one)
        printf("  %-9s %-17s R@1 %.5f  R@5 %.5f  R@10 %.5f\n", name, way, json_number_value(json_object_get(one, "R@1")),
               json_number_value(json_object_get(one, "R@5")), json_number_value(json_object_get(one, "R@10")));
}

void protocols_show(const json_t *result, bool as_json) {
    if (as_json) {
        json_dumpf(result, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
        putchar('\n');
        return;
    }
    const json_t *retrieval = json_object_get(result, "retrieval");
    if (json_object_get(result, "protocols")) {
        printf("%s on %s: %lld samples, %lld sources, %lld skipped, list %s, oassl %s\n", json_string_value(json_object_get(result, "maps")),
               json_string_value(json_object_get(result, "data")), (long long)json_integer_value(json_object_get(result, "n_samples")),
               (long long)json_integer_value(json_object_get(result, "n_pairs")), (long long)json_integer_value(json_object_get(result, "n_skipped")),
               json_string_value(json_object_get(result, "list_hash")), json_string_value(json_object_get(result, "version")));
        protocols_print(json_object_get(result, "protocols"));
    }
    if (!retrieval) return;
    printf("\nretrieval of %lld clips\n", (long long)json_integer_value(json_object_get(retrieval, "n")));
    print_retrieval("instance", json_object_get(retrieval, "instance"));
    print_retrieval("class", json_object_get(retrieval, "class"));
    printf("  alignment %.6f, magnitude %.6f +- %.6f, centroid %.6f\n", json_number_value(json_object_get(retrieval, "alignment")),
           json_number_value(json_object_get(retrieval, "magnitude")), json_number_value(json_object_get(retrieval, "magnitude_std")),
           json_number_value(json_object_get(retrieval, "centroid")));
}
