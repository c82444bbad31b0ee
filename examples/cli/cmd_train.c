#include <string.h>

#include "cli.h"

static const cli_command command = {
    "train", "train a model, or pre-train its visual trunk", "--data M [--captions F] --out R [options]",
    "Trains on the 'train' split of a manifest and validates on 'val'.  Every training option (include/oassl/trainer.h)\n"
    "can stand in the configuration file, a JSON object, or be set with --set.  R receives last.safetensors (to resume),\n"
    "best.safetensors (the model), log.jsonl and config.json.  Ctrl-C stops after writing last.safetensors.\n\n"
    "examples:\n"
    "  oassl train --task classify --data objects/manifest.jsonl --out trunk --set base_width=16 --set n_steps=600\n"
    "  oassl train --data duet/manifest.jsonl --captions duet/captions.npz --init trunk/best.safetensors --out run \\\n"
    "              --set base_width=16 --set lr=1e-3 --set lr_visual=0.2 --set loss.lambda_ori=0.1\n"
    "  oassl train --data duet/manifest.jsonl --captions duet/captions.npz --out run --resume\n"};

static oassl_status set_pairs(oassl_trainer_options *options, const cli_list *pairs) {
    oassl_status status = OASSL_STATUS_OK;
    for (uint32_t i = 0; i < pairs->n && status == OASSL_STATUS_OK; i++) {
        char key[64];
        const char *equals = strchr(pairs->items[i], '=');
        size_t n = equals ? (size_t)(equals - pairs->items[i]) : 0;
        if (n == 0 || n >= sizeof key) {
            fprintf(stderr, "oassl train: --set %s: expected KEY=VALUE\n", pairs->items[i]);
            return OASSL_STATUS_INVALID_ARGUMENT;
        }
        memcpy(key, pairs->items[i], n);
        key[n] = '\0';
        status = oassl_trainer_options_set(options, key, equals + 1);
        if (status != OASSL_STATUS_OK) cli_failed(status);
    }
    return status;
}

static void report(const oassl_trainer *trainer, const char *run_dir) {
    oassl_trainer_state state = {sizeof state};
    if (oassl_trainer_get_state(trainer, &state) != OASSL_STATUS_OK) return;
    if (common.json)
        cli_print_json(json_pack("{s:I, s:I, s:I, s:f, s:f, s:f, s:I, s:I, s:f}", "step", (json_int_t)state.step, "n_steps",
                                 (json_int_t)state.n_steps, "epoch", (json_int_t)state.epoch, "loss", state.loss,
                                 "val_score", state.val_score, "best_score", state.best_score, "parameters",
                                 (json_int_t)state.n_parameters, "workspace_bytes", (json_int_t)state.workspace_bytes, "loader_wait",
                                 state.wait_share));
    else
        printf("%s: step %llu of %llu, loss %.4f, validation %.4f (best %.4f), %.1f %% of the time waiting for the loader\n", run_dir,
               (unsigned long long)state.step, (unsigned long long)state.n_steps, state.loss, state.val_score, state.best_score,
               100 * state.wait_share);
}

int cmd_train(int argc, char **argv) {
    const char *config = NULL, *data = NULL, *captions = NULL, *out = NULL, *init = NULL, *task = NULL;
    cli_list pairs = {{0}, 0};
    bool resume = false;
    const cli_option table[] = {
        {"--data", CLI_TEXT, &data, "M", "manifest (JSON Lines)", true},
        {"--out", CLI_TEXT, &out, "R", "folder of the run", true},
        {"--captions", CLI_TEXT, &captions, "F", "caption reference features (.npz)", false},
        {"--config", CLI_TEXT, &config, "C", "training options as a JSON object", false},
        {"--set", CLI_LIST, &pairs, "KEY=VALUE", "one training option; may be repeated", false},
        {"--init", CLI_TEXT, &init, "W", "weights to start from", false},
        {"--task", CLI_TEXT, &task, "T", "localize (default) or classify", false},
        {"--resume", CLI_FLAG, &resume, NULL, "continue from R/last.safetensors, with R/config.json unless --config is given", false},
        {"--precision", CLI_TEXT, &common.precision, "P", "f32 (default), f32-fast, or bf16 with f32 master weights", false},
        CLI_COMMON_OPTIONS,
        CLI_END,
    };
    int code = cli_parse(&command, table, argc, argv);
    if (code >= 0) return code;

    oassl_trainer_options options = OASSL_TRAINER_OPTIONS_INIT;
    char earlier[4096];
    snprintf(earlier, sizeof earlier, "%s/config.json", out);
    if (resume && !config) config = earlier;
    oassl_status status = config ? oassl_trainer_options_read(&options, config) : OASSL_STATUS_OK;
    if (status == OASSL_STATUS_OK && task) status = oassl_trainer_options_set(&options, "task", task);
    if (status != OASSL_STATUS_OK) return cli_failed(status);
    if (set_pairs(&options, &pairs) != OASSL_STATUS_OK) return 2;
    if ((code = cli_precision(&command, &options.precision)) >= 0) return code;
    if (init) options.init = init;

    oassl_context *context = cli_open(&code);
    if (!context) return code;
    oassl_trainer *trainer = NULL;
    status = oassl_trainer_create(context, &options, data, captions, out, &trainer);
    if (status == OASSL_STATUS_OK && resume) status = oassl_trainer_resume(trainer);
    if (status == OASSL_STATUS_OK) status = oassl_trainer_run(trainer);
    code = status == OASSL_STATUS_OK ? 0 : cli_failed(status);
    cli_progress_end();
    if (status == OASSL_STATUS_OK || status == OASSL_STATUS_CANCELLED) report(trainer, out);
    oassl_trainer_destroy(trainer);
    oassl_context_destroy(context);
    return code;
}
