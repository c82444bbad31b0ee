/* Recording nodes.  Arrays only grow, so an id given out stays what it was. */
#include "graph/builder.h"

#include <stdio.h>
#include <string.h>

#include "base/safetensors.h"

#define CONSTANT_ALIGNMENT 64

oassl_status oai_builder_create(const oai_host *host, oai_builder **out_builder) {
    *out_builder = NULL;
    oai_builder *b = oai_calloc(host, 1, sizeof *b);
    if (!b) return oai_no_memory(sizeof *b, "a graph builder");
    b->host = host;
    char *empty = oai_array_add(b, &b->names, 1, 1); /* offset 0 is "" */
    if (!empty) {
        oai_builder_destroy(b);
        return OASSL_STATUS_OUT_OF_MEMORY;
    }
    *empty = 0;
    *out_builder = b;
    return OASSL_STATUS_OK;
}

void oai_builder_destroy(oai_builder *b) {
    if (!b) return;
    const oai_array *arrays[] = {&b->nodes, &b->values, &b->operands, &b->outputs, &b->names, &b->constants};
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++) oai_free(b->host, arrays[k]->data);
    oai_free(b->host, b);
}

oassl_status oai_builder_status(const oai_builder *b) {
    return b->status == OASSL_STATUS_OK ? OASSL_STATUS_OK : oai_fail(b->status, "%s", b->message);
}

/* Keeps the first failure, whose text the caller has already set. */
static oai_value stick(oai_builder *b, oassl_status status) {
    if (b->status == OASSL_STATUS_OK) {
        b->status = status;
        snprintf(b->message, sizeof b->message, "%s", oassl_last_error());
    }
    return OAI_NO_VALUE;
}

oai_value oai_builder_fail(oai_builder *b, oassl_status status, const char *format, ...) {
    if (b->status != OASSL_STATUS_OK) return OAI_NO_VALUE;
    va_list args;
    va_start(args, format);
    oai_failv(status, format, args);
    va_end(args);
    return stick(b, status);
}

void *oai_array_add(oai_builder *b, oai_array *array, size_t extra, size_t element) {
    if (b->status != OASSL_STATUS_OK) return NULL;
    size_t n = array->n + extra;
    if (n < extra || n >= UINT32_MAX || n > SIZE_MAX / 2 / element) {
        /* constants are bytes and may be larger than an id reaches */
        if (array != &b->constants || n < extra || n > SIZE_MAX / 4) {
            oai_builder_fail(b, OASSL_STATUS_UNSUPPORTED, "graph: too large");
            return NULL;
        }
    }
    if (n > array->capacity) {
        size_t capacity = array->capacity ? 2 * array->capacity : 64;
        if (capacity < n) capacity = n;
        void *data = oai_grow(b->host, array->data, array->n * element, capacity * element);
        if (!data) {
            stick(b, oai_no_memory(capacity * element, "a graph"));
            return NULL;
        }
        array->data = data;
        array->capacity = capacity;
    }
    void *first = (char *)array->data + array->n * element;
    array->n = n;
    return first;
}

/* Offset of a copy of the text; 0 for "" and on failure. */
static uint32_t add_name(oai_builder *b, const char *text) {
    size_t bytes = text ? strlen(text) + 1 : 0;
    if (bytes <= 1) return 0;
    char *copy = oai_array_add(b, &b->names, bytes, 1);
    if (!copy) return 0;
    memcpy(copy, text, bytes);
    return (uint32_t)(copy - (char *)b->names.data);
}

static oai_value add_value(oai_builder *b, uint32_t kind, uint32_t producer, const oai_type *type, uint32_t name) {
    oassl_graph_value *value = oai_array_add(b, &b->values, 1, sizeof *value);
    if (!value) return OAI_NO_VALUE;
    *value = (oassl_graph_value){
        .kind = kind, .producer = producer, .dtype = type->dtype, .rank = type->rank, .name = name};
    memcpy(value->shape, type->shape, (size_t)type->rank * sizeof *type->shape);
    return (oai_value)(b->values.n - 1);
}

static oai_value add_leaf(oai_builder *b, uint32_t kind, const char *name, int32_t dtype, int32_t rank,
                          const int64_t *shape) {
    if (b->status != OASSL_STATUS_OK) return OAI_NO_VALUE;
    oassl_status status = oai_type_check(dtype, rank, shape);
    if (status != OASSL_STATUS_OK) {
        const char *what = kind == OASSL_VALUE_INPUT ? "input" : kind == OASSL_VALUE_PARAM ? "param" : "constant";
        return stick(b, oai_fail_within(status, "%s '%s'", what, name ? name : ""));
    }
    oai_type type = {.dtype = dtype, .rank = rank};
    if (rank > 0) memcpy(type.shape, shape, (size_t)rank * sizeof *shape);
    return add_value(b, kind, OASSL_NO_VALUE, &type, add_name(b, name));
}

oai_value oai_input(oai_builder *b, const char *name, int32_t dtype, int32_t rank, const int64_t *shape) {
    return add_leaf(b, OASSL_VALUE_INPUT, name, dtype, rank, shape);
}

oai_value oai_param(oai_builder *b, const char *name, int32_t dtype, int32_t rank, const int64_t *shape) {
    return add_leaf(b, OASSL_VALUE_PARAM, name, dtype, rank, shape);
}

oai_value oai_constant(oai_builder *b, int32_t dtype, int32_t rank, const int64_t *shape, const void *data) {
    oai_value id = add_leaf(b, OASSL_VALUE_CONSTANT, NULL, dtype, rank, shape);
    if (id == OAI_NO_VALUE) return id;
    size_t bytes = (size_t)oai_value_count(&oai_values(b)[id]) * oai_dtype_bytes(dtype);
    size_t padded = (bytes + CONSTANT_ALIGNMENT - 1) / CONSTANT_ALIGNMENT * CONSTANT_ALIGNMENT;
    size_t offset = b->constants.n;
    char *copy = oai_array_add(b, &b->constants, padded, 1);
    if (!copy) return OAI_NO_VALUE;
    memcpy(copy, data, bytes);
    memset(copy + bytes, 0, padded - bytes);
    oai_values(b)[id].constant_offset = offset;
    return id;
}

oai_value oai_scalar(oai_builder *b, int32_t dtype, double value) {
    float single = (float)value;
    if (dtype == OASSL_DTYPE_F64) return oai_constant(b, dtype, 0, NULL, &value);
    if (dtype == OASSL_DTYPE_F32) return oai_constant(b, dtype, 0, NULL, &single);
    return oai_builder_fail(b, OASSL_STATUS_INVALID_ARGUMENT, "scalar constant: dtype %s is not F32 or F64",
                            oai_dtype_name(dtype));
}

void oai_node_text(char *text, size_t bytes, uint32_t node, uint32_t op, const char *name) {
    if (name && *name)
        snprintf(text, bytes, "node %u %s (%s)", node, oai_op_name(op), name);
    else
        snprintf(text, bytes, "node %u %s", node, oai_op_name(op));
}

static oassl_status check_node(const oai_builder *b, uint32_t op, const oai_value *inputs, uint32_t n_inputs,
                               const oassl_node_attrs *attrs, oai_type *types) {
    for (uint32_t k = 0; k < n_inputs; k++)
        if (inputs[k] >= b->values.n)
            return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "input %u: there is no value %u", k, inputs[k]);
    return oai_infer(oai_values(b), inputs, n_inputs, op, attrs, types);
}

oai_value oai_node(oai_builder *b, uint32_t op, const oai_value *inputs, uint32_t n_inputs,
                   const oassl_node_attrs *attrs) {
    if (b->status != OASSL_STATUS_OK) return OAI_NO_VALUE;
    static const oassl_node_attrs no_attrs;
    oassl_node_attrs attributes = attrs ? *attrs : no_attrs;
    oai_type types[OAI_MAX_OUTPUTS];
    uint32_t index = (uint32_t)b->nodes.n;
    oassl_status status = check_node(b, op, inputs, n_inputs, &attributes, types);
    if (status != OASSL_STATUS_OK) {
        char text[256];
        oai_node_text(text, sizeof text, index, op, (const char *)b->names.data + b->scope);
        return stick(b, oai_fail_within(status, "%s", text));
    }
    uint32_t *operands = oai_array_add(b, &b->operands, n_inputs, sizeof *operands);
    oassl_graph_node *node = oai_array_add(b, &b->nodes, 1, sizeof *node);
    if (!operands || !node) return OAI_NO_VALUE;
    memcpy(operands, inputs, n_inputs * sizeof *inputs);
    *node = (oassl_graph_node){.op = op,
                               .n_inputs = n_inputs,
                               .n_outputs = oai_op_n_outputs(op),
                               .name = b->scope,
                               .first_input = (uint32_t)(b->operands.n - n_inputs),
                               .first_output = (uint32_t)b->values.n,
                               .attrs = attributes};
    oai_value first = OAI_NO_VALUE;
    for (uint32_t k = 0, n = oai_op_n_outputs(op); k < n; k++) {
        oai_value id = add_value(b, OASSL_VALUE_RESULT, index, &types[k], 0);
        if (k == 0) first = id;
    }
    return b->status == OASSL_STATUS_OK ? first : OAI_NO_VALUE;
}

void oai_scope(oai_builder *b, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    b->scope = add_name(b, text);
}

void oai_output(oai_builder *b, oai_value value) {
    if (b->status != OASSL_STATUS_OK) return;
    if (value >= b->values.n) {
        oai_builder_fail(b, OASSL_STATUS_INVALID_ARGUMENT, "output: there is no value %u", value);
        return;
    }
    const uint32_t *outputs = b->outputs.data;
    for (size_t k = 0; k < b->outputs.n; k++)
        if (outputs[k] == value) return;
    uint32_t *slot = oai_array_add(b, &b->outputs, 1, sizeof *slot);
    if (slot) *slot = value;
}

void oai_name_value(oai_builder *b, oai_value value, const char *name) {
    if (b->status != OASSL_STATUS_OK || value >= b->values.n) return;
    uint32_t offset = add_name(b, name);
    if (b->status == OASSL_STATUS_OK) oai_values(b)[value].name = offset;
}

const oassl_graph_value *oai_info(const oai_builder *b, oai_value value) {
    static const oassl_graph_value nothing;
    return b->status == OASSL_STATUS_OK && value < b->values.n ? &oai_values(b)[value] : &nothing;
}

int64_t oai_dim(const oai_builder *b, oai_value value, int32_t axis) {
    const oassl_graph_value *v = oai_info(b, value);
    if (axis < 0) axis += v->rank;
    return axis >= 0 && axis < v->rank ? v->shape[axis] : 0;
}
