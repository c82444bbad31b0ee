#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* ---- check -------------------------------------------------------------------------------------------------- */

static const cli_command check_command = {
    "captions check", "validate a caption file", "--captions F [--sources K] [--allow-empty-background] [--repair]",
    "Prints every defect with line and id; exit code 2 if there are errors.\n\n"
    "example:\n  oassl captions check --captions data/captions.jsonl\n"};

static void print_defect(void *user, int32_t severity, uint64_t line, const char *id, const char *text) {
    json_t *list = user;
    const char *name = severity == OASSL_CAPTION_ERROR ? "error" : "warning";
    if (common.json)
        json_array_append_new(list, json_pack("{s:s, s:I, s:s, s:s}", "severity", name, "line", (json_int_t)line, "id", id, "text", text));
    else printf("line %llu, %s: %s: %s\n", (unsigned long long)line, id[0] ? id : "(no id)", name, text);
}

static int check(int argc, char **argv) {
    const char *path = NULL;
    uint64_t sources = 0;
    bool empty = false, repair = false;
    const cli_option table[] = {
        {"--captions", CLI_TEXT, &path, "F", "caption file (JSON Lines)", true},
        {"--sources", CLI_UINT, &sources, "K", "foreground sentences every sample must have", false},
        {"--allow-empty-background", CLI_FLAG, &empty, NULL, "a missing background is no error", false},
        {"--repair", CLI_FLAG, &repair, NULL, "accept JSON inside code fences or prose", false},
        CLI_COMMON_OPTIONS,
        CLI_END,
    };
    int code = cli_parse(&check_command, table, argc, argv);
    if (code >= 0) return code;
    oassl_context *context = cli_open(&code);
    if (!context) return code;
    json_t *defects = json_array();
    oassl_caption_check_options options = OASSL_CAPTION_CHECK_OPTIONS_INIT;
    options.n_sources = (uint32_t)sources;
    options.allow_empty_background = empty;
    options.repair = repair;
    options.report = print_defect;
    options.report_user = defects;
    oassl_caption_counts counts = OASSL_CAPTION_COUNTS_INIT;
    oassl_status status = oassl_captions_check(context, path, &options, &counts);
    if (status != OASSL_STATUS_OK) {
        json_decref(defects);
        code = cli_failed(status);
    } else if (common.json)
        cli_print_json(json_pack("{s:I, s:I, s:I, s:I, s:o}", "captions", (json_int_t)counts.n_captions, "sentences",
                                 (json_int_t)counts.n_sentences, "errors", (json_int_t)counts.n_errors, "warnings",
                                 (json_int_t)counts.n_warnings, "defects", defects));
    else {
        json_decref(defects);
        printf("%s: %llu captions with %llu sentences, %llu errors, %llu warnings\n", path, (unsigned long long)counts.n_captions,
               (unsigned long long)counts.n_sentences, (unsigned long long)counts.n_errors, (unsigned long long)counts.n_warnings);
    }
    oassl_context_destroy(context);
    if (code < 0) code = counts.n_errors ? 2 : 0;
    return code;
}

/* ---- prompt ------------------------------------------------------------------------------------------------- */

static const cli_command prompt_command = {
    "captions prompt", "what to ask a multimodal model for captions", "--labels A,B [--hash]",
    "Prints the prompt for a picture with these labels, in which words are joined by underscores.  With --json also the\n"
    "prompt's hash, which names its version.\n\n"
    "example:\n  oassl captions prompt --labels playing_violin,man_speaking\n"};

/* Cuts `labels` at its commas in place. */
static uint32_t split_labels(char *labels, const char **out, uint32_t room) {
    uint32_t n = 0;
    for (char *save, *at = strtok_r(labels, ",", &save); at && n < room; at = strtok_r(NULL, ",", &save)) out[n++] = at;
    return n;
}

static int prompt(int argc, char **argv) {
    const char *given = NULL, *labels[64];
    bool hash = false;
    const cli_option table[] = {
        {"--labels", CLI_TEXT, &given, "A,B", "the labels of the picture, separated by commas", true},
        {"--hash", CLI_FLAG, &hash, NULL, "print only the prompt's hash", false},
        CLI_COMMON_OPTIONS,
        CLI_END,
    };
    int code = cli_parse(&prompt_command, table, argc, argv);
    if (code >= 0) return code;
    char *copy = strdup(given);
    uint32_t n = copy ? split_labels(copy, labels, 64) : 0;
    uint64_t bytes;
    oassl_status status = oassl_captions_prompt(labels, n, NULL, 0, &bytes);
    char *text = status == OASSL_STATUS_OK ? malloc(bytes + 1) : NULL;
    if (text) status = oassl_captions_prompt(labels, n, text, bytes + 1, &bytes);
    code = text && status == OASSL_STATUS_OK ? 0 : cli_failed(status);
    if (code == 0 && common.json)
        cli_print_json(json_pack("{s:s, s:s}", "prompt_hash", oassl_captions_prompt_hash(), "prompt", text));
    else if (code == 0)
        fputs(hash ? oassl_captions_prompt_hash() : text, stdout);
    if (code == 0 && hash && !common.json) putchar('\n');
    free(text);
    free(copy);
    return code;
}

/* ---- encode ------------------------------------------------------------------------------------------------- */

static const cli_command encode_command = {
    "captions encode", "caption file -> reference features (.npz)", "--captions F --encoder D --out F.npz [options]",
    "Encodes every distinct sentence once with the text encoder in D: BERT or a sentence-transformers folder (config.json,\n"
    "vocab.txt, model.safetensors), CLIP's text encoder (with vocab.json and merges.txt, or OpenAI's\n"
    "bpe_simple_vocab_16e6.txt.gz), or OpenAI's CLIP state dict as model.safetensors.  After an interruption the same\n"
    "command goes on where it stopped.\n\n"
    "example:\n  oassl captions encode --captions data/captions.jsonl --encoder bert-base-uncased --out data/captions.npz\n"};

static int encode(int argc, char **argv) {
    const char *captions = NULL, *encoder = NULL, *out = NULL, *pooling = "folder", *composites = NULL;
    uint64_t sources = 0, batch = 0;
    bool empty = false, repair = false, concat = false;
    const cli_option table[] = {
        {"--captions", CLI_TEXT, &captions, "F", "caption file (JSON Lines)", true},
        {"--encoder", CLI_TEXT, &encoder, "D", "folder of the text encoder", true},
        {"--out", CLI_TEXT, &out, "F.npz", "feature file to write", true},
        {"--sources", CLI_UINT, &sources, "K", "foreground sentences every sample must have", false},
        {"--batch", CLI_UINT, &batch, "N", "sentences at once; default 32", false},
        {"--pooling", CLI_TEXT, &pooling, "P", "cls, mean, or folder (default): what the encoder's folder says, else cls", false},
        {"--composites", CLI_TEXT, &composites, "F", "JSON Lines of mixtures to add: {\"id\": .., \"parts\": [ids]}", false},
        {"--concat-text", CLI_FLAG, &concat, NULL, "a mixture's background is one joined sentence, not a mean", false},
        {"--allow-empty-background", CLI_FLAG, &empty, NULL, "a missing background is no error", false},
        {"--repair", CLI_FLAG, &repair, NULL, "accept JSON inside code fences or prose", false},
        CLI_COMMON_OPTIONS,
        CLI_END,
    };
    int code = cli_parse(&encode_command, table, argc, argv);
    if (code >= 0) return code;
    int32_t how = strcmp(pooling, "folder") == 0 ? OASSL_POOLING_FOLDER
                  : strcmp(pooling, "mean") == 0 ? OASSL_POOLING_MEAN
                  : strcmp(pooling, "cls") == 0  ? OASSL_POOLING_CLS
                                                 : -1;
    if (how < 0) return cli_wrong(&encode_command, "--pooling: expected folder, cls or mean, found '%s'", pooling);
    if (concat && !composites) return cli_wrong(&encode_command, "--concat-text: needs --composites");
    oassl_context *context = cli_open(&code);
    if (!context) return code;
    oassl_caption_encode_options options = OASSL_CAPTION_ENCODE_OPTIONS_INIT;
    options.n_sources = (uint32_t)sources;
    options.batch = (uint32_t)batch;
    options.allow_empty_background = empty;
    options.repair = repair;
    options.pooling = how;
    options.composites_path = composites;
    options.concat_text = concat;
    oassl_caption_counts counts = OASSL_CAPTION_COUNTS_INIT;
    oassl_status status = oassl_captions_encode(context, captions, encoder, &options, out, &counts);
    code = status == OASSL_STATUS_OK ? 0 : cli_failed(status);
    cli_progress_end();
    if (code == 0 && common.json)
        cli_print_json(json_pack("{s:s, s:I, s:I}", "file", out, "captions", (json_int_t)counts.n_captions, "sentences", (json_int_t)counts.n_sentences));
    else if (code == 0)
        printf("%s: %llu captions, %llu sentences\n", out, (unsigned long long)counts.n_captions, (unsigned long long)counts.n_sentences);
    oassl_context_destroy(context);
    return code;
}

/* ---- dispatch ----------------------------------------------------------------------------------------------- */

int cmd_captions(int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[1], "check") == 0) return check(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "encode") == 0) return encode(argc - 1, argv + 1);
    if (argc >= 2 && strcmp(argv[1], "prompt") == 0) return prompt(argc - 1, argv + 1);
    bool help = argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
    fprintf(help ? stdout : stderr,
            "usage: oassl captions prompt|check|encode [options]\n\n"
            "  prompt  what to ask a multimodal model for captions\n"
            "  check   validate a caption file\n"
            "  encode  caption file -> reference features (.npz)\n\n"
            "example:\n  oassl captions check --captions data/captions.jsonl\n");
    return help ? 0 : 2;
}
