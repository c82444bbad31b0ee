/* The disk fails: the program's own open, write, fsync, rename, ... stand before the C library's, and refuse their i-th
 * call, or every one from the i-th on, where it concerns a file below FAULT_DIR. */
#ifndef TEST_FAULT_IO_FAULTS_H
#define TEST_FAULT_IO_FAULTS_H

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef enum disk_fault {
    DISK_ONCE,     /* one call fails, writing or reading, and all is well again */
    DISK_FULL,     /* whatever needs room fails from there on; removing works */
    DISK_SHORT,    /* the same, and the first write takes half */
    DISK_READ_ONLY /* whatever changes anything fails from there on */
} disk_fault;

enum { DISK_FILES = 1024, DISK_PATH = 512 };

static struct {
    bool armed, fired, in_directory;
    disk_fault kind;
    long at, seen;
    char victim[DISK_PATH]; /* what the first refused call was about */
    char paths[DISK_FILES][DISK_PATH];
} disk;

/* One call that concerns `path` (NULL or another folder's: none of ours).  `changes`: something on the disk; `grows`:
 * needs room.  True if it is to fail, with errno set. */
static bool disk_fails(const char *path, bool changes, bool grows, int once) {
    if (!disk.armed || !path || strncmp(path, FAULT_DIR, strlen(FAULT_DIR)) != 0) return false;
    bool counts = disk.kind == DISK_ONCE || (disk.kind == DISK_READ_ONLY ? changes : grows);
    if (!counts) return false;
    long number = __atomic_fetch_add(&disk.seen, 1, __ATOMIC_RELAXED);
    if (disk.at < 0 || (disk.kind == DISK_ONCE ? number != disk.at : number < disk.at)) return false;
    if (!disk.fired) snprintf(disk.victim, sizeof disk.victim, "%s", path);
    disk.fired = true;
    errno = disk.kind == DISK_ONCE ? once : disk.kind == DISK_READ_ONLY ? EROFS : ENOSPC;
    return true;
}

static const char *disk_path(int file) {
    return file >= 0 && file < DISK_FILES && disk.paths[file][0] ? disk.paths[file] : NULL;
}

static int disk_open(const char *path, int flags, unsigned mode) {
    bool makes = flags & (O_CREAT | O_TRUNC), writes = (flags & O_ACCMODE) != O_RDONLY;
    if (disk_fails(path, makes || writes, makes, writes ? ENOSPC : EMFILE)) return -1;
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (file >= 0 && file < DISK_FILES) snprintf(disk.paths[file], DISK_PATH, "%s", path);
    return file;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* seen by the libraries too, whatever the build hides */
#pragma GCC visibility push(default)

int open(const char *path, int flags, ...) {
    va_list args;
    va_start(args, flags);
    unsigned mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, unsigned) : 0;
    va_end(args);
    return disk_open(path, flags, mode);
}

int close(int file) {
    if (file >= 0 && file < DISK_FILES) disk.paths[file][0] = '\0';
    return (int)syscall(SYS_close, file);
}

ssize_t read(int file, void *data, size_t bytes) {
    return disk_fails(disk_path(file), false, false, EIO) ? -1 : syscall(SYS_read, file, data, bytes);
}

ssize_t pread(int file, void *data, size_t bytes, off_t offset) {
    return disk_fails(disk_path(file), false, false, EIO) ? -1 : syscall(SYS_pread64, file, data, bytes, offset);
}

ssize_t write(int file, const void *data, size_t bytes) {
    bool first = !disk.fired;
    if (!disk_fails(disk_path(file), true, true, ENOSPC)) return syscall(SYS_write, file, data, bytes);
    return disk.kind == DISK_SHORT && first && bytes > 1 ? syscall(SYS_write, file, data, bytes / 2) : -1;
}

ssize_t pwrite(int file, const void *data, size_t bytes, off_t offset) {
    bool first = !disk.fired;
    if (!disk_fails(disk_path(file), true, true, ENOSPC)) return syscall(SYS_pwrite64, file, data, bytes, offset);
    return disk.kind == DISK_SHORT && first && bytes > 1 ? syscall(SYS_pwrite64, file, data, bytes / 2, offset) : -1;
}

/* Nothing here has to survive a power cut, and thousands of waits for the disk take minutes. */
int fsync(int file) { return disk_fails(disk_path(file), true, true, EIO) ? -1 : 0; }
int fdatasync(int file) { return disk_fails(disk_path(file), true, true, EIO) ? -1 : 0; }
int syncfs(int file) { return disk_fails(disk_path(file), true, true, EIO) ? -1 : 0; }

int ftruncate(int file, off_t bytes) {
    return disk_fails(disk_path(file), true, false, EIO) ? -1 : (int)syscall(SYS_ftruncate, file, bytes);
}

int rename(const char *from, const char *to) {
    return disk_fails(to, true, true, EIO) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int mkdir(const char *path, mode_t mode) {
    /* one that is there answers EEXIST on every disk */
    struct stat info;
    bool there = stat(path, &info) == 0;
    return !there && disk_fails(path, true, true, ENOSPC) ? -1 : (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int unlink(const char *path) {
    if (disk.kind == DISK_READ_ONLY && disk.fired && disk_fails(path, true, false, EROFS)) return -1;
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

void *mmap(void *address, size_t bytes, int protection, int flags, int file, off_t offset) {
    if (disk_fails(disk_path(file), false, false, ENOMEM)) return MAP_FAILED;
    return (void *)syscall(SYS_mmap, address, bytes, protection, flags, file, offset);
}

/* The C library's streams call none of the above. */
FILE *fopen(const char *path, const char *mode) {
    bool writes = mode[0] != 'r' || mode[1] == '+';
    if (disk_fails(path, writes, mode[0] != 'r', writes ? ENOSPC : EMFILE)) return NULL;
    FILE *stream = REAL(fopen)(path, mode);
    if (stream && fileno(stream) < DISK_FILES) snprintf(disk.paths[fileno(stream)], DISK_PATH, "%s", path);
    return stream;
}

int fclose(FILE *stream) {
    if (fileno(stream) >= 0 && fileno(stream) < DISK_FILES) disk.paths[fileno(stream)][0] = '\0';
    return REAL(fclose)(stream);
}

size_t fwrite(const void *data, size_t size, size_t n, FILE *stream) {
    bool first = !disk.fired;
    if (!disk_fails(disk_path(fileno(stream)), true, true, ENOSPC)) return REAL(fwrite)(data, size, n, stream);
    return disk.kind == DISK_SHORT && first ? REAL(fwrite)(data, 1, size * n / 2, stream) / size : 0;
}
#pragma GCC visibility pop

#endif
