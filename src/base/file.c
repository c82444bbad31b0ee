#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_BYTES 65536

struct oai_writer {
    const oai_host *host;
    char *path, *temporary;
    int fd;
    uint64_t offset; /* of the end, buffered bytes included */
    size_t buffered;
    uint8_t buffer[BUFFER_BYTES];
};

static oassl_status system_failure(const char *path, const char *verb) {
    int cause = errno;
    oassl_status status = cause == ENOENT   ? OASSL_STATUS_NOT_FOUND
                          : cause == ENOMEM ? OASSL_STATUS_OUT_OF_MEMORY
                                            : OASSL_STATUS_IO;
    return oai_fail(status, "%s: cannot %s: %s", path, verb, strerror(cause));
}

static oassl_status open_regular(const char *path, int *out_fd, size_t *out_bytes) {
    /* O_NONBLOCK: opening a FIFO must end in the refusal below, not in a wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return system_failure(path, "open");
    struct stat info;
    oassl_status status = OASSL_STATUS_OK;
    if (fstat(fd, &info) != 0)
        status = system_failure(path, "stat");
    else if (!S_ISREG(info.st_mode))
        status = oai_fail(OASSL_STATUS_IO, "%s: is a %s, expected a file", path,
                          S_ISDIR(info.st_mode) ? "directory" : "device or pipe");
    else if ((uint64_t)info.st_size > SIZE_MAX / 2)
        status = oai_fail(OASSL_STATUS_IO, "%s: too large for this machine", path);
    if (status != OASSL_STATUS_OK) {
        close(fd);
        return status;
    }
    *out_fd = fd;
    *out_bytes = (size_t)info.st_size;
    return OASSL_STATUS_OK;
}

oassl_status oai_file_map_open(const char *path, oai_file_map *out_map) {
    *out_map = (oai_file_map){0};
    int fd = -1;
    size_t bytes = 0;
    OAI_TRY(open_regular(path, &fd, &bytes));
    if (bytes == 0) {
        close(fd);
        out_map->data = (const uint8_t *)"";
        return OASSL_STATUS_OK;
    }
    void *data = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    oassl_status status = data == MAP_FAILED ? system_failure(path, "map") : OASSL_STATUS_OK;
    close(fd);
    OAI_TRY(status);
    *out_map = (oai_file_map){data, bytes};
    return OASSL_STATUS_OK;
}

void oai_file_map_close(oai_file_map *map) {
    if (map->bytes) munmap((void *)map->data, map->bytes);
    *map = (oai_file_map){0};
}

static oassl_status read_all(int fd, const char *path, char *text, size_t bytes) {
    for (size_t done = 0; done < bytes;) {
        ssize_t n = read(fd, text + done, bytes - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return system_failure(path, "read");
        if (n == 0) return oai_fail(OASSL_STATUS_IO, "%s: became shorter while it was read", path);
        done += (size_t)n;
    }
    return OASSL_STATUS_OK;
}

oassl_status oai_file_read(const oai_host *host, const char *path, size_t max_bytes, char **out_text,
                           size_t *out_bytes) {
    *out_text = NULL;
    *out_bytes = 0;
    int fd = -1;
    size_t bytes = 0;
    OAI_TRY(open_regular(path, &fd, &bytes));
    oassl_status status = OASSL_STATUS_OK;
    char *text = NULL;
    if (bytes > max_bytes)
        status = oai_fail(OASSL_STATUS_FORMAT, "%s: %zu bytes, expected at most %zu", path, bytes, max_bytes);
    else if (!(text = oai_alloc(host, bytes + 1)))
        status = oai_no_memory(bytes + 1, path);
    else
        status = read_all(fd, path, text, bytes);
    close(fd);
    if (status != OASSL_STATUS_OK) {
        oai_free(host, text);
        return status;
    }
    text[bytes] = 0;
    *out_text = text;
    *out_bytes = bytes;
    return OASSL_STATUS_OK;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

/* mkstemp would make the file private whatever the umask says, so the name is made here. */
static oassl_status open_temporary(oai_writer *writer) {
    size_t bytes = strlen(writer->path) + 40;
    writer->temporary = oai_alloc(writer->host, bytes);
    if (!writer->temporary) return oai_no_memory(bytes, writer->path);
    for (int attempt = 0; attempt < 100; attempt++) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        snprintf(writer->temporary, bytes, "%s.tmp-%x-%x-%x", writer->path, (unsigned)getpid(), (unsigned)now.tv_nsec,
                 (unsigned)attempt);
        writer->fd = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (writer->fd >= 0) return OASSL_STATUS_OK;
        if (errno != EEXIST) break;
    }
    int cause = errno;
    return oai_fail(OASSL_STATUS_IO, "%s: cannot create: %s", writer->path, strerror(cause));
}

oassl_status oai_writer_open(const oai_host *host, const char *path, oai_writer **out_writer) {
    *out_writer = NULL;
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return oai_fail(OASSL_STATUS_IO, "%s: cannot write: is a %s", path,
                        S_ISDIR(info.st_mode) ? "directory" : "device or pipe");
    oai_writer *writer = oai_alloc(host, sizeof *writer);
    if (!writer) return oai_no_memory(sizeof *writer, path);
    *writer = (oai_writer){.host = host, .fd = -1};
    writer->path = oai_strdup(host, path);
    oassl_status status = writer->path ? open_temporary(writer) : oai_no_memory(strlen(path) + 1, path);
    if (status != OASSL_STATUS_OK) {
        oai_writer_abort(writer);
        return status;
    }
    *out_writer = writer;
    return OASSL_STATUS_OK;
}

void oai_writer_abort(oai_writer *writer) {
    if (!writer) return;
    if (writer->fd >= 0) {
        close(writer->fd);
        unlink(writer->temporary);
    }
    oai_free(writer->host, writer->temporary);
    oai_free(writer->host, writer->path);
    oai_free(writer->host, writer);
}

static oassl_status write_at(oai_writer *writer, uint64_t offset, const uint8_t *data, size_t bytes) {
    while (bytes) {
        ssize_t n = pwrite(writer->fd, data, bytes, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n == 0) errno = ENOSPC; /* nothing written, nothing said */
        if (n <= 0) return system_failure(writer->path, "write");
        data += n;
        bytes -= (size_t)n;
        offset += (uint64_t)n;
    }
    return OASSL_STATUS_OK;
}

static oassl_status flush(oai_writer *writer) {
    size_t bytes = writer->buffered;
    writer->buffered = 0;
    return write_at(writer, writer->offset - bytes, writer->buffer, bytes);
}

oassl_status oai_writer_write(oai_writer *writer, const void *data, size_t bytes) {
    if (bytes > BUFFER_BYTES - writer->buffered) OAI_TRY(flush(writer));
    if (bytes > BUFFER_BYTES) {
        OAI_TRY(write_at(writer, writer->offset, data, bytes));
    } else if (bytes) {
        memcpy(writer->buffer + writer->buffered, data, bytes);
        writer->buffered += bytes;
    }
    writer->offset += bytes;
    return OASSL_STATUS_OK;
}

uint64_t oai_writer_offset(const oai_writer *writer) { return writer->offset; }

oassl_status oai_writer_patch(oai_writer *writer, uint64_t offset, const void *data, size_t bytes) {
    OAI_TRY(flush(writer));
    if (offset > writer->offset || bytes > writer->offset - offset)
        return oai_fail(OASSL_STATUS_INTERNAL, "%s: patch outside of what was written", writer->path);
    return write_at(writer, offset, data, bytes);
}

/* Makes the rename itself durable.  Some file systems cannot sync a directory and say EINVAL: nothing to do then. */
static oassl_status sync_directory_of(const char *path) {
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int n = slash ? snprintf(directory, sizeof directory, "%.*s", slash == path ? 1 : (int)(slash - path), path)
                  : snprintf(directory, sizeof directory, ".");
    if (n < 0 || (size_t)n >= sizeof directory) return OASSL_STATUS_OK;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno == EACCES ? OASSL_STATUS_OK : system_failure(directory, "open");
    oassl_status status =
        fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP ? system_failure(directory, "sync") : OASSL_STATUS_OK;
    close(fd);
    return status;
}

static _Thread_local int in_bulk;

void oai_writer_in_bulk(int on) { in_bulk = on; }

oassl_status oai_sync_directory(const char *directory) {
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return system_failure(directory, "open");
    oassl_status status = syncfs(fd) != 0 ? system_failure(directory, "sync") : OASSL_STATUS_OK;
    close(fd);
    return status;
}

oassl_status oai_writer_commit(oai_writer *writer) {
    oassl_status status = flush(writer);
    if (status == OASSL_STATUS_OK && !in_bulk && fsync(writer->fd) != 0) status = system_failure(writer->path, "sync");
    if (status == OASSL_STATUS_OK && rename(writer->temporary, writer->path) != 0)
        status = system_failure(writer->path, "rename into place");
    if (status != OASSL_STATUS_OK) {
        oai_writer_abort(writer);
        return status;
    }
    if (!in_bulk) status = sync_directory_of(writer->path);
    close(writer->fd);
    writer->fd = -1; /* nothing left to unlink */
    oai_writer_abort(writer);
    return status;
}

oassl_status oai_file_write(const oai_host *host, const char *path, const void *data, size_t bytes) {
    oai_writer *writer;
    OAI_TRY(oai_writer_open(host, path, &writer));
    oassl_status status = oai_writer_write(writer, data, bytes);
    if (status == OASSL_STATUS_OK) return oai_writer_commit(writer);
    oai_writer_abort(writer);
    return status;
}

oassl_status oai_make_directories(const char *path) {
    char prefix[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof prefix)
        return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "directory name of %zu bytes, expected 1 to %zu", n,
                        sizeof prefix - 1);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(prefix, path, i);
        prefix[i] = 0;
        if (mkdir(prefix, 0777) == 0 || errno == EEXIST || errno == EISDIR) continue;
        if (i < n && (errno == EROFS || errno == EACCES || errno == EPERM)) continue; /* a parent that may exist */
        return system_failure(prefix, "make directory");
    }
    struct stat info;
    if (stat(path, &info) != 0) return system_failure(path, "make directory");
    if (!S_ISDIR(info.st_mode)) return oai_fail(OASSL_STATUS_IO, "%s: exists and is not a directory", path);
    return OASSL_STATUS_OK;
}
