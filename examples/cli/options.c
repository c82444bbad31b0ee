/* Command-line options by table, and their help text. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

cli_common common;

int cli_wrong(const cli_command *command, const char *format, ...) {
    fprintf(stderr, "oassl %s: ", command->name);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n'oassl %s --help' shows the options\n", command->name);
    return 2;
}

static void print_help(const cli_command *command, const cli_option *options) {
    printf("oassl %s: %s\n\nusage: oassl %s %s\n\n", command->name, command->summary, command->name, command->usage);
    for (const cli_option *o = options; o->name; o++) {
        char left[48];
        snprintf(left, sizeof left, "%s %s", o->name, o->value_name ? o->value_name : "");
        printf("  %-22s %s%s\n", left, o->help, o->required ? " (required)" : "");
    }
    printf("\n%s", command->details);
}

static bool store(const cli_option *option, const char *text) {
    char *end;
    errno = 0;
    switch (option->kind) {
    case CLI_TEXT: *(const char **)option->target = text; return true;
    case CLI_UINT:
    case CLI_UINT64: {
        unsigned long long value = strtoull(text, &end, 10);
        if (end == text || *end || errno || strchr(text, '-')) return false;
        if (option->kind == CLI_UINT && value > UINT32_MAX) return false;
        *(uint64_t *)option->target = value;
        return true;
    }
    case CLI_DOUBLE: {
        double value = strtod(text, &end);
        if (end == text || *end || errno || !isfinite(value)) return false;
        *(double *)option->target = value;
        return true;
    }
    case CLI_LIST: {
        cli_list *list = option->target;
        if (list->n == sizeof list->items / sizeof list->items[0]) return false;
        list->items[list->n++] = text;
        return true;
    }
    default: return false;
    }
}

static const char *expected(const cli_option *option) {
    switch (option->kind) {
    case CLI_UINT: return "a whole number from 0 to 4294967295";
    case CLI_UINT64: return "a whole number from 0 to 18446744073709551615";
    case CLI_DOUBLE: return "a number";
    default: return "less of them";
    }
}

static const cli_option *find(const cli_option *options, const char *name) {
    for (const cli_option *o = options; o->name; o++)
        if (strcmp(o->name, name) == 0) return o;
    return NULL;
}

static bool is_set(const cli_option *option) {
    switch (option->kind) {
    case CLI_TEXT: return *(const char **)option->target != NULL;
    case CLI_UINT:
    case CLI_UINT64: return *(uint64_t *)option->target != 0;
    case CLI_LIST: return ((cli_list *)option->target)->n != 0;
    default: return true;
    }
}

int cli_parse(const cli_command *command, const cli_option *options, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return print_help(command, options), 0;
        const cli_option *option = find(options, argv[i]);
        if (!option) return cli_wrong(command, "unknown option '%s'", argv[i]);
        if (option->kind == CLI_FLAG) {
            *(bool *)option->target = true;
            continue;
        }
        if (i + 1 == argc) return cli_wrong(command, "%s needs a value", argv[i]);
        if (!store(option, argv[i + 1])) return cli_wrong(command, "%s: expected %s, found '%s'", argv[i], expected(option), argv[i + 1]);
        i++;
    }
    for (const cli_option *o = options; o->name; o++)
        if (o->required && !is_set(o)) return cli_wrong(command, "%s is required", o->name);
    return -1;
}
