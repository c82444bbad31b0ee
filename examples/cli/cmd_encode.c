#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const cli_command command = {
    "encode", "features of a picture, a sound or a text", "(--model W (--image I | --audio A) | --encoder D --text T) --out F.npy",
    "A picture gives its feature map [d, h, w], a sound and a text a vector [d], as a NumPy array.\n\n"
    "examples:\n"
    "  oassl encode --model run/best.safetensors --image band.jpg --out features.npy\n"
    "  oassl encode --encoder bert-base-uncased --text 'an image of a man playing guitar' --out text.npy\n"};

static oassl_tensor view_of(float *data, int32_t rank, int64_t a, int64_t b, int64_t c, int64_t d) {
    oassl_tensor t = {.data = data, .device = OASSL_DEVICE_CPU, .dtype = OASSL_DTYPE_F32, .rank = rank, .shape = {a, b, c, d}};
    int64_t stride = 1;
    for (int32_t axis = rank - 1; axis >= 0; axis--) {
        t.strides[axis] = stride;
        stride *= t.shape[axis];
    }
    return t;
}

/* Writes a [1, ...] result without its batch axis. */
static oassl_status save(const oassl_context *context, const char *path, oassl_tensor batch) {
    oassl_tensor one = batch;
    one.rank--;
    memmove(one.shape, batch.shape + 1, sizeof one.shape - sizeof one.shape[0]);
    memmove(one.strides, batch.strides + 1, sizeof one.strides - sizeof one.strides[0]);
    oassl_status status = oassl_tensor_save_npy(context, path, &one);
    if (status == OASSL_STATUS_OK && !common.json) {
        printf("%s: [", path);
        for (int32_t axis = 0; axis < one.rank; axis++) printf("%s%lld", axis ? ", " : "", (long long)one.shape[axis]);
        puts("]");
    } else if (status == OASSL_STATUS_OK)
        cli_print_json(json_pack("{s:s, s:i}", "file", path, "rank", one.rank));
    return status;
}

/* What the model was trained to see and hear, unless the command line says otherwise. */
static void take_training(const oassl_model *model, uint64_t *size, oassl_audio_options *sound) {
    const char *text = oassl_model_metadata(model, "oassl_training");
    json_t *training = text ? json_loads(text, 0, NULL) : NULL;
    json_int_t trained = json_integer_value(json_object_get(training, "image_size"));
    const char *preset = json_string_value(json_object_get(training, "audio_preset"));
    if (*size == 0) *size = trained >= 32 && trained <= 4096 ? (uint64_t)trained : 224;
    int32_t found;
    if (preset && oassl_audio_preset_find(preset, &found) == OASSL_STATUS_OK) sound->preset = found; /* "default" is none */
    json_decref(training);
}

static oassl_status encode_picture(const oassl_context *context, const oassl_encoder *encoder, const char *path, uint64_t size, const char *out) {
    oassl_image picture;
    oassl_image_options options = OASSL_IMAGE_OPTIONS_INIT;
    options.size = (int32_t)size;
    oassl_encoder_shape shape = {sizeof shape, 0, 0, 0};
    oassl_status status = oassl_encoder_picture_shape(encoder, (uint32_t)size, (uint32_t)size, &shape);
    if (status != OASSL_STATUS_OK) return status;
    status = oassl_image_load(context, path, &picture);
    if (status != OASSL_STATUS_OK) return status;
    int64_t side = (int64_t)size, n_input = 3 * side * side;
    float *input = malloc((size_t)n_input * sizeof *input), *map = malloc((size_t)shape.channels * shape.height * shape.width * sizeof *map);
    if (!input || !map) status = OASSL_STATUS_OUT_OF_MEMORY;
    else status = oassl_image_prepare(context, &options, &picture, input, (uint64_t)n_input);
    oassl_tensor in = view_of(input, 4, 1, 3, side, side), features = view_of(map, 4, 1, shape.channels, shape.height, shape.width);
    if (status == OASSL_STATUS_OK) status = oassl_encoder_pictures(encoder, &in, &features, NULL);
    if (status == OASSL_STATUS_OK) status = save(context, out, features);
    oassl_image_free(context, &picture);
    free(input);
    free(map);
    return status;
}

static oassl_status encode_sound(const oassl_context *context, const oassl_encoder *encoder, uint32_t channels,
                                 const oassl_audio_options *options, const char *path, const char *out) {
    oassl_audio sound;
    uint64_t columns;
    oassl_status status = oassl_audio_load(context, path, &sound);
    if (status != OASSL_STATUS_OK) return status;
    status = oassl_audio_logspec_columns(options, sound.rate, &columns);
    uint64_t n = status == OASSL_STATUS_OK ? OASSL_LOGSPEC_ROWS * columns : 0;
    float *logspec = malloc((n + 1) * sizeof *logspec), *vector = malloc(channels * sizeof *vector);
    if (status == OASSL_STATUS_OK && (!logspec || !vector)) status = OASSL_STATUS_OUT_OF_MEMORY;
    if (status == OASSL_STATUS_OK) status = oassl_audio_logspec(context, options, &sound, logspec, n);
    oassl_tensor in = view_of(logspec, 4, 1, 1, OASSL_LOGSPEC_ROWS, (int64_t)columns), features = view_of(vector, 2, 1, channels, 0, 0);
    if (status == OASSL_STATUS_OK) status = oassl_encoder_sounds(encoder, &in, &features);
    if (status == OASSL_STATUS_OK) status = save(context, out, features);
    oassl_audio_free(context, &sound);
    free(logspec);
    free(vector);
    return status;
}

static oassl_status encode_text(const oassl_context *context, const oassl_encoder *encoder, const char *text, int32_t pooling, const char *out) {
    uint32_t dim;
    oassl_status status = oassl_encoder_text_dim(encoder, &dim);
    if (status != OASSL_STATUS_OK) return status;
    float *vector = malloc(dim * sizeof *vector);
    if (!vector) return OASSL_STATUS_OUT_OF_MEMORY;
    oassl_tensor features = view_of(vector, 2, 1, dim, 0, 0);
    status = oassl_encoder_texts(encoder, &text, 1, pooling, &features);
    if (status == OASSL_STATUS_OK) status = save(context, out, features);
    free(vector);
    return status;
}

static oassl_status encode_media(oassl_context *context, const char *model_path, const char *image, const char *audio, uint64_t size, int32_t precision, const char *out) {
    oassl_model *model = NULL;
    oassl_encoder *encoder = NULL;
    oassl_model_info info = {.struct_size = sizeof info};
    oassl_status status = cli_load_model(context, model_path, precision, &model);
    if (status == OASSL_STATUS_OK) status = oassl_model_get_info(model, &info);
    if (status == OASSL_STATUS_OK) status = oassl_encoder_create(model, &encoder);
    oassl_audio_options sound = OASSL_AUDIO_OPTIONS_INIT;
    if (status == OASSL_STATUS_OK) take_training(model, &size, &sound);
    if (status == OASSL_STATUS_OK)
        status = image ? encode_picture(context, encoder, image, size, out) : encode_sound(context, encoder, info.channels, &sound, audio, out);
    oassl_encoder_destroy(encoder);
    oassl_model_destroy(model);
    return status;
}

int cmd_encode(int argc, char **argv) {
    const char *model = NULL, *folder = NULL, *image = NULL, *audio = NULL, *text = NULL, *out = NULL, *pooling = "folder";
    uint64_t size = 0;
    const cli_option table[] = {
        {"--model", CLI_TEXT, &model, "W", "weights (safetensors), for pictures and sounds", false},
        {"--encoder", CLI_TEXT, &folder, "D", "folder of a text encoder, for texts", false},
        {"--image", CLI_TEXT, &image, "I", "picture", false},
        {"--audio", CLI_TEXT, &audio, "A", "sound", false},
        {"--text", CLI_TEXT, &text, "T", "text", false},
        {"--size", CLI_UINT, &size, "PIXELS", "side of the network's input; default: the model's", false},
        {"--pooling", CLI_TEXT, &pooling, "P", "of texts: cls, mean, or folder (default): what the encoder's folder says, else cls", false},
        {"--out", CLI_TEXT, &out, "F.npy", "array to write", true},
        CLI_PRECISION_OPTION,
        CLI_COMMON_OPTIONS,
        CLI_END,
    };
    int code = cli_parse(&command, table, argc, argv);
    if (code >= 0) return code;
    int32_t precision = OASSL_PRECISION_F32;
    if ((code = cli_precision(&command, &precision)) >= 0) return code;
    if ((image != NULL) + (audio != NULL) + (text != NULL) != 1) return cli_wrong(&command, "give one of --image, --audio and --text");
    if (text ? !folder : !model) return cli_wrong(&command, text ? "--text needs --encoder" : "--image and --audio need --model");
    if (size && (size < 32 || size > 4096)) return cli_wrong(&command, "--size: expected 32 to 4096");
    int32_t how = strcmp(pooling, "folder") == 0 ? OASSL_POOLING_FOLDER
                  : strcmp(pooling, "mean") == 0 ? OASSL_POOLING_MEAN
                  : strcmp(pooling, "cls") == 0  ? OASSL_POOLING_CLS
                                                 : -1;
    if (how < 0) return cli_wrong(&command, "--pooling: expected folder, cls or mean, found '%s'", pooling);
    oassl_context *context = cli_open(&code);
    if (!context) return code;
    oassl_status status;
    if (text) {
        oassl_encoder *encoder = NULL;
        status = oassl_encoder_create_text(context, folder, &encoder);
        if (status == OASSL_STATUS_OK) status = encode_text(context, encoder, text, how, out);
        oassl_encoder_destroy(encoder);
    } else status = encode_media(context, model, image, audio, size, precision, out);
    code = status == OASSL_STATUS_OK ? 0 : cli_failed(status);
    oassl_context_destroy(context);
    return code;
}
