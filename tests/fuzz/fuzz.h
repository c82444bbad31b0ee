/* What every fuzz target and its replay test share.
 *
 * A target is one file fuzz_<name>.c with LLVMFuzzerTestOneInput.  Linked with libFuzzer it searches; linked with
 * replay.c (any compiler) it runs the committed corpus and a fixed number of mutations of it, as a plain test.
 *
 * Three things end the process with a message: memory beyond what the input may ask for, memory still held at the end,
 * and too much processor time (not wall-clock time: other work on the machine does not matter). */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Begins an input: memory that counts, of which at most `allowance` bytes may be held at once. */
const oai_host *fuzz_begin(uint64_t allowance);
/* The input has declared that it needs so many bytes more. */
void fuzz_allow(uint64_t more);
/* Everything allocated since fuzz_begin must have been freed. */
void fuzz_end(void);
/* The host that fuzz_begin gives, before the first input: for objects that live as long as the process. */
const oai_host *fuzz_host(void);

/* A broken promise of the library: says so and aborts, which libFuzzer keeps as a finding. */
void fuzz_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* After a call: a failure must come with a text, and out of memory is none, as nothing was refused. */
void fuzz_check(oassl_status status, const char *call);

/* A folder of this process's own that ends with it. */
const char *fuzz_folder(void);
/* Writes a file below it (`name` may have folders in front) and returns its path, valid for some calls. */
const char *fuzz_put(const char *name, const void *data, size_t bytes);
void fuzz_remove(const char *name);

/* The input read as a stream of small numbers; zeros past its end. */
typedef struct fuzz_bytes {
    const uint8_t *at, *end;
} fuzz_bytes;
static inline uint8_t fuzz_byte(fuzz_bytes *in) { return in->at < in->end ? *in->at++ : 0; }

/* Cuts the input at lines that are exactly "====": at most `most` parts; returns their number. */
typedef struct fuzz_part {
    const uint8_t *data;
    size_t bytes;
} fuzz_part;
size_t fuzz_split(const uint8_t *data, size_t bytes, fuzz_part *parts, size_t most);

/* A zip file with the parts as stored members, checksums right, in `out`; returns its length, 0 when it does not fit. */
size_t fuzz_zip(const char *const *names, const fuzz_part *parts, size_t n, uint8_t *out, size_t room);

#endif
