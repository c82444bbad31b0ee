/* oassl: the library's work from the shell. */
#include <string.h>

#include "cli.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"info", cmd_info, "backends, devices, versions"},
    {"synth", cmd_synth, "make the built-in audio-visual data set"},
    {"captions", cmd_captions, "check caption files, encode them into reference features"},
    {"data", cmd_data, "published annotation files: import, check, count"},
    {"train", cmd_train, "train a model, or pre-train its visual trunk"},
    {"eval", cmd_eval, "score a model on a manifest"},
    {"metrics", cmd_metrics, "score heat-maps made elsewhere, by published protocols"},
    {"report", cmd_report, "results side by side in one HTML page"},
    {"localize", cmd_localize, "find a sound in a picture"},
    {"quantize", cmd_quantize, "calibrate a model for int8"},
    {"encode", cmd_encode, "features of a picture, a sound or a text"},
    {"bench", cmd_bench, "time inference and training steps"},
};
enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

static void print_usage(FILE *to) {
    fprintf(to, "oassl %s: where in the picture does the sound come from\n\nusage: oassl COMMAND [options]\n\n",
            oassl_version_string());
    for (int i = 0; i < N_COMMANDS; i++) fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\n'oassl COMMAND --help' explains a command and gives an example.\n", to);
}

/* What was printed may not have arrived: a full disk, a closed pipe. */
static int finish(int code) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    perror("oassl: standard output");
    return code ? code : 1;
}

int main(int argc, char **argv) {
    if (argc < 2) return print_usage(stderr), 2;
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return print_usage(stdout), 0;
    if (strcmp(argv[1], "--version") == 0) return printf("oassl %s\n", oassl_version_string()), 0;
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(argv[1], commands[i].name) == 0) return finish(commands[i].run(argc - 1, argv + 1));
    fprintf(stderr, "oassl: no command '%s'; 'oassl --help' lists them\n", argv[1]);
    return 2;
}
