/* Loaded before libc (LD_PRELOAD): counts the system calls with which a process changes files, those
   of DuckDB included, and lets the n-th fail, be half done, or end the process. Also writes what was
   done to a trace, from which a test can tell what a power loss would have left.
   Without fault_arm() every call goes through. Only regular files and folders count. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { OFF, COUNT, KILL, TORN, ENOSPC_ON, ONCE }; /* TORN: half a write, then SIGKILL */

static int mode = OFF, at, error, trace = -1, count, fired;

void fault_arm(int mode_, int at_, int error_, int trace_) {
    mode = mode_, at = at_, error = error_, trace = trace_, count = fired = 0;
}
int fault_count(void) { return count; }
int fault_fired(void) { return fired; }

#define REAL(type, name, ...)                                   \
    static type (*real)(__VA_ARGS__);                           \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int is_file(int fd) {
    struct stat found;
    return !fstat(fd, &found) && (S_ISREG(found.st_mode) || S_ISDIR(found.st_mode));
}

/* 0: go on; -1: fail with errno; *half: write only half of it. `frees`: needs no room on the disk. */
static int fault(int frees, size_t *half) {
    if (mode == OFF) return 0;
    int now = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (mode == COUNT || now < at || (now > at && mode != ENOSPC_ON)) return 0;
    if (mode == ENOSPC_ON && frees) return 0;
    fired = 1;
    if (mode == KILL || (mode == TORN && !half)) kill(getpid(), SIGKILL), pause();
    if ((mode == ENOSPC_ON || mode == TORN) && now == at && half && *half > 1) {
        *half /= 2;
        return 0;
    }
    if (mode == TORN) kill(getpid(), SIGKILL), pause();
    errno = error;
    return -1;
}

static void note(const char *op, int fd, off_t offset, const void *data, size_t length,
                 const char *path, const char *other) {
    int before = errno;
    if (trace >= 0) {
        struct stat found = {0};
        char head[9000], here[4096] = "";
        if (fd >= 0) fstat(fd, &found);
        else if (path) lstat(other ? other : path, &found);
        if (path && path[0] != '/') getcwd(here, sizeof here), strcat(here, "/");
        int size = snprintf(head, sizeof head, "%s\t%llu\t%lld\t%zu\t%s%s\t%s\n", op,
                            (unsigned long long)found.st_ino, (long long)offset, length, here,
                            path ? path : "", other ? other : "");
        syscall(SYS_write, trace, head, size);
        for (size_t done = 0; data && done < length;) {
            long put = syscall(SYS_write, trace, (const char *)data + done, length - done);
            if (put <= 0) break;
            done += put;
        }
    }
    errno = before;
}

/* A path below an open folder, as unlinkat & co. get it. */
static const char *full(int dir, const char *path, char *room) {
    if (path[0] == '/' || dir == AT_FDCWD) return path;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
    ssize_t size = readlink(link, room, 4000);
    snprintf(room + (size < 0 ? 0 : size), 4096, "/%s", path);
    return room;
}

/* ------------------------------------------------------------------------------------ opening */
static int opens(int dir, const char *path, int flags, mode_t bits) {
    REAL(int, "openat64", int, const char *, int, ...);
    int changes = (flags & (O_CREAT | O_TRUNC)) && (strncmp(path, "/dev/", 5) || !strncmp(path, "/dev/shm/", 9));
    if (changes && fault(0, NULL)) return -1;
    int fd = real(dir, path, flags, bits);
    char room[8200];
    if (changes && fd >= 0)
        note(flags & O_TRUNC ? "create" : "open", fd, 0, NULL, 0, full(dir, path, room), NULL);
    return fd;
}
#define BITS                                        \
    mode_t bits = 0;                                \
    if (flags & (O_CREAT | O_TMPFILE)) {            \
        va_list list;                               \
        va_start(list, flags);                      \
        bits = va_arg(list, mode_t);                \
        va_end(list);                               \
    }
int open(const char *path, int flags, ...) { BITS return opens(AT_FDCWD, path, flags, bits); }
int open64(const char *path, int flags, ...) { BITS return opens(AT_FDCWD, path, flags, bits); }
int openat(int dir, const char *path, int flags, ...) { BITS return opens(dir, path, flags, bits); }
int openat64(int dir, const char *path, int flags, ...) { BITS return opens(dir, path, flags, bits); }

/* ------------------------------------------------------------------------------------ writing */
static ssize_t wrote(int fd, const void *data, ssize_t done, off_t offset) {
    if (done > 0)
        note("write", fd, offset < 0 ? lseek(fd, 0, SEEK_CUR) - done : offset, data, done, 0, 0);
    if (mode == TORN && fired) kill(getpid(), SIGKILL), pause();
    return done;
}
/* Whether the disk has these blocks already: writing them again needs no room. */
static int overwrites(int fd, off_t offset, size_t length) {
    struct stat found;
    if (mode != ENOSPC_ON || fstat(fd, &found)) return 0;
    return offset + (off_t)length <= found.st_size;
}
ssize_t write(int fd, const void *data, size_t length) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (mode == OFF || !is_file(fd)) return real(fd, data, length);
    return fault(0, &length) ? -1 : wrote(fd, data, real(fd, data, length), -1);
}
ssize_t pwrite64(int fd, const void *data, size_t length, off_t offset) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    if (mode == OFF || !is_file(fd)) return real(fd, data, length, offset);
    if (fault(overwrites(fd, offset, length), &length)) return -1;
    return wrote(fd, data, real(fd, data, length, offset), offset);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    return pwrite64(fd, data, length, offset);
}
ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t length,
                        unsigned flags) {
    REAL(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned);
    struct stat found;
    if (mode == OFF || !is_file(out) || fstat(in, &found))
        return real(in, in_at, out, out_at, length, flags);
    off_t from = in_at ? *in_at : lseek(in, 0, SEEK_CUR);
    off_t to = out_at ? *out_at : lseek(out, 0, SEEK_CUR);
    size_t rest = from < found.st_size ? found.st_size - from : 0;
    if (rest < length) length = rest;
    if (fault(0, &length)) return -1;
    ssize_t done = real(in, in_at, out, out_at, length, flags);
    if (done > 0 && trace >= 0) { /* as a write of the same bytes */
        char *data = malloc(done);
        if (data && pread(in, data, done, from) == done) note("write", out, to, data, done, 0, 0);
        free(data);
    }
    if (mode == TORN && fired) kill(getpid(), SIGKILL), pause();
    return done;
}
int ftruncate64(int fd, off_t length) {
    REAL(int, "ftruncate64", int, off_t);
    if (fault(1, NULL)) return -1;
    int result = real(fd, length);
    if (!result) note("truncate", fd, length, NULL, 0, NULL, NULL);
    return result;
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }
static int syncs(const char *name, int (*real)(int), int fd) {
    (void)name;
    if (fault(0, NULL)) return -1;
    int result = real(fd);
    if (!result) note("sync", fd, 0, NULL, 0, NULL, NULL);
    return result;
}
int fsync(int fd) { REAL(int, "fsync", int); return syncs("fsync", real, fd); }
int fdatasync(int fd) { REAL(int, "fdatasync", int); return syncs("fdatasync", real, fd); }

/* ------------------------------------------------------------------------------------- names */
#define NAMED(frees, op, path, other, call)                              \
    if (fault(frees, NULL)) return -1;                                   \
    int result = call;                                                   \
    if (!result) note(op, -1, 0, NULL, 0, path, other);                  \
    return result;
int rename(const char *a, const char *b) {
    REAL(int, "rename", const char *, const char *);
    NAMED(1, "rename", a, b, real(a, b))
}
int link(const char *a, const char *b) {
    REAL(int, "link", const char *, const char *);
    NAMED(0, "link", a, b, real(a, b))
}
int linkat(int da, const char *a, int db, const char *b, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    NAMED(0, "link", a, b, real(da, a, db, b, flags))
}
int symlink(const char *a, const char *b) {
    REAL(int, "symlink", const char *, const char *);
    if (fault(0, NULL)) return -1;
    int result = real(a, b);
    if (!result) note("symlink", -1, 0, a, strlen(a), b, NULL);
    return result;
}
int mkdir(const char *path, mode_t bits) {
    REAL(int, "mkdir", const char *, mode_t);
    NAMED(0, "mkdir", path, NULL, real(path, bits))
}
int mkfifo(const char *path, mode_t bits) {
    REAL(int, "mkfifo", const char *, mode_t);
    NAMED(0, "mkfifo", path, NULL, real(path, bits))
}
int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    NAMED(1, "unlink", path, NULL, real(path))
}
int remove(const char *path) { /* as DuckDB does; libc's own goes past unlink() above */
    REAL(int, "remove", const char *);
    NAMED(1, "unlink", path, NULL, real(path))
}
int rmdir(const char *path) {
    REAL(int, "rmdir", const char *);
    NAMED(1, "unlink", path, NULL, real(path))
}
int unlinkat(int dir, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    char room[8200];
    NAMED(1, "unlink", full(dir, path, room), NULL, real(dir, path, flags))
}
