/* Ends a process at one of its operations on the files of a directory.
 *
 * Preloaded into the program (LD_PRELOAD), it counts every operation that changes a file or a name below
 * SHIM_DIR: making, writing, cutting, syncing, renaming, removing. Each is noted in SHIM_LOG, a line of
 * what it is and of what. The one of number SHIM_AT does not happen: the process is killed instead, as by
 * `kill -9`; with SHIM_TORN a write happens by half before that. Deliberately absent: what a write to
 * memory mapped from a file changes, which is SQLite's index of its write-ahead log and follows from it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static long count;

static int is_ours(const char *path) {
    const char *dir = getenv("SHIM_DIR");
    size_t len = dir ? strlen(dir) : 0;
    if (!len || strncmp(path, dir, len) || (path[len] && path[len] != '/')) return 0;
    /* A file without a name goes with the process. */
    const char *end = strrchr(path, ' ');
    return !(end && !strcmp(end, " (deleted)")) && !strstr(path, "/#");
}

static int path_of(int fd, char *path, size_t size) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, size - 1);
    if (len < 0) return 0;
    path[len] = 0;
    return is_ours(path);
}

static void note(const char *what, const char *path) {
    const char *log = getenv("SHIM_LOG");
    char line[4096];
    int len = snprintf(line, sizeof line, "%s %s\n", what, path);
    int fd = log ? (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT, 0600) : -1;
    if (fd < 0 || syscall(SYS_write, fd, line, (size_t)len) != len) abort();
    syscall(SYS_close, fd);
}

/* Whether this operation is the one. */
static int is_due(const char *what, const char *path) {
    const char *at = getenv("SHIM_AT");
    long nth = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    note(what, path);
    return at && nth == atol(at);
}

static void die(void) {
    for (;;) {
        kill(getpid(), SIGKILL);
        pause();
    }
}

static size_t half(size_t len) {
    return getenv("SHIM_TORN") ? len / 2 : 0;
}

static void at_path(const char *what, const char *path) {
    if (is_ours(path) && is_due(what, path)) die();
}

static void at_fd(const char *what, int fd) {
    char path[4096];
    if (path_of(fd, path, sizeof path) && is_due(what, path)) die();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void at_open(const char *path, int flags) {
    struct stat there;
    if (flags & O_TRUNC) at_path("truncate", path);
    else if ((flags & O_CREAT) && stat(path, &there)) at_path("create", path);
}

#define OPEN(name)                                                   \
    int name(const char *path, int flags, ...) {                     \
        va_list rest;                                                \
        va_start(rest, flags);                                       \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                \
        if ((flags & O_TMPFILE) != O_TMPFILE) at_open(path, flags);  \
        return REAL(name)(path, flags, mode);                        \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                 \
    int name(int dir, const char *path, int flags, ...) {            \
        va_list rest;                                                \
        va_start(rest, flags);                                       \
        mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                \
        if ((flags & O_TMPFILE) != O_TMPFILE) at_open(path, flags);  \
        return REAL(name)(dir, path, flags, mode);                   \
    }
OPENAT(openat)
OPENAT(openat64)

ssize_t write(int fd, const void *bytes, size_t len) {
    char path[4096];
    if (path_of(fd, path, sizeof path) && is_due("write", path)) {
        if (half(len)) syscall(SYS_write, fd, bytes, half(len));
        die();
    }
    return REAL(write)(fd, bytes, len);
}

ssize_t writev(int fd, const struct iovec *parts, int len) {
    at_fd("write", fd);
    return REAL(writev)(fd, parts, len);
}

#define PWRITE(name, offset)                                         \
    ssize_t name(int fd, const void *bytes, size_t len, offset at) { \
        char path[4096];                                             \
        if (path_of(fd, path, sizeof path) && is_due("write", path)) { \
            if (half(len)) syscall(SYS_pwrite64, fd, bytes, half(len), at); \
            die();                                                   \
        }                                                            \
        return REAL(name)(fd, bytes, len, at);                       \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

int ftruncate(int fd, off_t len) {
    at_fd("truncate", fd);
    return REAL(ftruncate)(fd, len);
}

int ftruncate64(int fd, off64_t len) {
    at_fd("truncate", fd);
    return REAL(ftruncate64)(fd, len);
}

int fsync(int fd) {
    at_fd("sync", fd);
    return REAL(fsync)(fd);
}

int fdatasync(int fd) {
    at_fd("sync", fd);
    return REAL(fdatasync)(fd);
}

int rename(const char *from, const char *to) {
    at_path("rename", to);
    return REAL(rename)(from, to);
}

int unlink(const char *path) {
    at_path("remove", path);
    return REAL(unlink)(path);
}

int mkdir(const char *path, mode_t mode) {
    at_path("create", path);
    return REAL(mkdir)(path, mode);
}

int chmod(const char *path, mode_t mode) {
    at_path("change", path);
    return REAL(chmod)(path, mode);
}
