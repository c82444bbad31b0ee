#include "dsp/new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static oassl_status io_failed(const char *path, const char *doing) {
    return oai_fail(OASSL_STATUS_IO, "%s: %s: %s", path, doing, strerror(errno));
}

oassl_status oai_new_file_open(const oai_host *host, const char *path, oai_new_file *out_file) {
    *out_file = (oai_new_file){.host = host};
    size_t bytes = strlen(path) + sizeof ".new-1234567890-1234567890";
    oai_new_file f = {.host = host, .path = oai_strdup(host, path), .temporary = oai_alloc(host, bytes)};
    oassl_status status = OASSL_STATUS_OK;
    int fd = -1;
    if (!f.path || !f.temporary) {
        status = oai_no_memory(bytes, path);
    } else {
        /* The name only has to differ between writers alive at the same time: this process, this very variable. */
        snprintf(f.temporary, bytes, "%s.new-%u-%u", path, (unsigned)getpid(), (unsigned)((size_t)f.temporary >> 4));
        fd = open(f.temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) f.stream = fdopen(fd, "wb");
        if (!f.stream) status = io_failed(path, "cannot create");
    }
    if (status == OASSL_STATUS_OK) {
        *out_file = f;
        return status;
    }
    if (fd >= 0) {
        close(fd);
        unlink(f.temporary);
    }
    oai_free(host, f.path);
    oai_free(host, f.temporary);
    return status;
}

oassl_status oai_new_file_close(oai_new_file *file, oassl_status status) {
    if (!file->stream) return status;
    if (status == OASSL_STATUS_OK && (fflush(file->stream) != 0 || fsync(fileno(file->stream)) != 0))
        status = io_failed(file->path, "cannot write");
    if (fclose(file->stream) != 0 && status == OASSL_STATUS_OK) status = io_failed(file->path, "cannot write");
    if (status == OASSL_STATUS_OK && rename(file->temporary, file->path) != 0)
        status = io_failed(file->path, "cannot rename the finished file");
    if (status != OASSL_STATUS_OK) unlink(file->temporary);
    oai_free(file->host, file->path);
    oai_free(file->host, file->temporary);
    file->stream = NULL;
    return status;
}
