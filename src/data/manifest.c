#include "data/manifest.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/strmap.h"
#include "data/manifest_record.h"

struct oassl_manifest {
    const oai_host *host;
    oai_arena arena;
    const char *path;
    oai_manifest_entry *entries; /* the data file's, then the ones lent to its mixtures */
    uint64_t n_data, n_all, room;
    oai_strmap ids; /* id -> entry */
    const char **missing;
    uint64_t n_missing;
};

typedef oassl_manifest manifest;

static oassl_status append(manifest *m, const oai_manifest_entry *entry) {
    if (m->n_all == m->room) {
        uint64_t room = m->room ? 2 * m->room : 256;
        void *grown = oai_grow(m->host, m->entries, m->room * sizeof *entry, room * sizeof *entry);
        if (!grown) return oai_no_memory(room * sizeof *entry, m->path);
        m->entries = grown, m->room = room;
    }
    if (m->n_all >= OAI_STRMAP_NONE) return oai_fail(OASSL_STATUS_UNSUPPORTED, "%s: more than 2^32 records", m->path);
    uint32_t old;
    const char *id = entry->record.id;
    OAI_TRY(oai_strmap_put(&m->ids, id, strlen(id), (uint32_t)m->n_all, &old));
    if (old != OAI_STRMAP_NONE)
        return oai_fail(OASSL_STATUS_FORMAT, "field 'id': '%s' is already the record of line %llu", id,
                        (unsigned long long)m->entries[old].record.line);
    m->entries[m->n_all++] = *entry;
    return OASSL_STATUS_OK;
}

/* The part of a path up to and with its last '/'. */
static const char *folder_of(oai_arena *arena, const char *path) {
    const char *slash = strrchr(path, '/');
    return oai_arena_text(arena, path, slash ? (size_t)(slash - path) + 1 : 0);
}

/* ---- reading files -------------------------------------------------------------------------------------------- */

/* Which records of a file to take: all of them, or those whose id is wanted. */
typedef struct intake {
    const oai_strmap *wanted; /* NULL: all */
    bool lenient;             /* lines that are no JSON, and records not wanted, are of no interest */
} intake;

static oassl_status read_file(manifest *m, const char *path, const intake *how) {
    oai_jsonl *lines;
    const char *folder = folder_of(&m->arena, path);
    if (!folder) return oai_no_memory(strlen(path), path);
    OAI_TRY(oai_jsonl_open(m->host, path, &lines));
    oassl_status status;
    for (;;) {
        json_t *object;
        status = oai_jsonl_next(lines, &object);
        if (status == OASSL_STATUS_FORMAT && how->lenient) continue;
        if (status != OASSL_STATUS_OK || !object) break;
        const char *id = oai_manifest_id(object);
        bool take = !how->wanted || (id && oai_strmap_get(how->wanted, id, strlen(id)) != OAI_STRMAP_NONE &&
                                     oai_strmap_get(&m->ids, id, strlen(id)) == OAI_STRMAP_NONE);
        if (take) {
            oai_manifest_entry entry;
            uint64_t line = oai_jsonl_line(lines);
            status = oai_manifest_parse(&m->arena, folder, object, line, &entry);
            if (status == OASSL_STATUS_OK) status = append(m, &entry);
            if (status != OASSL_STATUS_OK) oai_fail_within(status, "%s:%llu", path, (unsigned long long)line);
        }
        json_decref(object);
        if (status != OASSL_STATUS_OK) break;
    }
    oai_jsonl_close(lines);
    return status;
}

/* ---- mixtures ------------------------------------------------------------------------------------------------- */

static oassl_status find_wanted(const manifest *m, oai_strmap *wanted) {
    for (uint64_t i = 0; i < m->n_data; i++) {
        const oai_manifest_entry *e = &m->entries[i];
        for (uint32_t k = 0; k < e->record.n_mix; k++) {
            const char *id = e->mix_ids[k];
            if (oai_strmap_get(&m->ids, id, strlen(id)) == OAI_STRMAP_NONE)
                OAI_TRY(oai_strmap_put(wanted, id, strlen(id), (uint32_t)i, NULL));
        }
    }
    return OASSL_STATUS_OK;
}

static int is_jsonl(const struct dirent *entry) {
    size_t n = strlen(entry->d_name);
    return n > 6 && strcmp(entry->d_name + n - 6, ".jsonl") == 0;
}

/* The other .jsonl files of the data file's folder, in the order of their names. */
static oassl_status read_neighbours(manifest *m, const oai_strmap *wanted) {
    const char *folder = folder_of(&m->arena, m->path);
    if (!folder) return oai_no_memory(strlen(m->path), m->path);
    struct dirent **names;
    int n = scandir(*folder ? folder : ".", &names, is_jsonl, alphasort);
    if (n < 0) return OASSL_STATUS_OK; /* the unknown id is reported by resolve_mixtures */
    oassl_status status = OASSL_STATUS_OK;
    for (int i = 0; i < n; i++) {
        char path[4096];
        bool fits = snprintf(path, sizeof path, "%s%s", folder, names[i]->d_name) < (int)sizeof path;
        if (status == OASSL_STATUS_OK && fits && strcmp(path, m->path) != 0 && m->n_all - m->n_data < wanted->n_used)
            status = read_file(m, path, &(intake){wanted, true});
        free(names[i]);
    }
    free(names);
    return status;
}

static oassl_status borrow_records(manifest *m, char *others) {
    oai_strmap wanted;
    oai_strmap_init(&wanted, m->host);
    oassl_status status = find_wanted(m, &wanted);
    for (char *next; others && status == OASSL_STATUS_OK; others = next) {
        next = strchr(others, ',');
        if (next) *next++ = 0;
        status = read_file(m, others, &(intake){&wanted, false});
    }
    if (status == OASSL_STATUS_OK && m->n_all - m->n_data < wanted.n_used) status = read_neighbours(m, &wanted);
    oai_strmap_free(&wanted);
    return status;
}

/* Ids to numbers; parts must be there and be single. */
static oassl_status resolve_mixtures(manifest *m) {
    for (uint64_t i = 0; i < m->n_data; i++) {
        oai_manifest_entry *e = &m->entries[i];
        if (!e->record.n_mix) continue;
        uint64_t *numbers = oai_arena_alloc(&m->arena, e->record.n_mix * sizeof *numbers);
        if (!numbers) return oai_no_memory(e->record.n_mix * sizeof *numbers, m->path);
        for (uint32_t k = 0; k < e->record.n_mix; k++) {
            uint32_t at = oai_strmap_get(&m->ids, e->mix_ids[k], strlen(e->mix_ids[k]));
            if (at == OAI_STRMAP_NONE)
                return oai_fail(
                    OASSL_STATUS_FORMAT,
                    "%s:%llu: field 'mix': no record '%s' in this file, nor in those given after it or beside it",
                    m->path, (unsigned long long)e->record.line, e->mix_ids[k]);
            if (m->entries[at].record.n_mix)
                return oai_fail(OASSL_STATUS_FORMAT, "%s:%llu: field 'mix': '%s' is a mixture itself", m->path,
                                (unsigned long long)e->record.line, e->mix_ids[k]);
            numbers[k] = at;
        }
        e->record.mix = numbers;
    }
    return OASSL_STATUS_OK;
}

/* ---- missing media -------------------------------------------------------------------------------------------- */

static const char *first_missing(const oassl_record *r) {
    if (r->image && access(r->image, R_OK) != 0) return r->image;
    if (r->audio && access(r->audio, R_OK) != 0) return r->audio;
    for (uint32_t i = 0; i < r->n_sources; i++)
        if (r->sources[i].mask && access(r->sources[i].mask, R_OK) != 0) return r->sources[i].mask;
    return NULL;
}

static void look_for_media(manifest *m) {
    for (uint64_t i = 0; i < m->n_all; i++) m->entries[i].missing = first_missing(&m->entries[i].record);
    for (uint64_t i = 0; i < m->n_data; i++) {
        oai_manifest_entry *e = &m->entries[i];
        for (uint32_t k = 0; k < e->record.n_mix && !e->missing; k++)
            e->missing = m->entries[e->record.mix[k]].missing;
    }
    for (uint64_t i = 0; i < m->n_data; i++) m->n_missing += m->entries[i].missing != NULL;
}

static oassl_status refuse_missing(const manifest *m) {
    for (uint64_t i = 0; i < m->n_data; i++) {
        const oai_manifest_entry *e = &m->entries[i];
        if (e->missing)
            return oai_fail(OASSL_STATUS_NOT_FOUND,
                            "%s:%llu: record '%s': no file '%s' (%llu of %llu records lack a picture or sound)",
                            m->path, (unsigned long long)e->record.line, e->record.id, e->missing,
                            (unsigned long long)m->n_missing, (unsigned long long)m->n_data);
    }
    return OASSL_STATUS_OK;
}

/* Moves the records that have their media to the front, lists the others, and corrects the mixtures' numbers. */
static oassl_status skip_missing(manifest *m) {
    uint64_t kept = 0, listed = 0;
    uint64_t *moved = oai_arena_alloc(&m->arena, m->n_all * sizeof *moved);
    m->missing = oai_arena_alloc(&m->arena, m->n_missing * sizeof *m->missing);
    if (!moved || !m->missing) return oai_no_memory(m->n_all * sizeof *moved, m->path);
    for (uint64_t i = 0; i < m->n_data; i++) {
        const oai_manifest_entry *e = &m->entries[i];
        if (!e->missing) continue;
        size_t n = strlen(e->record.id) + strlen(e->missing) + 3;
        char *text = oai_arena_alloc(&m->arena, n);
        if (!text) return oai_no_memory(n, m->path);
        snprintf(text, n, "%s: %s", e->record.id, e->missing);
        m->missing[listed++] = text;
    }
    uint64_t n_data = m->n_data;
    m->n_data = 0;
    for (uint64_t i = 0; i < m->n_all; i++) {
        moved[i] = kept;
        if (m->entries[i].missing) continue;
        m->entries[kept++] = m->entries[i];
        m->n_data += i < n_data;
    }
    m->n_all = kept;
    oai_strmap_free(&m->ids);
    oai_strmap_init(&m->ids, m->host);
    for (uint64_t i = 0; i < kept; i++) {
        oassl_record *r = &m->entries[i].record;
        for (uint32_t k = 0; k < r->n_mix; k++) ((uint64_t *)r->mix)[k] = moved[r->mix[k]];
        OAI_TRY(oai_strmap_put(&m->ids, r->id, strlen(r->id), (uint32_t)i, NULL));
    }
    oai_log(m->host, OAI_LOG_WARN, "%s: %llu records left out, their picture or sound is not there", m->path,
            (unsigned long long)m->n_missing);
    return OASSL_STATUS_OK;
}

/* ---- the whole ------------------------------------------------------------------------------------------------ */

static oassl_status load(manifest *m, const char *paths, int32_t missing) {
    char *list = oai_arena_text(&m->arena, paths, strlen(paths));
    if (!list) return oai_no_memory(strlen(paths), "a manifest's path");
    char *others = strchr(list, ',');
    if (others && access(list, F_OK) == 0) others = NULL; /* one file whose name has a comma */
    if (others) *others++ = 0;
    m->path = list;
    OAI_TRY(read_file(m, m->path, &(intake){NULL, false}));
    m->n_data = m->n_all;
    if (m->n_data == 0) return oai_fail(OASSL_STATUS_FORMAT, "%s: no records", m->path);
    OAI_TRY(borrow_records(m, others));
    OAI_TRY(resolve_mixtures(m));
    if (missing == OASSL_MISSING_KEEP) return OASSL_STATUS_OK;
    look_for_media(m);
    if (m->n_missing == 0) return OASSL_STATUS_OK;
    return missing == OASSL_MISSING_SKIP ? skip_missing(m) : refuse_missing(m);
}

oassl_status oai_manifest_load(const oai_host *host, const char *paths, int32_t missing,
                               oassl_manifest **out_manifest) {
    *out_manifest = NULL;
    manifest *m = oai_calloc(host, 1, sizeof *m);
    if (!m) return oai_no_memory(sizeof *m, paths);
    m->host = host;
    oai_arena_init(&m->arena, host);
    oai_strmap_init(&m->ids, host);
    oassl_status status = load(m, paths, missing);
    if (status == OASSL_STATUS_OK)
        *out_manifest = m;
    else
        oai_manifest_free(m);
    return status;
}

void oai_manifest_free(oassl_manifest *m) {
    if (!m) return;
    const oai_host *host = m->host;
    oai_strmap_free(&m->ids);
    oai_free(host, m->entries);
    oai_arena_free(&m->arena);
    oai_free(host, m);
}

uint64_t oai_manifest_count(const oassl_manifest *m) { return m->n_data; }
uint64_t oai_manifest_count_all(const oassl_manifest *m) { return m->n_all; }
const oassl_record *oai_manifest_at(const oassl_manifest *m, uint64_t number) { return &m->entries[number].record; }
uint64_t oai_manifest_n_missing(const oassl_manifest *m) { return m->missing ? m->n_missing : 0; }
const char *oai_manifest_path(const oassl_manifest *m) { return m->path; }

const char *oai_manifest_missing(const oassl_manifest *m, uint64_t index) {
    return m->missing && index < m->n_missing ? m->missing[index] : NULL;
}

oassl_status oai_manifest_find(const oassl_manifest *m, const char *id, uint64_t *out_number) {
    uint32_t at = oai_strmap_get(&m->ids, id, strlen(id));
    *out_number = at == OAI_STRMAP_NONE ? 0 : at;
    return at == OAI_STRMAP_NONE ? oai_fail(OASSL_STATUS_NOT_FOUND, "%s: no record '%s'", m->path, id)
                                 : OASSL_STATUS_OK;
}

uint64_t oai_manifest_split(const oassl_manifest *m, const char *split, uint64_t *out_numbers, uint64_t capacity) {
    uint64_t n = 0;
    for (uint64_t i = 0; i < m->n_data; i++) {
        if (split && *split && strcmp(m->entries[i].record.split, split) != 0) continue;
        if (n < capacity) out_numbers[n] = i;
        n++;
    }
    return n;
}
