/* What binaries already rely on: compiled, as C11 and as C++17, by headers.sh.  A number here changes only together
 * with OASSL_BACKEND_ABI_MAJOR; lines are added when fields or operations are appended.  64-bit targets. */
#include <oassl/backend.h>

#ifdef __cplusplus
#define CHECK(condition, text) static_assert(condition, text)
#else
#define CHECK(condition, text) _Static_assert(condition, text)
#endif
#define AT(type, field, offset) CHECK(offsetof(type, field) == (offset), #type "." #field " moved")
/* Elements of arrays never change size; a struct that starts with struct_size may grow. */
#define EXACTLY(type, bytes) CHECK(sizeof(type) == (bytes), #type " has another size")
#define AT_LEAST(type, bytes) CHECK(sizeof(type) >= (bytes), #type " has shrunk")
#define IS(name, value) CHECK((name) == (value), #name " has another value")

CHECK(sizeof(void *) == 8, "the numbers below are those of 64-bit targets");

EXACTLY(oassl_tensor, 120);
AT(oassl_tensor, data, 0);
AT(oassl_tensor, device, 8);
AT(oassl_tensor, device_index, 12);
AT(oassl_tensor, dtype, 16);
AT(oassl_tensor, rank, 20);
AT(oassl_tensor, shape, 24);
AT(oassl_tensor, strides, 72);

EXACTLY(oassl_graph_value, 80);
AT(oassl_graph_value, kind, 0);
AT(oassl_graph_value, dtype, 4);
AT(oassl_graph_value, rank, 8);
AT(oassl_graph_value, producer, 12);
AT(oassl_graph_value, shape, 16);
AT(oassl_graph_value, constant_offset, 64);
AT(oassl_graph_value, name, 72);
AT(oassl_graph_value, reserved, 76);

EXACTLY(oassl_node_attrs, 128);
AT(oassl_node_attrs, i, 0);
AT(oassl_node_attrs, f, 96);

EXACTLY(oassl_graph_node, 152);
AT(oassl_graph_node, op, 0);
AT(oassl_graph_node, n_inputs, 4);
AT(oassl_graph_node, first_input, 8);
AT(oassl_graph_node, n_outputs, 12);
AT(oassl_graph_node, first_output, 16);
AT(oassl_graph_node, name, 20);
AT(oassl_graph_node, attrs, 24);

AT_LEAST(oassl_graph, 96);
AT(oassl_graph, struct_size, 0);
AT(oassl_graph, n_nodes, 4);
AT(oassl_graph, n_values, 8);
AT(oassl_graph, n_operands, 12);
AT(oassl_graph, n_outputs, 16);
AT(oassl_graph, reserved, 20);
AT(oassl_graph, nodes, 24);
AT(oassl_graph, values, 32);
AT(oassl_graph, operands, 40);
AT(oassl_graph, outputs, 48);
AT(oassl_graph, names, 56);
AT(oassl_graph, names_bytes, 64);
AT(oassl_graph, constants, 72);
AT(oassl_graph, constants_bytes, 80);
AT(oassl_graph, hash, 88);

AT_LEAST(oassl_backend_host, 56);
AT(oassl_backend_host, struct_size, 0);
AT(oassl_backend_host, reserved, 4);
AT(oassl_backend_host, user, 8);
AT(oassl_backend_host, alloc, 16);
AT(oassl_backend_host, free, 24);
AT(oassl_backend_host, log, 32);
AT(oassl_backend_host, fail, 40);
AT(oassl_backend_host, cancelled, 48);

AT_LEAST(oassl_backend_device_info, 208);
AT(oassl_backend_device_info, struct_size, 0);
AT(oassl_backend_device_info, device, 4);
AT(oassl_backend_device_info, memory_bytes, 8);
AT(oassl_backend_device_info, name, 16);
AT(oassl_backend_device_info, library, 112);

AT_LEAST(oassl_backend_plan_options, 40);
AT(oassl_backend_plan_options, struct_size, 0);
AT(oassl_backend_plan_options, device_index, 4);
AT(oassl_backend_plan_options, n_threads, 8);
AT(oassl_backend_plan_options, precision, 12);
AT(oassl_backend_plan_options, deterministic, 16);
AT(oassl_backend_plan_options, no_fusion, 20);
AT(oassl_backend_plan_options, n_ranges, 24);
AT(oassl_backend_plan_options, ranges, 32);
EXACTLY(oassl_backend_range, 12);
AT(oassl_backend_range, value, 0);
AT(oassl_backend_range, low, 4);
AT(oassl_backend_range, high, 8);

EXACTLY(oassl_backend_param, 16);
AT(oassl_backend_param, value, 0);
AT(oassl_backend_param, reserved, 4);
AT(oassl_backend_param, data, 8);

AT_LEAST(oassl_backend_plan_info, 32);
AT(oassl_backend_plan_info, struct_size, 0);
AT(oassl_backend_plan_info, n_steps, 4);
AT(oassl_backend_plan_info, workspace_bytes, 8);
AT(oassl_backend_plan_info, prepacked_bytes, 16);
AT(oassl_backend_plan_info, params_copied, 24);

AT_LEAST(oassl_backend_api, 152);
AT(oassl_backend_api, struct_size, 0);
AT(oassl_backend_api, abi_major, 4);
AT(oassl_backend_api, abi_minor, 8);
AT(oassl_backend_api, reserved, 12);
AT(oassl_backend_api, name, 16);
AT(oassl_backend_api, description, 24);
AT(oassl_backend_api, open, 32);
AT(oassl_backend_api, close, 40);
AT(oassl_backend_api, device_count, 48);
AT(oassl_backend_api, device_info, 56);
AT(oassl_backend_api, memory_alloc, 64);
AT(oassl_backend_api, memory_free, 72);
AT(oassl_backend_api, memory_copy, 80);
AT(oassl_backend_api, node_supported, 88);
AT(oassl_backend_api, plan_create, 96);
AT(oassl_backend_api, plan_destroy, 104);
AT(oassl_backend_api, plan_info, 112);
AT(oassl_backend_api, exec_create, 120);
AT(oassl_backend_api, exec_destroy, 128);
AT(oassl_backend_api, exec_bind, 136);
AT(oassl_backend_api, exec_run, 144);

IS(OASSL_DTYPE_F32, 1);
IS(OASSL_DTYPE_F64, 2);
IS(OASSL_DTYPE_I32, 3);
IS(OASSL_DTYPE_I64, 4);
IS(OASSL_DTYPE_U8, 5);
IS(OASSL_DTYPE_BF16, 6);
IS(OASSL_DTYPE_F16, 7);
IS(OASSL_DEVICE_CPU, 1);
IS(OASSL_DEVICE_CUDA, 2);
IS(OASSL_STATUS_OK, 0);
IS(OASSL_STATUS_INVALID_ARGUMENT, -1);
IS(OASSL_STATUS_SHAPE_MISMATCH, -2);
IS(OASSL_STATUS_UNSUPPORTED, -3);
IS(OASSL_STATUS_OUT_OF_MEMORY, -10);
IS(OASSL_STATUS_UNAVAILABLE, -11);
IS(OASSL_STATUS_CANCELLED, -12);
IS(OASSL_STATUS_IO, -20);
IS(OASSL_STATUS_NOT_FOUND, -21);
IS(OASSL_STATUS_FORMAT, -22);
IS(OASSL_STATUS_NON_FINITE, -30);
IS(OASSL_STATUS_INTERNAL, -40);
IS(OASSL_VALUE_INPUT, 1);
IS(OASSL_VALUE_PARAM, 2);
IS(OASSL_VALUE_CONSTANT, 3);
IS(OASSL_VALUE_RESULT, 4);
IS(OASSL_VALUE_UNUSED, 5);
IS(OASSL_PRECISION_F32, 0);
IS(OASSL_PRECISION_BF16, 1);
IS(OASSL_PRECISION_INT8, 2);
IS(OASSL_COPY_HOST_TO_DEVICE, 1);
IS(OASSL_COPY_DEVICE_TO_HOST, 2);
IS(OASSL_COPY_DEVICE_TO_DEVICE, 3);
IS(OASSL_MAX_RANK, 6);
IS(OASSL_NODE_INTS, 12);
IS(OASSL_NODE_FLOATS, 4);
IS(OASSL_NO_VALUE, 0xFFFFFFFFu);
IS(OASSL_OP_LIMIT, 128);
IS(OASSL_BACKEND_ABI_MAJOR, 1);

IS(OASSL_OP_ADD, 1);
IS(OASSL_OP_SUB, 2);
IS(OASSL_OP_MUL, 3);
IS(OASSL_OP_DIV, 4);
IS(OASSL_OP_MAXIMUM, 5);
IS(OASSL_OP_MINIMUM, 6);
IS(OASSL_OP_LESS_EQUAL, 7);
IS(OASSL_OP_AFFINE, 10);
IS(OASSL_OP_EXP, 11);
IS(OASSL_OP_LOG, 12);
IS(OASSL_OP_SQRT, 13);
IS(OASSL_OP_RECIPROCAL, 14);
IS(OASSL_OP_ABS, 15);
IS(OASSL_OP_SIGN, 16);
IS(OASSL_OP_RELU, 17);
IS(OASSL_OP_SIGMOID, 18);
IS(OASSL_OP_TANH, 19);
IS(OASSL_OP_SOFTPLUS, 20);
IS(OASSL_OP_GELU, 21);
IS(OASSL_OP_QUICK_GELU, 22);
IS(OASSL_OP_RELU_GRAD, 23);
IS(OASSL_OP_GELU_GRAD, 24);
IS(OASSL_OP_QUICK_GELU_GRAD, 25);
IS(OASSL_OP_REDUCE_SUM, 30);
IS(OASSL_OP_REDUCE_MEAN, 31);
IS(OASSL_OP_REDUCE_MAX, 32);
IS(OASSL_OP_REDUCE_MAX_GRAD, 33);
IS(OASSL_OP_REDUCE_LSE, 34);
IS(OASSL_OP_MATMUL, 40);
IS(OASSL_OP_CONV2D, 41);
IS(OASSL_OP_CONV2D_GRAD_INPUT, 42);
IS(OASSL_OP_CONV2D_GRAD_WEIGHT, 43);
IS(OASSL_OP_MAX_POOL, 44);
IS(OASSL_OP_MAX_POOL_GRAD, 45);
IS(OASSL_OP_AVG_POOL, 46);
IS(OASSL_OP_AVG_POOL_GRAD, 47);
IS(OASSL_OP_BATCH_NORM, 50);
IS(OASSL_OP_BATCH_NORM_GRAD, 51);
IS(OASSL_OP_BATCH_NORM_INFER, 52);
IS(OASSL_OP_BATCH_NORM_INFER_GRAD, 53);
IS(OASSL_OP_LAYER_NORM, 54);
IS(OASSL_OP_LAYER_NORM_GRAD, 55);
IS(OASSL_OP_SOFTMAX, 60);
IS(OASSL_OP_SOFTMAX_GRAD, 61);
IS(OASSL_OP_LOG_SOFTMAX, 62);
IS(OASSL_OP_LOG_SOFTMAX_GRAD, 63);
IS(OASSL_OP_RESHAPE, 70);
IS(OASSL_OP_TRANSPOSE, 71);
IS(OASSL_OP_CONCAT, 72);
IS(OASSL_OP_SLICE, 73);
IS(OASSL_OP_PAD, 74);
IS(OASSL_OP_BROADCAST, 75);
IS(OASSL_OP_GATHER, 76);
IS(OASSL_OP_SCATTER_ADD, 77);
IS(OASSL_OP_STOP_GRADIENT, 80);
IS(OASSL_OP_COUNT_NON_FINITE, 81);
IS(OASSL_OP_SINKHORN, 90);
IS(OASSL_OP_SINKHORN_GRAD, 91);
IS(OASSL_OP_ADAM, 100);
