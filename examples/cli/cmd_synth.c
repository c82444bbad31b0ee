#include <string.h>

#include "cli.h"

static const cli_command command = {
    "synth", "make the built-in audio-visual data set", "--out D [--clips N] [--kind K] [options]",
    "Draws scenes of instruments, some played (hands, bow, sticks), identical silent ones beside them, and synthesises\n"
    "what is heard.  Writes images, audio, manifest.jsonl, captions.jsonl and vocab.txt; the same seed gives the same\n"
    "files.  Kinds: objects (crops to pre-train a trunk), solo, twins (silent look-alikes only), duet.\n"
    "With --text-encoder D/text_encoder gets a small seeded BERT that 'oassl captions encode' can use.\n\n"
    "example:\n"
    "  oassl synth --out data/duet --kind duet --clips 1500 --size 128 --seed 1 --text-encoder\n"};

static int32_t kind_of(const char *name) {
    static const struct {
        const char *name;
        int32_t kind;
    } kinds[] = {{"objects", OASSL_SYNTH_OBJECTS}, {"solo", OASSL_SYNTH_SOLO}, {"twins", OASSL_SYNTH_TWINS}, {"duet", OASSL_SYNTH_DUET}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0) return kinds[i].kind;
    return 0;
}

static oassl_status make_encoder(oassl_context *context, const char *folder, uint64_t seed) {
    char vocabulary[4096], encoder[4096];
    snprintf(vocabulary, sizeof vocabulary, "%s/vocab.txt", folder);
    snprintf(encoder, sizeof encoder, "%s/text_encoder", folder);
    oassl_text_encoder_options options = OASSL_TEXT_ENCODER_OPTIONS_INIT;
    options.seed = seed;
    return oassl_encoder_make_text(context, encoder, vocabulary, &options);
}

int cmd_synth(int argc, char **argv) {
    const char *out = NULL, *kind = "solo";
    uint64_t clips = 0, sources = 0, seed = 0, size = 0, first = 0;
    double seconds = 0, off_screen = 0, train = 0, val = 0, test = 0;
    bool playing = false, masks = false, jpeg = false, encoder = false;
    const cli_option table[] = {
        {"--out", CLI_TEXT, &out, "D", "folder to fill", true},
        {"--kind", CLI_TEXT, &kind, "K", "objects, solo (default), twins or duet", false},
        {"--clips", CLI_UINT64, &clips, "N", "how many; default 100", false},
        {"--sources", CLI_UINT, &sources, "N", "playing instruments, 1 to 3; default by kind", false},
        {"--seed", CLI_UINT64, &seed, "N", "default 0", false},
        {"--first", CLI_UINT64, &first, "N", "number of the first clip; default 0", false},
        {"--size", CLI_UINT, &size, "PIXELS", "side of the pictures; default 224", false},
        {"--seconds", CLI_DOUBLE, &seconds, "S", "length of the sounds; default 3", false},
        {"--off-screen", CLI_DOUBLE, &off_screen, "P", "probability of a sound without a visible source", false},
        {"--train", CLI_DOUBLE, &train, "SHARE", "shares of the splits; default 0.8, 0.1, 0.1", false},
        {"--val", CLI_DOUBLE, &val, "SHARE", "", false},
        {"--test", CLI_DOUBLE, &test, "SHARE", "", false},
        {"--label-playing", CLI_FLAG, &playing, NULL, "objects: a played instrument is a class of its own", false},
        {"--masks", CLI_FLAG, &masks, NULL, "write a mask of every source", false},
        {"--jpeg", CLI_FLAG, &jpeg, NULL, "JPEG instead of PNG", false},
        {"--text-encoder", CLI_FLAG, &encoder, NULL, "make D/text_encoder too", false},
        CLI_COMMON_OPTIONS,
        CLI_END,
    };
    int code = cli_parse(&command, table, argc, argv);
    if (code >= 0) return code;
    oassl_synth_options options = OASSL_SYNTH_OPTIONS_INIT;
    options.kind = kind_of(kind);
    if (!options.kind) return cli_wrong(&command, "--kind: expected objects, solo, twins or duet, found '%s'", kind);
    if (size > 4096 || sources > 3) return cli_wrong(&command, "--size goes to 4096, --sources to 3");
    options.n_clips = clips;
    options.seed = seed;
    options.first_index = first;
    options.width = options.height = (int32_t)size;
    options.min_sources = options.max_sources = (int32_t)sources;
    options.seconds = seconds;
    options.off_screen = off_screen;
    options.train = train;
    options.val = val;
    options.test = test;
    options.label_playing = playing;
    options.masks = masks;
    options.jpeg = jpeg;
    oassl_context *context = cli_open(&code);
    if (!context) return code;
    oassl_status status = oassl_synth_write(context, &options, out);
    if (status == OASSL_STATUS_OK && encoder) status = make_encoder(context, out, seed);
    code = status == OASSL_STATUS_OK ? 0 : cli_failed(status);
    cli_progress_end();
    if (code == 0 && common.json)
        cli_print_json(json_pack("{s:s, s:s, s:I}", "folder", out, "kind", kind, "clips", (json_int_t)(clips ? clips : 100)));
    else if (code == 0) printf("%s: %llu clips\n", out, (unsigned long long)(clips ? clips : 100));
    oassl_context_destroy(context);
    return code;
}
