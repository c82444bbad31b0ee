/* Where the pictures, sounds and masks of imported records are. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/import.h"
#include "data/picture_size.h"

/* ---- folders -------------------------------------------------------------------------------------------------- */

/* The manifest's folder, resolved: relative paths in it begin there. */
static oassl_status manifest_folder(oai_import *m, const char *out_path, const char **out_folder) {
    const char *slash = strrchr(out_path, '/');
    char *folder = oai_import_text(m, "%.*s", slash ? (int)(slash - out_path + 1) : 1, slash ? out_path : "."),
         real[PATH_MAX];
    if (!folder) return oai_no_memory(0, out_path);
    if (!realpath(folder, real))
        return oai_fail(OASSL_STATUS_NOT_FOUND, "%s: the folder to write to is not there", out_path);
    *out_folder = oai_import_text(m, "%s", real);
    return *out_folder ? OASSL_STATUS_OK : oai_no_memory(0, out_path);
}

static oassl_status set_folder(oai_import *m, const char *given, const char *fallback, const char *base,
                               oai_import_folder *out) {
    char real[PATH_MAX];
    struct stat info;
    if (!given) {
        *out = (oai_import_folder){.write = oai_import_text(m, "%s/", fallback), .given = false};
        return out->write ? OASSL_STATUS_OK : oai_no_memory(0, fallback);
    }
    if (!realpath(given, real) || stat(real, &info) != 0 || !S_ISDIR(info.st_mode))
        return oai_fail(OASSL_STATUS_NOT_FOUND, "%s: expected a folder", given);
    size_t n = strlen(base);
    bool within = strncmp(real, base, n) == 0 && (real[n] == '/' || real[n] == 0);
    const char *rest = within ? real + n + (real[n] == '/') : real;
    out->given = true;
    out->open = oai_import_text(m, "%s/", real);
    out->write = oai_import_text(m, "%s%s", rest, *rest ? "/" : "");
    return out->open && out->write ? OASSL_STATUS_OK : oai_no_memory(0, given);
}

oassl_status oai_import_folders(oai_import *m, const oai_import_format *format, const char *out_path) {
    const oassl_import_options *o = m->options;
    const char *base;
    OAI_TRY(manifest_folder(m, out_path, &base));
    OAI_TRY(set_folder(m, o->images, format->folders[0], base, &m->images));
    OAI_TRY(set_folder(m, o->audio, format->folders[1], base, &m->audio));
    OAI_TRY(set_folder(m, o->masks, format->folders[2], base, &m->masks));
    OAI_TRY(
        set_folder(m, o->silent_images ? o->silent_images : o->images, format->folders[0], base, &m->silent_images));
    return set_folder(m, o->silent_audio ? o->silent_audio : o->audio, format->folders[1], base, &m->silent_audio);
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

static bool readable(const oai_import_folder *folder, const char *name, char *path, size_t capacity) {
    return snprintf(path, capacity, "%s%s", folder->open, name) < (int)capacity && access(path, R_OK) == 0;
}

/* The first candidate that is there; the first at all when nobody looks.  *out_found false: none. */
static oassl_status find_file(oai_import *m, const oai_import_folder *folder, const char *const *candidates,
                              uint32_t n, char *open, size_t capacity, const char **out_path, bool *out_found) {
    const char *name = candidates[0];
    *out_found = !folder->given;
    open[0] = 0;
    for (uint32_t k = 0; folder->given && k < n && candidates[k] && !*out_found; k++)
        if (readable(folder, candidates[k], open, capacity)) name = candidates[k], *out_found = true;
    *out_path = oai_import_text(m, "%s%s", folder->write, name);
    return *out_path ? OASSL_STATUS_OK : oai_no_memory(0, name);
}

/* What is not there, for the report. */
static void note_missing(oai_import *m, const oai_import_item *item, const char *what, const oai_import_folder *folder,
                         const char *name) {
    oai_note(&m->notes, m->options->strict ? OASSL_DATA_ERROR : OASSL_DATA_WARNING, item->file, item->record, item->id,
             "no %s '%s%s'", what, folder->open, name);
}

/* Masks become paths of the manifest; sizes are compared where both are at hand. */
static oassl_status find_masks(oai_import *m, oai_import_item *item, bool *out_found) {
    char open[PATH_MAX];
    for (uint32_t s = 0; s < item->n_sources; s++) {
        oai_import_source *source = (oai_import_source *)&item->sources[s]; /* ours: the arena's */
        int32_t w, h;
        bool found;
        if (!source->mask) continue;
        const char *name = source->mask;
        OAI_TRY(find_file(m, &m->masks, &name, 1, open, sizeof open, &source->mask, &found));
        if (!found) {
            note_missing(m, item, "mask", &m->masks, name);
            *out_found = false;
            return OASSL_STATUS_OK;
        }
        if (!m->masks.given || item->width == 0) continue;
        OAI_TRY(oai_picture_size(open, &w, &h));
        if (w != item->width || h != item->height)
            return oai_fail(OASSL_STATUS_FORMAT, "mask '%s': expected %d x %d as its picture, found %d x %d", open,
                            item->width, item->height, w, h);
    }
    return OASSL_STATUS_OK;
}

static oassl_status find_media(oai_import *m, oai_import_item *item, bool *out_found) {
    const oai_import_folder *images = item->silent ? &m->silent_images : &m->images,
                            *audio = item->silent ? &m->silent_audio : &m->audio;
    char open[PATH_MAX], unused[PATH_MAX];
    bool seen, heard;
    OAI_TRY(find_file(m, images, item->image, OAI_IMPORT_CANDIDATES, open, sizeof open, &item->image_path, &seen));
    OAI_TRY(find_file(m, audio, item->audio, OAI_IMPORT_CANDIDATES, unused, sizeof unused, &item->audio_path, &heard));
    if (!seen) note_missing(m, item, "picture", images, item->image[0]);
    if (!heard) note_missing(m, item, "sound", audio, item->audio[0]);
    *out_found = seen && heard;
    if (seen && images->given && item->n_sources) OAI_TRY(oai_picture_size(open, &item->width, &item->height));
    return find_masks(m, item, out_found);
}

oassl_status oai_import_media(oai_import *m) {
    uint64_t kept = 0;
    for (uint64_t i = 0; i < m->n; i++) {
        oai_import_item *item = &m->items[i];
        bool found = true;
        if (m->images.given && i % 256 == 0) OAI_TRY(oai_progress(m->host, "import", i, m->n));
        oassl_status status = find_media(m, item, &found);
        bool broken = status == OASSL_STATUS_FORMAT; /* a picture or mask that is none */
        OAI_TRY(oai_note_failure(&m->notes, status, item->file, item->record, item->id));
        m->counts.n_missing += !found;
        if (!broken && (found || m->options->keep_missing)) m->items[kept++] = *item;
    }
    m->n = kept;
    return OASSL_STATUS_OK;
}
