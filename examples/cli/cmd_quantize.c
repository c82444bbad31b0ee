#include "cli.h"
#include "report.h"

static const cli_command command = {
    "quantize", "calibrate a model for int8", "--model W --data M --out F [options]",
    "Runs the model over pictures and sounds of a manifest, notes between which bounds the values around each "
    "convolution\n"
    "lie, and writes the same f32 weights with these ranges: a file for --precision int8, and for every other "
    "precision as\n"
    "before.  Take data the model is not tested on; by default that is the split 'train'.  No boxes are needed.\n\n"
    "example:\n"
    "  oassl quantize --model run/best.safetensors --data data/manifest.jsonl --out int8.safetensors\n"
    "  oassl localize --model int8.safetensors --precision int8 --image band.jpg --audio band.wav --out "
    "overlay.png\n"};

int cmd_quantize(int argc, char **argv) {
    const char *model_path = NULL, *data = NULL, *out = NULL, *split = NULL;
    uint64_t samples = 0;
    double percentile = 0;
    bool skip = false;
    const cli_option table[] = {
        {"--model", CLI_TEXT, &model_path, "W", "weights (safetensors)", true},
        {"--data", CLI_TEXT, &data, "M", "manifest (JSON Lines)", true},
        {"--out", CLI_TEXT, &out, "F", "file to write", true},
        {"--split", CLI_TEXT, &split, "S", "default train; '' = all records", false},
        {"--samples", CLI_UINT, &samples, "N", "records to run over, evenly spread; default 128", false},
        {"--percentile", CLI_DOUBLE, &percentile, "P", "of the elements that a range holds; default 99.99", false},
        {"--skip-missing", CLI_FLAG, &skip, NULL, "leave out records whose media are missing", false},
        CLI_COMMON_OPTIONS,
        CLI_END,
    };
    int code = cli_parse(&command, table, argc, argv);
    if (code >= 0) return code;
    oassl_context *context = cli_open(&code);
    if (!context) return code;
    oassl_quantize_options options = OASSL_QUANTIZE_OPTIONS_INIT;
    options.split = split;
    options.max_samples = samples;
    options.percentile = percentile;
    options.missing = skip ? OASSL_MISSING_SKIP : OASSL_MISSING_ERROR;
    oassl_model *model = NULL, *quantized = NULL;
    oassl_quantizer *quantizer = NULL;
    oassl_status status = oassl_model_load(context, model_path, NULL, &model);
    if (status == OASSL_STATUS_OK) status = oassl_quantizer_create(model, &options, &quantizer);
    if (status == OASSL_STATUS_OK) status = oassl_quantizer_add_manifest(quantizer, data);
    if (status == OASSL_STATUS_OK) status = oassl_quantizer_finish(quantizer, &quantized);
    if (status == OASSL_STATUS_OK) status = oassl_model_save(quantized, out);
    code = status == OASSL_STATUS_OK ? 0 : cli_failed(status);
    cli_progress_end();
    json_int_t n = (json_int_t)oassl_quantizer_n_samples(quantizer);
    if (code == 0 && common.json)
        cli_print_json(json_pack("{s:o, s:o, s:o, s:I}", "model", json_clean_string(model_path), "data",
                                 json_clean_string(data), "out", json_clean_string(out), "samples", n));
    else if (code == 0)
        printf("%s: ranges from %lld samples of %s\n", out, (long long)n, data);
    oassl_quantizer_destroy(quantizer);
    oassl_model_destroy(quantized);
    oassl_model_destroy(model);
    oassl_context_destroy(context);
    return code;
}
