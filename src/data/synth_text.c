/* Captions in the published form, and the vocabulary that covers them. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "data/synth.h"

static const char *const INSTRUMENTS[OAI_N_INSTRUMENTS] = {
    [OAI_GUITAR] = "guitar",       [OAI_VIOLIN] = "violin",      [OAI_DRUM] = "drum", [OAI_TRUMPET] = "trumpet",
    [OAI_PIANO] = "piano",         [OAI_FLUTE] = "flute",        [OAI_BELL] = "bell", [OAI_SAXOPHONE] = "saxophone",
    [OAI_ACCORDION] = "accordion", [OAI_XYLOPHONE] = "xylophone"};
static const char *const CLUTTER[OAI_N_CLUTTER] = {
    [OAI_LAMP] = "lamp",          [OAI_CHAIR] = "chair", [OAI_PLANT] = "plant",         [OAI_BOOKS] = "stack of books",
    [OAI_CRATE] = "wooden crate", [OAI_VASE] = "vase",   [OAI_FRAME] = "picture frame", [OAI_BALL] = "ball"};
static const char *const SCENERIES[OAI_N_SCENERIES] = {"a wooden floor and a wall", "a striped wall and a carpet",
                                                       "green grass under the sky", "a stage with a red curtain",
                                                       "a tiled floor and a wall",  "a plain wall"};

/* What the playing looks like, by instrument: "a hand VERB a guitar". */
static const char *const ACTIONS[OAI_N_INSTRUMENTS][3] = {
    [OAI_GUITAR] = {"playing", "strumming", "plucking"},
    [OAI_VIOLIN] = {"playing", "moving a bow over", "bowing"},
    [OAI_DRUM] = {"playing", "beating", "striking sticks on"},
    [OAI_TRUMPET] = {"playing", "pressing the valves of", "holding and sounding"},
    [OAI_PIANO] = {"playing", "pressing the keys of", "moving over the keys of"},
    [OAI_FLUTE] = {"playing", "fingering", "holding and sounding"},
    [OAI_BELL] = {"ringing", "shaking", "swinging"},
    [OAI_SAXOPHONE] = {"playing", "pressing the keys of", "fingering"},
    [OAI_ACCORDION] = {"playing", "squeezing", "pressing the keys of"},
    [OAI_XYLOPHONE] = {"playing", "striking mallets on", "hitting the bars of"}};
static const char *const PLAYER_FORMS[] = {"an image of a hand %s %s", "an image of hands %s %s",
                                           "an image of a person's hands %s %s", "an image of a musician %s %s"};
static const char *const OTHER_WORDS = "a an and of the in with image silent unplayed resting another nobody plays "
                                       "hand hands person s musician standing silence alone "
                                       "red orange yellow green teal blue purple pink black brown silver golden";

const char *oai_synth_instrument_name(int32_t i) { return i >= 0 && i < OAI_N_INSTRUMENTS ? INSTRUMENTS[i] : NULL; }
const char *oai_synth_clutter_name(int32_t i) { return i >= 0 && i < OAI_N_CLUTTER ? CLUTTER[i] : NULL; }

static void append(char *text, const char *more) {
    size_t used = strlen(text);
    snprintf(text + used, OAI_SYNTH_TEXT_BYTES - used, "%s", more);
}

/* "a red guitar", "an accordion", "a silent blue drum". */
static void name_with_article(char *out, const char *adjective, const char *color, const char *noun) {
    char words[160];
    snprintf(words, sizeof words, "%s%s%s%s%s", adjective ? adjective : "", adjective ? " " : "", color ? color : "",
             color ? " " : "", noun);
    snprintf(out, 176, "%s %s", strchr("aeiou", words[0]) ? "an" : "a", words);
}

static void describe_source(const oai_synth_object *o, oai_rng *rng, char *out) {
    char what[176], action[96];
    bool colored = oai_rng_uniform(rng) < 0.5;
    name_with_article(what, NULL, colored ? o->color : NULL, INSTRUMENTS[o->thing]);
    snprintf(action, sizeof action, "%s", ACTIONS[o->thing][oai_rng_below(rng, 3)]);
    const char *form = PLAYER_FORMS[oai_rng_below(rng, 4)];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(out, OAI_SYNTH_TEXT_BYTES, form, action, what);
#pragma GCC diagnostic pop
}

/* Everything visible that makes no sound; the scenery when there is nothing, or now and then besides. */
static void describe_background(const oai_synth_clip *clip, oai_rng *rng, char *out) {
    static const char *const quiet[] = {"silent", "unplayed", "resting"};
    const char *list[OAI_SYNTH_MAX_OBJECTS + 1];
    char names[OAI_SYNTH_MAX_OBJECTS][176];
    int32_t n = 0;
    for (int32_t i = 0; i < clip->n_objects; i++) {
        const oai_synth_object *o = &clip->objects[i];
        if (o->playing) continue;
        if (o->clutter)
            name_with_article(names[n], NULL, NULL, CLUTTER[o->thing]);
        else
            name_with_article(names[n], o->twin || oai_rng_uniform(rng) < 0.6 ? quiet[oai_rng_below(rng, 3)] : NULL,
                              oai_rng_uniform(rng) < 0.4 ? o->color : NULL, INSTRUMENTS[o->thing]);
        list[n] = names[n];
        n++;
    }
    if (n == 0 || oai_rng_uniform(rng) < 0.3) list[n++] = SCENERIES[clip->scenery];
    snprintf(out, OAI_SYNTH_TEXT_BYTES, "an image of ");
    for (int32_t i = 0; i < n; i++) {
        if (i) append(out, i + 1 < n ? ", " : " and ");
        append(out, list[i]);
    }
}

void oai_synth_describe(oai_synth_clip *clip, bool crop, oai_rng *rng) {
    for (int32_t i = 0; i < clip->n_sources; i++) describe_source(&clip->objects[i], rng, clip->foreground[i]);
    describe_background(clip, rng, clip->background);
    if (!crop || clip->n_sources > 0) return;
    memcpy(clip->foreground[0], clip->background, OAI_SYNTH_TEXT_BYTES);
    snprintf(clip->background, OAI_SYNTH_TEXT_BYTES, "an image of %s", SCENERIES[clip->scenery]);
}

/* ---- vocabulary --------------------------------------------------------------------------------------------- */

typedef struct word_list {
    char *text;
    size_t used, room;
} word_list;

static bool listed(const word_list *w, const char *word, size_t n) {
    for (const char *p = w->text; *p;) {
        const char *end = strchr(p, '\n');
        if ((size_t)(end - p) == n && memcmp(p, word, n) == 0) return true;
        p = end + 1;
    }
    return false;
}

static void add_word(word_list *w, const char *word, size_t n) {
    if (n == 0 || w->used + n + 2 > w->room || listed(w, word, n)) return;
    memcpy(w->text + w->used, word, n);
    memcpy(w->text + w->used + n, "\n", 2);
    w->used += n + 1;
}

/* Lower-case letter runs of a phrase; "%s" and punctuation fall out. */
static void add_phrase(word_list *w, const char *phrase) {
    for (const char *p = phrase; *p;) {
        if (*p == '%') p += 2;
        size_t n = 0;
        while (islower((unsigned char)p[n])) n++;
        add_word(w, p, n);
        p += n ? n : *p != 0;
    }
}

oassl_status oai_synth_vocabulary(const oai_host *host, char **out_text) {
    static const char *const special[] = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
    *out_text = NULL;
    word_list w = {.room = 8192};
    w.text = oai_calloc(host, 1, w.room);
    if (!w.text) return oai_no_memory(w.room, "the caption vocabulary");
    for (int32_t i = 0; i < 5; i++) add_word(&w, special[i], strlen(special[i]));
    for (char c = 33; c < 127; c++)
        if (!isupper((unsigned char)c)) add_word(&w, &c, 1);
    for (char c = 33; c < 127; c++)
        if (islower((unsigned char)c) || isdigit((unsigned char)c)) add_word(&w, (char[]){'#', '#', c}, 3);
    add_phrase(&w, OTHER_WORDS);
    for (int32_t i = 0; i < OAI_N_INSTRUMENTS; i++) {
        add_phrase(&w, INSTRUMENTS[i]);
        for (int32_t k = 0; k < 3; k++) add_phrase(&w, ACTIONS[i][k]);
    }
    for (int32_t i = 0; i < OAI_N_CLUTTER; i++) add_phrase(&w, CLUTTER[i]);
    for (int32_t i = 0; i < OAI_N_SCENERIES; i++) add_phrase(&w, SCENERIES[i]);
    *out_text = w.text;
    return OASSL_STATUS_OK;
}
