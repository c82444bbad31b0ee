/* Files: mapped or read whole, and written so that a half-written one is never seen.
 *
 * Every failure names the path and the operating system's reason.  A missing file is OASSL_STATUS_NOT_FOUND,
 * anything else the system refuses is OASSL_STATUS_IO. */
#ifndef OAI_BASE_FILE_H
#define OAI_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/host.h"

/* A regular file mapped read-only.  An empty file has data != NULL and bytes 0. */
typedef struct oai_file_map {
    const uint8_t *data;
    size_t bytes;
} oai_file_map;

oassl_status oai_file_map_open(const char *path, oai_file_map *out_map);
void oai_file_map_close(oai_file_map *map); /* zeroed maps are legal */

/* Reads a whole regular file of at most max_bytes into a block with one extra NUL behind it. Free with oai_free. */
oassl_status oai_file_read(const oai_host *host, const char *path, size_t max_bytes, char **out_text,
                           size_t *out_bytes);

/* Writes `path` through a temporary file in the same directory; the old contents stay until oai_writer_commit has
 * made the new ones durable (fsync, rename, fsync of the directory).  A target that exists and is no regular file
 * is refused.  After a failed write only oai_writer_abort is legal. */
typedef struct oai_writer oai_writer;
oassl_status oai_writer_open(const oai_host *host, const char *path, oai_writer **out_writer);
oassl_status oai_writer_write(oai_writer *writer, const void *data, size_t bytes);
uint64_t oai_writer_offset(const oai_writer *writer); /* bytes written so far */
/* Overwrites bytes already written (a size known only afterwards). */
oassl_status oai_writer_patch(oai_writer *writer, uint64_t offset, const void *data, size_t bytes);
/* Both free the writer.  A failed commit leaves neither a new nor a temporary file.  abort(NULL) is legal. */
oassl_status oai_writer_commit(oai_writer *writer);
void oai_writer_abort(oai_writer *writer);

/* While on, this thread's commits rename without waiting for the disk: for thousands of small files whose list is
 * written last and durably, after oai_sync_directory() has made them all durable at once. */
void oai_writer_in_bulk(int on);
oassl_status oai_sync_directory(const char *directory);

/* The three steps at once. */
oassl_status oai_file_write(const oai_host *host, const char *path, const void *data, size_t bytes);

/* Makes a directory and its parents; one that is already there is no error. */
oassl_status oai_make_directories(const char *path);

#endif
