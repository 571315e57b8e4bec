/* Makes writes and syncs of chosen files fail, inside a process under test: LD_PRELOAD=failing_disk.so.
 *
 * FAILING_DISK names a file. While it exists it says an error number, a text and "all" or "sync": calls on
 * files whose path contains that text, or only syncs of them, fail with that error. Nothing else is touched.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int fails(int fd, int syncs) {
    char text[512] = "", which[8] = "", path[4096], link[64];
    int error = 0;
    const char *name = getenv("FAILING_DISK");
    FILE *rule = name ? fopen(name, "r") : NULL;
    if (!rule) return 0;
    int read = fscanf(rule, "%d %511s %7s", &error, text, which);
    fclose(rule);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (read != 3 || length < 0 || (!syncs && !strcmp(which, "sync"))) return 0;
    path[length] = 0;
    if (!strstr(path, text)) return 0;
    errno = error;
    return 1;
}

#define REAL(name, type) static type real; if (!real) real = (type)dlsym(RTLD_NEXT, name)

typedef ssize_t (*pwrite_call)(int, const void *, size_t, off64_t);
typedef int (*sync_call)(int);
typedef int (*truncate_call)(int, off64_t);

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    REAL("pwrite64", pwrite_call);
    return fails(fd, 0) ? -1 : real(fd, data, size, at);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    REAL("pwrite", pwrite_call);
    return fails(fd, 0) ? -1 : real(fd, data, size, at);
}
int fsync(int fd) { REAL("fsync", sync_call); return fails(fd, 1) ? -1 : real(fd); }
int fdatasync(int fd) { REAL("fdatasync", sync_call); return fails(fd, 1) ? -1 : real(fd); }
int ftruncate64(int fd, off64_t size) {
    REAL("ftruncate64", truncate_call);
    return fails(fd, 0) ? -1 : real(fd, size);
}
