/* A plugin in C, for the tests: it proves that the ABI belongs to no language, and does everything a plugin should
 * not do. Its things are files in the folder `cloud` below the project, so that a test sees what really exists. */
#include "dtm_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef ABI
#define ABI DTM_PLUGIN_ABI
#endif
#ifndef INTERFACE
#define INTERFACE ""
#endif

uint32_t dtm_plugin_abi(void) { return ABI; }

#ifndef NO_MANIFEST
const uint8_t *dtm_plugin_manifest(size_t *len) {
  static const char manifest[] =
      "{\"protocol\":1,\"name\":\"faulty\",\"version\":\"1.0.0\",\"kinds\":[\"Thing\"],\"interface\":\"" INTERFACE "\"}";
  *len = sizeof manifest - 1;
  return (const uint8_t *)manifest;
}
#endif

/* The text of the first `"key":"..."` after `from`; the values used in the tests hold no escapes. */
static int text(const char *from, const char *key, char *out, size_t size) {
  char pattern[64];
  snprintf(pattern, sizeof pattern, "\"%s\":\"", key);
  const char *at = from ? strstr(from, pattern) : NULL;
  size_t n = 0;
  if (!at) return 0;
  for (at += strlen(pattern); *at && *at != '"' && n + 1 < size; at++) out[n++] = *at;
  out[n] = 0;
  return 1;
}

static int32_t give(uint8_t **answer, size_t *len, const char *body) {
  *len = strlen(body);
  *answer = malloc(*len + 1);
  memcpy(*answer, body, *len + 1);
  return 0;
}

static void count(const char *name) {
  char path[512];
  snprintf(path, sizeof path, "cloud/.tries-%s", name);
  FILE *file = fopen(path, "a");
  if (file) fputc('x', file), fclose(file);
}

static long tries(const char *name) {
  char path[512];
  struct stat info;
  snprintf(path, sizeof path, "cloud/.tries-%s", name);
  return stat(path, &info) == 0 ? (long)info.st_size : 0;
}

int32_t dtm_plugin_call(const uint8_t *request, size_t request_len, const dtm_host *host, uint8_t **answer,
                        size_t *answer_len) {
  char *copy = malloc(request_len + 1), body[2048], method[32] = "", kind[32] = "", name[128] = "", fault[32] = "none", op[64] = "",
       path[512];
  long id = 0;
  memcpy(copy, request, request_len);
  copy[request_len] = 0;
  const char *at = strstr(copy, "\"id\":");
  if (at) id = atol(at + 5);
  const char *inputs = strstr(copy, "\"inputs\":{");
  const char *prior = strstr(copy, "\"prior\":{");
  text(copy, "method", method, sizeof method);
  text(copy, "op", op, sizeof op);
  if (!text(inputs, "name", name, sizeof name)) text(prior, "name", name, sizeof name);
  text(inputs, "fault", fault, sizeof fault);
#define ANSWER(...)                                                                                                    \
  do {                                                                                                                 \
    char part[1024];                                                                                                   \
    snprintf(part, sizeof part, __VA_ARGS__);                                                                          \
    snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":%ld,%s}", id, part);                                       \
    free(copy);                                                                                                        \
    return give(answer, answer_len, body);                                                                             \
  } while (0)

#define REFUSE(code, class, message)                                                                                   \
  ANSWER("\"error\":{\"code\":" code ",\"message\":\"" message "\",\"data\":{\"class\":\"" class "\"}}")

  if (!strcmp(method, "hello")) {
    size_t len;
    const char *versions = strstr(copy, "\"versions\":[");
    if (!versions || strtoul(versions + strlen("\"versions\":["), NULL, 10) != 1)
      REFUSE("-32602", "failed_clean", "version 1 is the only one");
#ifndef NO_MANIFEST
    const uint8_t *manifest = dtm_plugin_manifest(&len);
    ANSWER("\"result\":%.*s", (int)len, manifest);
#endif
    (void)len;
  }
  if (!strcmp(method, "configure")) ANSWER("\"result\":{\"config\":1}");
  if (!strcmp(method, "cancel")) ANSWER("\"result\":{}");
  if (!strcmp(method, "read_many")) REFUSE("-32601", "failed_clean", "one by one, please");
  text(copy, "kind", kind, sizeof kind);
  if (strcmp(kind, "Thing")) REFUSE("-32602", "failed_clean", "no such kind is known");
  if (!name[0] && !text(copy, "id", name, sizeof name)) REFUSE("-32602", "failed_clean", "the name is missing");
  if (!strcmp(method, "create") && !text(inputs, "name", name, sizeof name))
    REFUSE("-32602", "failed_clean", "the name is missing");
  snprintf(path, sizeof path, "cloud/%s", name);
  int there = access(path, F_OK) == 0;
  if (!strcmp(method, "find")) {
    if (there) ANSWER("\"result\":{\"ids\":[\"%s\"]}", name);
    ANSWER("\"result\":{\"ids\":[]}");
  }
  if (!strcmp(method, "read")) {
    if (!there) ANSWER("\"result\":\"absent\"");
    ANSWER("\"result\":{\"object\":{\"id\":\"%s\",\"outputs\":{\"at\":\"%s\"},\"inputs\":{}}}", name, path);
  }
  if (!strcmp(method, "delete")) {
    remove(path);
    ANSWER("\"result\":{}");
  }
  if (strcmp(method, "create") && strcmp(method, "update")) REFUSE("-32601", "failed_clean", "no such method is known");
  mkdir("cloud", 0755);
  count(name);
  if (!strcmp(fault, "abort")) abort();
  if (!strcmp(fault, "segv")) *(volatile int *)8 = 1;
  if (!strcmp(fault, "exit")) exit(0);
  if (!strcmp(fault, "once") && tries(name) == 1) abort();
  if (!strcmp(fault, "hang")) sleep(3600);
  if (!strcmp(fault, "begin") && system("sh begin.sh") == -1) abort(); /* what it starts may outlive it */
  if (!strcmp(fault, "later"))
    ANSWER("\"error\":{\"code\":-32000,\"message\":\"busy\",\"data\":{\"class\":\"retryable\",\"after_ms\":1000000000000000}}");
  if (!strcmp(fault, "soon"))
    ANSWER("\"error\":{\"code\":-32000,\"message\":\"busy\",\"data\":{\"class\":\"retryable\",\"after_ms\":120000}}");
  if (!strcmp(fault, "slow")) usleep(200 * 1000);
  if (!strcmp(fault, "print")) printf("{\"jsonrpc\":\"2.0\",\"id\":%ld,\"result\":{}}\nthis is no protocol\n", id), fflush(stdout);
  if (!strcmp(fault, "clean")) REFUSE("-32000", "failed_clean", "the service said no");
  if (!strcmp(fault, "retry") && tries(name) < 3)
    ANSWER("\"error\":{\"code\":-32000,\"message\":\"busy\",\"data\":{\"class\":\"retryable\",\"after_ms\":10}}");
  if (there && !strcmp(method, "create")) {
    /* The same key completes what it began; another one is a second create of the same thing. */
    char before[64] = "";
    FILE *old = fopen(path, "r");
    if (old) before[fread(before, 1, sizeof before - 1, old)] = 0, fclose(old);
    if (before[0] && strcmp(before, op)) mkdir("cloud/.double", 0755);
  }
  FILE *file = fopen(path, strcmp(method, "create") ? "r+" : "w");
  if (file && !strcmp(method, "create")) fputs(op, file);
  if (file) fclose(file);
  if (!strcmp(fault, "partial"))
    ANSWER("\"error\":{\"code\":-32000,\"message\":\"half of it is there\",\"data\":{\"class\":\"failed_partial\",\"object\":{\"id\":\"%s\"}}}", name);
  if (!strcmp(fault, "after")) abort(); /* it exists, and the answer is lost */
  if (!strcmp(fault, "long")) {
    size_t size = 17u << 20;
    char *line = malloc(size + 1);
    memset(line, 'x', size);
    line[size] = 0;
    *answer = (uint8_t *)line, *answer_len = size;
    free(copy);
    return 0;
  }
  if (!strcmp(fault, "garbage")) return give(answer, answer_len, "no JSON at all");
  if (!strcmp(fault, "silent")) return 7;
  if (host && host->notify && !strcmp(fault, "checkpoint")) {
    int n = snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"method\":\"checkpoint\",\"params\":{\"op\":\"%s\",\"id\":\"%s\"}}", op, name);
    if (host->notify(host->ctx, (const uint8_t *)body, (size_t)n) == 0) abort();
  }
  ANSWER("\"result\":{\"id\":\"%s\",\"outputs\":{\"at\":\"%s\"}}", name, path);
}

void dtm_plugin_free(uint8_t *answer, size_t len) {
  (void)len;
  free(answer);
}
