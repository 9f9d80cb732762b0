/* Loaded before the C library (LD_PRELOAD): kills the process at its Nth call that changes something below DTM_DIE_IN.
 * With DTM_DIE_HALF a write is carried out by half first. Whatever the process wrote before is there; nothing after is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;

static int below(const char *path) {
  const char *folder = getenv("DTM_DIE_IN");
  return folder && path && strstr(path, folder) != NULL;
}

static int descriptor_below(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return below(path);
}

/* Whether this is the call to die at. */
static int is_last(int counts) {
  const char *at = getenv("DTM_DIE_AT");
  return counts && at && atomic_fetch_add(&calls, 1) + 1 == atol(at);
}

static void die(void) {
  kill(getpid(), SIGKILL);
  pause();
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) {
  if (is_last(descriptor_below(fd))) {
    if (getenv("DTM_DIE_HALF")) NEXT(pwrite64)(fd, bytes, n / 2, at);
    die();
  }
  return NEXT(pwrite64)(fd, bytes, n, at);
}

ssize_t write(int fd, const void *bytes, size_t n) {
  if (is_last(descriptor_below(fd))) {
    if (getenv("DTM_DIE_HALF")) NEXT(write)(fd, bytes, n / 2);
    die();
  }
  return NEXT(write)(fd, bytes, n);
}

int fsync(int fd) {
  if (is_last(descriptor_below(fd))) die();
  return NEXT(fsync)(fd);
}

int fdatasync(int fd) {
  if (is_last(descriptor_below(fd))) die();
  return NEXT(fdatasync)(fd);
}

int ftruncate64(int fd, off64_t length) {
  if (is_last(descriptor_below(fd))) die();
  return NEXT(ftruncate64)(fd, length);
}

int rename(const char *from, const char *to) {
  if (is_last(below(to))) die();
  return NEXT(rename)(from, to);
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
  if (is_last(below(to))) die();
  return NEXT(linkat)(a, from, b, to, flags);
}

int unlink(const char *path) {
  if (is_last(below(path))) die();
  return NEXT(unlink)(path);
}

int mkdir(const char *path, mode_t mode) {
  if (is_last(below(path))) die();
  return NEXT(mkdir)(path, mode);
}

int open64(const char *path, int flags, ...) {
  mode_t mode = 0;
  if (flags & O_CREAT) {
    va_list rest;
    va_start(rest, flags);
    mode = va_arg(rest, mode_t);
    va_end(rest);
  }
  if (is_last((flags & (O_CREAT | O_TRUNC)) && below(path))) die();
  return NEXT(open64)(path, flags, mode);
}
