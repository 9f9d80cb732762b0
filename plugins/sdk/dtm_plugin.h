/* The C ABI of a dtm plugin: four symbols. Messages are JSON-RPC 2.0 as in the protocol of executables; no Rust
 * type, allocator or unwinding crosses the border. */
#ifndef DTM_PLUGIN_H
#define DTM_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#define DTM_PLUGIN_ABI 1

/* Given with each call, valid until it returns; `notify` may be called from any thread. It sends one
 * notification (progress, log, checkpoint, secret) and returns 0; for a checkpoint it returns once the id is
 * durable, and not 0 when it could not be made so. */
typedef struct {
  uint32_t size;
  void *ctx;
  int32_t (*notify)(void *ctx, const uint8_t *message, size_t len);
} dtm_host;

#ifdef __cplusplus
extern "C" {
#endif

/* Checked before anything else is called. */
uint32_t dtm_plugin_abi(void);

/* JSON: {"protocol": 1, "name": that of the interface, "version", "kinds": [...], "interface": SHA-256 of the interface file in
 * hexadecimal, "capabilities": {method: [kinds]}}. The capabilities are the optional methods that are answered, with the kinds for
 * which they are:
 *
 *   place       {"config"} -> {"place"}: the identity of what is behind the settings, such as the UID of a cluster
 *   find_many   {"calls": [find, ...]} -> [{"ids": [...]} or {"failed": error}, ...], in the order of the calls
 *   preview     {"kind", "inputs", and for an update "id", "prior", "outputs", "private"} -> {"outputs", "replace": [reasons], "notes"}
 *   validate, normalize, plan, files, upgrade, list
 *
 * The bytes live as long as the library. */
const uint8_t *dtm_plugin_manifest(size_t *len);

/* One request in, one response out. Blocks; called on many threads at once. Gives 0 when there is an answer. A request that
 * cannot be parsed is answered with an error. An answer is one line of at most 16 MiB; each output, observed input and private
 * value in it has at most 64 levels of lists and records. The process is killed when a call has not ended 5 s after its
 * deadline, with everything that it has started. */
int32_t dtm_plugin_call(const uint8_t *request, size_t len, const dtm_host *host, uint8_t **answer,
                        size_t *answer_len);

/* Frees an answer, once. */
void dtm_plugin_free(uint8_t *answer, size_t len);

#ifdef __cplusplus
}
#endif
#endif
