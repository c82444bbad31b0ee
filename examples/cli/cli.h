/* What the commands of the oassl tool share: options, context, progress, output.
 *
 * Exit codes: 0 done, 1 the work failed or was stopped, 2 the command line or an input was wrong. */
#ifndef OASSL_CLI_H
#define OASSL_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <oassl/oassl.h>

/* ---- options: one table a command --------------------------------------------------------------------------- */

typedef enum { CLI_TEXT, CLI_UINT, CLI_UINT64, CLI_DOUBLE, CLI_FLAG, CLI_LIST } cli_kind;

typedef struct cli_list {
    const char *items[64];
    uint32_t n;
} cli_list;

typedef struct cli_option {
    const char *name; /* "--out" */
    cli_kind kind;
    void *target;     /* const char *, uint64_t (CLI_UINT: below 2^32), double, bool or cli_list */
    const char *value_name;
    const char *help;
    bool required;
} cli_option;

typedef struct cli_command {
    const char *name, *summary;
    const char *usage;   /* after "oassl <name>" */
    const char *details; /* paragraphs and an example */
} cli_command;

/* Parses argv[1..]; prints help or the error itself.  Returns -1 to go on, else the exit code. */
int cli_parse(const cli_command *command, const cli_option *options, int argc, char **argv);
/* Reports a wrong use and returns 2. */
int cli_wrong(const cli_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- context and results ------------------------------------------------------------------------------------ */

/* What every command accepts; put CLI_COMMON_OPTIONS at the head of its table. */
typedef struct cli_common {
    const char *backend, *precision, *identify;
    uint64_t threads;
    bool json, verbose, quiet;
} cli_common;
extern cli_common common;
#define CLI_COMMON_OPTIONS                                                                                            \
    {"--backend", CLI_TEXT, &common.backend, "NAME", "onednn or reference; default: the best there is", false},      \
        {"--threads", CLI_UINT, &common.threads, "N", "compute threads; default: all processors", false},            \
        {"--json", CLI_FLAG, &common.json, NULL, "results as JSON on standard output", false},                       \
        {"--verbose", CLI_FLAG, &common.verbose, NULL, "log what the library does", false},                          \
        {"--quiet", CLI_FLAG, &common.quiet, NULL, "no progress", false}
/* Of the commands that compute with a model. */
#define CLI_PRECISION_OPTION                                                                                          \
    {"--precision", CLI_TEXT, &common.precision, "P", "f32 (default), f32-fast, bf16, or int8 after oassl quantize", false}
/* Of those that tell several sources apart. */
#define CLI_IDENTIFY_OPTION                                                                                           \
    {"--identify", CLI_TEXT, &common.identify, "RULE", "several sources: published (default) or suppress", false}
#define CLI_END {NULL, CLI_FLAG, NULL, NULL, NULL, false}

/* A context with the common options, the log on standard error, progress bar and Ctrl-C wired in.  NULL after
 * printing the reason; *out_code is then the exit code. */
oassl_context *cli_open(int *out_code);
/* What --precision says as OASSL_PRECISION_*; without it *out_precision stays.  Returns -1 to go on, else the exit code. */
int cli_precision(const cli_command *command, int32_t *out_precision);
/* What --identify says as OASSL_IDENTIFY_*, in the same way. */
int cli_identify(const cli_command *command, int32_t *out_identify);
const char *cli_precision_name(int32_t precision);
/* A model that infers in this precision. */
oassl_status cli_load_model(oassl_context *context, const char *path, int32_t precision, oassl_model **out_model);
/* Prints the library's error for a failed call and returns the exit code: 2 for wrong input, 1 otherwise. */
int cli_failed(oassl_status status);
/* Ends the progress line, if one is shown. */
void cli_progress_end(void);
/* True once Ctrl-C was pressed. */
bool cli_interrupted(void);
/* Prints a JSON value and frees it. */
void cli_print_json(json_t *value);

/* ---- commands ----------------------------------------------------------------------------------------------- */

int cmd_info(int argc, char **argv);
int cmd_synth(int argc, char **argv);
int cmd_captions(int argc, char **argv);
int cmd_data(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_metrics(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_localize(int argc, char **argv);
int cmd_encode(int argc, char **argv);
int cmd_quantize(int argc, char **argv);
int cmd_bench(int argc, char **argv);

#endif
