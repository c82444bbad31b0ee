#include "base/strmap.h"

#include <string.h>

void oai_strmap_init(oai_strmap *map, const oai_host *host) { *map = (oai_strmap){.host = host}; }

void oai_strmap_free(oai_strmap *map) {
    if (map->slots) oai_free(map->host, map->slots);
    map->slots = NULL;
    map->n_slots = map->n_used = 0;
}

static uint64_t hash(const char *key, size_t bytes) { /* FNV-1a with a final mix, since the low bits pick the slot */
    uint64_t h = 0xCBF29CE484222325u;
    for (size_t i = 0; i < bytes; i++) h = (h ^ (uint8_t)key[i]) * 0x100000001B3u;
    return h ^ (h >> 32);
}

static oai_strmap_slot *slot_of(const oai_strmap *map, const char *key, size_t bytes) {
    size_t mask = map->n_slots - 1, i = hash(key, bytes) & mask;
    for (;; i = (i + 1) & mask) {
        oai_strmap_slot *slot = &map->slots[i];
        if (!slot->key || (slot->bytes == bytes && memcmp(slot->key, key, bytes) == 0)) return slot;
    }
}

static oassl_status enlarge(oai_strmap *map) {
    oai_strmap larger = {.host = map->host, .n_slots = map->n_slots ? map->n_slots * 2 : 64, .n_used = map->n_used};
    larger.slots = oai_calloc(map->host, larger.n_slots, sizeof *larger.slots);
    if (!larger.slots) return oai_no_memory(larger.n_slots * sizeof *larger.slots, "a table of names");
    for (size_t i = 0; i < map->n_slots; i++)
        if (map->slots[i].key) *slot_of(&larger, map->slots[i].key, map->slots[i].bytes) = map->slots[i];
    oai_strmap_free(map);
    *map = larger;
    return OASSL_STATUS_OK;
}

oassl_status oai_strmap_put(oai_strmap *map, const char *key, size_t bytes, uint32_t value, uint32_t *out_old) {
    if (2 * (map->n_used + 1) > map->n_slots) OAI_TRY(enlarge(map));
    oai_strmap_slot *slot = slot_of(map, key, bytes);
    if (out_old) *out_old = slot->key ? slot->value : OAI_STRMAP_NONE;
    map->n_used += slot->key == NULL;
    *slot = (oai_strmap_slot){key, bytes, value};
    return OASSL_STATUS_OK;
}

uint32_t oai_strmap_get(const oai_strmap *map, const char *key, size_t bytes) {
    if (map->n_slots == 0) return OAI_STRMAP_NONE;
    const oai_strmap_slot *slot = slot_of(map, key, bytes);
    return slot->key ? slot->value : OAI_STRMAP_NONE;
}
