/* Stacks of heat-maps, .npy and .npz (also packed from parts, with right checksums), given to the metric. */
#include "fuzz.h"
#include "metric/maps.h"
#include "oassl/oassl.h"

static void read_maps(const oai_host *host, const char *path) {
    oassl_maps *maps;
    oassl_status status = oai_maps_open(host, path, &maps);
    fuzz_check(status, "oai_maps_open");
    if (status != OASSL_STATUS_OK) return;
    uint64_t n = oai_maps_count(maps);
    for (uint64_t i = 0; i < n && i < 64; i++) {
        oassl_map_set set;
        status = oai_maps_get(maps, i, &set);
        fuzz_check(status, "oai_maps_get");
        if (status != OASSL_STATUS_OK) continue;
        double sum = 0;
        for (uint32_t k = 0; k < set.n_maps; k++)
            for (int64_t p = 0; p < set.maps[k].shape[0] * set.maps[k].shape[1]; p++)
                sum += set.maps[k].dtype == OASSL_DTYPE_F64 ? ((const double *)set.maps[k].data)[p] : (double)((const float *)set.maps[k].data)[p];
        (void)sum;
        oai_maps_release(maps, &set);
    }
    uint64_t at;
    oai_maps_get(maps, n, &(oassl_map_set){0});
    fuzz_check(oai_maps_find(maps, "a", &at), "oai_maps_find");
    oai_maps_close(maps);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const char *const names[] = {"maps.npy", "ids.npy", "counts.npy", "objects.npy", "confidence.npy"};
    static uint8_t room[1 << 18];
    fuzz_part parts[5];
    size_t n = fuzz_split(data, bytes, parts, 5);
    const char *npz = fuzz_put("maps.npz", data, bytes), *npy = fuzz_put("maps.npy", parts[0].data, parts[0].bytes);
    const char *packed = fuzz_put("packed.npz", room, fuzz_zip(names, parts, n, room, sizeof room));
    /* A byte of a map becomes a double; a deflated one is a thousand of them. */
    const oai_host *host = fuzz_begin(((uint64_t)1 << 20) + 16 * 1032 * (uint64_t)bytes);
    read_maps(host, npz);
    read_maps(host, npy);
    read_maps(host, packed);
    fuzz_end();
    return 0;
}
