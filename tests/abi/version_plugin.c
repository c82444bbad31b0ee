/* The example backend as a plug-in of another minor version: OLDER was built when the interface had minor 0, NEWER
 * when it will have more slots, longer structs and a higher minor. */
#define oassl_backend_query example_query
#include "../pkg/backend_example.c"
#undef oassl_backend_query

/* Sizes of minor 0: frozen, see layout.c. */
enum { API_0 = 152, PLAN_OPTIONS_0 = 24, GRAPH_0 = 96, HOST_0 = 56 };

static void no_slot(void) {}

static struct {
    oassl_backend_api api;
    void (*later[4])(void);
} table;

static oassl_status checked_open(const oassl_backend_host *host, oassl_backend_instance **out_instance) {
    if (host->struct_size < HOST_0) return host->fail(host->user, OASSL_STATUS_INTERNAL, "the host's table is short");
    return example_open(host, out_instance);
}

static oassl_status checked_plan_create(oassl_backend_instance *instance, const oassl_graph *graph,
                                        const oassl_backend_param *params, uint32_t n_params,
                                        const oassl_backend_plan_options *options, oassl_backend_plan **out_plan) {
    if (graph->struct_size < GRAPH_0 || options->struct_size < PLAN_OPTIONS_0)
        return instance->host->fail(instance->host->user, OASSL_STATUS_INTERNAL,
                                    "a struct is shorter than in minor 0");
    if (!OLDER) return example_plan_create(instance, graph, params, n_params, options, out_plan);
    oassl_backend_plan_options known;
    memset(&known, 0xee, sizeof known);
    memcpy(&known, options, PLAN_OPTIONS_0); /* it cannot see more */
    known.struct_size = PLAN_OPTIONS_0;
    return example_plan_create(instance, graph, params, n_params, &known, out_plan);
}

/* A newer backend has more to tell and keeps to the caller's size all the same. */
static oassl_status longer_device_info(oassl_backend_instance *instance, uint32_t index,
                                       oassl_backend_device_info *out_info) {
    struct {
        oassl_backend_device_info known;
        char later[256];
    } info = {{.struct_size = sizeof info.known}, {0}};
    oassl_status status = example_device_info(instance, index, &info.known);
    if (status != OASSL_STATUS_OK) return status;
    memset(info.later, 0x55, sizeof info.later);
    answer(out_info, &out_info->struct_size, &info, sizeof info);
    return OASSL_STATUS_OK;
}

OASSL_BACKEND_EXPORT oassl_status oassl_backend_query(uint32_t major, uint32_t minor,
                                                      const oassl_backend_api **out_api);

oassl_status oassl_backend_query(uint32_t major, uint32_t minor, const oassl_backend_api **out_api) {
    const oassl_backend_api *example;
    oassl_status status = example_query(major, minor, &example);
    if (status != OASSL_STATUS_OK) return status;
    table.api = *example;
    table.api.name = OLDER ? "older" : "newer";
    table.api.struct_size = OLDER ? API_0 : sizeof table;
    table.api.abi_minor = OLDER ? 0 : OASSL_BACKEND_ABI_MINOR + 9;
    table.api.open = checked_open;
    table.api.plan_create = checked_plan_create;
    if (!OLDER) table.api.device_info = longer_device_info;
    for (int k = 0; k < 4; k++) table.later[k] = no_slot;
    *out_api = &table.api;
    return OASSL_STATUS_OK;
}
