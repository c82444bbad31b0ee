#include "cli.h"

static const cli_command command = {
    "info", "backends, devices, versions", "[--json]",
    "Lists the backends found, the one that would compute, and why the others cannot.\n\n"
    "example:\n  oassl info --verbose\n"};

static json_t *describe(const oassl_backend_info *info) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "name", info->name, "description", info->description,
                     "path", info->path, "device", info->device, "library", info->library, "reason", info->reason,
                     "available", info->available, "active", info->active);
}

int cmd_info(int argc, char **argv) {
    const cli_option options[] = {CLI_COMMON_OPTIONS, CLI_END};
    int code = cli_parse(&command, options, argc, argv);
    if (code >= 0) return code;
    oassl_context *context = cli_open(&code);
    if (!context) return code;
    json_t *backends = json_array();
    if (!common.json)
        printf("oassl %s, %u threads\n\n", oassl_version_string(), oassl_context_n_threads(context));
    for (uint32_t i = 0; i < oassl_context_n_backends(context); i++) {
        oassl_backend_info info = {sizeof info};
        oassl_status status = oassl_context_backend(context, i, &info);
        if (status != OASSL_STATUS_OK) {
            code = cli_failed(status);
            break;
        }
        json_array_append_new(backends, describe(&info));
        if (!common.json)
            printf("%c %-10s %s\n    %s%s%s\n", info.active ? '*' : ' ', info.name, info.description,
                   info.available ? info.library : info.reason, info.available ? ", " : "", info.available ? info.device : "");
    }
    if (common.json)
        cli_print_json(json_pack("{s:s, s:I, s:o}", "version", oassl_version_string(), "threads",
                                 (json_int_t)oassl_context_n_threads(context), "backends", backends));
    else json_decref(backends);
    oassl_context_destroy(context);
    return code < 0 ? 0 : code;
}
