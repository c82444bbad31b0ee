#include <ctype.h>
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "data/synth.h"
#include "oassl/context.h"
#include "oassl/data.h"
#include "support/scarce.h"

#define assert_ok(expr)                                                                                               \
    do {                                                                                                              \
        oassl_status status_ = (expr);                                                                                \
        if (status_ != OASSL_STATUS_OK) fail_msg("%s: %s", #expr, oassl_last_error());                                \
    } while (0)

static const oai_host *const HOST = &oai_default_host;

static oai_synth_options small(int32_t kind) {
    oai_synth_options o = oai_synth_defaults(kind);
    o.width = o.height = 128, o.n_samples = 16000, o.seed = 5;
    return o;
}

static oai_synth_clip make(const oai_synth_options *o, uint64_t index) {
    oai_synth_clip clip;
    assert_ok(oai_synth_clip_make(HOST, o, index, &clip));
    return clip;
}

static void test_same_seed_same_bytes(void **state) {
    (void)state;
    for (int32_t kind = OAI_SYNTH_OBJECTS; kind <= OAI_SYNTH_DUET; kind++) {
        oai_synth_options o = small(kind);
        oai_synth_clip a = make(&o, 17), between = make(&o, 3), b = make(&o, 17);
        assert_memory_equal(a.rgb, b.rgb, 128 * 128 * 3);
        assert_string_equal(a.background, b.background);
        if (a.pcm) assert_memory_equal(a.pcm, b.pcm, 16000 * sizeof(float));
        assert_true(memcmp(a.rgb, between.rgb, 128 * 128 * 3) != 0);
        o.seed = 6;
        oai_synth_clip other = make(&o, 17);
        assert_true(memcmp(a.rgb, other.rgb, 128 * 128 * 3) != 0);
        oai_synth_clip_free(&a), oai_synth_clip_free(&b), oai_synth_clip_free(&between), oai_synth_clip_free(&other);
    }
}

static void check_box(const oai_synth_clip *clip, const oai_synth_object *o) {
    assert_true(o->box[0] >= 0 && o->box[1] >= 0 && o->box[2] <= clip->width && o->box[3] <= clip->height);
    float w = o->box[2] - o->box[0], h = o->box[3] - o->box[1];
    assert_true(w >= 6 && h >= 6);
    assert_int_equal(o->mask != NULL, o->playing);
    if (!o->mask) return;
    int32_t inside = 0;
    for (int32_t y = 0; y < clip->height; y++) {
        for (int32_t x = 0; x < clip->width; x++) {
            bool in = (float)x >= o->box[0] && (float)x < o->box[2] && (float)y >= o->box[1] && (float)y < o->box[3];
            if (o->mask[y * clip->width + x] < 128) continue;
            assert_true(in);
            inside++;
        }
    }
    assert_true((float)inside > 0.15f * w * h);
}

/* Who is there, by kind: sources first and playing, twins of the sources' classes and looks, others of other classes.
 */
static void check_cast(const oai_synth_clip *clip, const oai_synth_options *o) {
    int32_t twins = 0, others = 0;
    for (int32_t i = 0; i < clip->n_objects; i++) {
        const oai_synth_object *a = &clip->objects[i];
        assert_int_equal(a->playing, i < clip->n_sources);
        bool like_a_source = false;
        for (int32_t s = 0; s < clip->n_sources && !a->clutter; s++) {
            const oai_synth_object *source = &clip->objects[s];
            if (s != i && i < clip->n_sources) assert_true(a->thing != source->thing);
            if (a->thing != source->thing) continue;
            like_a_source = true;
            assert_memory_equal(&a->look, &source->look, sizeof a->look);
        }
        if (a->playing || a->clutter) continue;
        assert_int_equal(a->twin, like_a_source);
        twins += a->twin, others += !a->twin;
    }
    assert_int_equal(twins, clip->n_sources * o->n_twins);
    assert_in_range(others, o->min_others, o->max_others);
}

static void test_scenes(void **state) {
    (void)state;
    for (int32_t kind = OAI_SYNTH_SOLO; kind <= OAI_SYNTH_DUET; kind++) {
        oai_synth_options o = small(kind);
        int32_t seen[OAI_N_INSTRUMENTS] = {0};
        for (uint64_t i = 0; i < 80; i++) {
            oai_synth_clip clip = make(&o, i);
            assert_int_equal(clip.n_sources, kind == OAI_SYNTH_DUET ? 2 : 1);
            check_cast(&clip, &o);
            for (int32_t k = 0; k < clip.n_objects; k++) check_box(&clip, &clip.objects[k]);
            for (int32_t k = 0; k < clip.n_sources; k++) seen[clip.objects[k].thing]++;
            oai_synth_clip_free(&clip);
        }
        for (int32_t c = 0; c < OAI_N_INSTRUMENTS; c++) assert_true(seen[c] > 0);
    }
}

static void test_objects_are_balanced(void **state) {
    (void)state;
    oai_synth_options o = small(OAI_SYNTH_OBJECTS);
    int32_t playing = 0;
    for (uint64_t i = 0; i < 60; i++) {
        oai_synth_clip clip = make(&o, i);
        const oai_synth_object *a = &clip.objects[0];
        assert_int_equal(a->thing, i % OAI_N_INSTRUMENTS);
        assert_true(fmaxf(a->box[2] - a->box[0], a->box[3] - a->box[1]) > 0.4f * 128);
        assert_null(clip.pcm);
        playing += a->playing;
        oai_synth_clip_free(&clip);
    }
    assert_in_range(playing, 18, 42);
}

/* Playing must change how the instrument looks, on the instrument itself. */
static void test_playing_shows(void **state) {
    (void)state;
    oai_rng rng = oai_rng_stream(1, 2);
    for (int32_t c = 0; c < OAI_N_INSTRUMENTS; c++) {
        enum { N = 64 };
        float silent[N * N * 3], played[N * N * 3];
        uint8_t mask[N * N] = {0};
        oai_look look = oai_look_draw(&rng);
        oai_player player = oai_player_draw(&rng);
        for (int32_t i = 0; i < N * N * 3; i++) silent[i] = played[i] = 0.5f;
        oai_canvas a = {N, N, silent}, b = {N, N, played};
        oai_pen pen = {
            .canvas = &a, .x = 32, .y = 32, .scale = 24, .cosine = 1, .flip = 1, .mask = mask, .marking = true};
        oai_instrument_render(&pen, c, &look);
        pen.canvas = &b, pen.mask = NULL;
        oai_instrument_render(&pen, c, &look);
        oai_playing_render(&pen, c, &player);
        int32_t changed = 0, on = 0;
        for (int32_t i = 0; i < N * N; i++) {
            float d = 0;
            for (int32_t k = 0; k < 3; k++) d += fabsf(silent[3 * i + k] - played[3 * i + k]);
            if (mask[i] > 127) on++, changed += d > 0.3f;
        }
        if (on < 150 || changed * 20 < on)
            fail_msg("%s: playing changes %d of %d pixels", oai_synth_instrument_name(c), changed, on);
    }
}

static void test_sounds(void **state) {
    (void)state;
    oai_synth_options o = small(OAI_SYNTH_SOLO);
    o.off_screen = 1;
    for (uint64_t i = 0; i < 30; i++) {
        oai_synth_clip clip = make(&o, i);
        double power = 0;
        for (int32_t k = 0; k < clip.n_samples; k++) {
            assert_true(fabsf(clip.pcm[k]) <= 0.96f);
            power += (double)clip.pcm[k] * clip.pcm[k];
        }
        assert_true(sqrt(power / clip.n_samples) > 0.02);
        for (int32_t k = 0; k < clip.n_objects; k++) /* off-screen means not to be seen */
            if (!clip.objects[k].clutter) assert_true(clip.objects[k].thing != clip.off_screen);
        assert_true(clip.off_screen >= 0);
        oai_synth_clip_free(&clip);
    }
    /* every class on its own, at another rate */
    for (int32_t c = 0; c < OAI_N_INSTRUMENTS; c++) {
        float pcm[8000] = {0}, peak = 0;
        oai_rng rng = oai_rng_stream(9, (uint64_t)c);
        oai_synth_play(c, &rng, 22050, 8000, pcm);
        for (int32_t k = 0; k < 8000; k++) assert_true(isfinite(pcm[k])), peak = fmaxf(peak, fabsf(pcm[k]));
        assert_true(peak > 0.05f);
    }
}

static bool in_vocabulary(const char *vocabulary, const char *word, size_t n) {
    char line[64];
    snprintf(line, sizeof line, "\n%.*s\n", (int)n, word);
    return strstr(vocabulary, line) != NULL;
}

static void check_words(const char *vocabulary, const char *text) {
    assert_memory_equal(text, "an image of ", 12);
    assert_true(strlen(text) < OAI_SYNTH_TEXT_BYTES - 1);
    for (const char *p = text; *p;) {
        size_t n = 0;
        while (isalpha((unsigned char)p[n])) n++;
        if (n && !in_vocabulary(vocabulary, p, n)) fail_msg("'%.*s' is not in the vocabulary", (int)n, p);
        if (!n && *p != ' ' && !in_vocabulary(vocabulary, p, 1)) fail_msg("'%c' is not in the vocabulary", *p);
        p += n ? n : 1;
    }
}

static void test_captions_and_vocabulary(void **state) {
    (void)state;
    char *vocabulary;
    assert_ok(oai_synth_vocabulary(HOST, &vocabulary));
    assert_memory_equal(vocabulary, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n", 31);
    for (char c = 'a'; c <= 'z'; c++)
        assert_true(in_vocabulary(vocabulary, &c, 1) && in_vocabulary(vocabulary, (char[]){'#', '#', c}, 3));
    oai_synth_options o = small(OAI_SYNTH_DUET);
    o.max_others = 2, o.max_clutter = 4, o.n_samples = 1600;
    for (uint64_t i = 0; i < 120; i++) {
        oai_synth_clip clip = make(&o, i);
        for (int32_t k = 0; k < clip.n_sources; k++) {
            check_words(vocabulary, clip.foreground[k]);
            assert_non_null(strstr(clip.foreground[k], oai_synth_instrument_name(clip.objects[k].thing)));
        }
        check_words(vocabulary, clip.background);
        for (int32_t k = clip.n_sources; k < clip.n_objects; k++) {
            const oai_synth_object *a = &clip.objects[k];
            assert_non_null(strstr(clip.background, a->clutter ? oai_synth_clutter_name(a->thing)
                                                               : oai_synth_instrument_name(a->thing)));
        }
        oai_synth_clip_free(&clip);
    }
    oai_free(HOST, vocabulary);
}

static void test_options_are_checked(void **state) {
    (void)state;
    oai_synth_options good = small(OAI_SYNTH_SOLO), o;
    assert_ok(oai_synth_check(&good));
#define REFUSED(change)                                                                                               \
    do {                                                                                                              \
        o = good;                                                                                                     \
        change;                                                                                                       \
        assert_int_equal(oai_synth_check(&o), OASSL_STATUS_INVALID_ARGUMENT);                                         \
    } while (0)
    REFUSED(o.kind = 9);
    REFUSED(o.width = 8);
    REFUSED(o.height = 100000);
    REFUSED(o.rate = 0);
    REFUSED(o.n_samples = 3);
    REFUSED(o.n_classes = 11);
    REFUSED(o.n_classes = 2); /* not enough for the others */
    REFUSED(o.max_sources = 4);
    REFUSED(o.min_sources = 2);
    REFUSED(o.max_clutter = 40);
    REFUSED(o.off_screen = 1.5);
    REFUSED(o.off_screen = NAN);
    oai_synth_clip clip;
    o.kind = 0;
    assert_int_equal(oai_synth_clip_make(HOST, &o, 0, &clip), OASSL_STATUS_INVALID_ARGUMENT);
    oai_synth_clip_free(&clip); /* legal after a failure */
}

static void test_wide_pictures_and_trios(void **state) {
    (void)state;
    oai_synth_options o = small(OAI_SYNTH_DUET);
    o.width = 300, o.height = 120, o.min_sources = o.max_sources = 3, o.n_twins = 1, o.max_others = 0;
    oai_synth_clip clip = make(&o, 0);
    assert_int_equal(clip.n_sources, 3);
    for (int32_t k = 0; k < clip.n_objects; k++) check_box(&clip, &clip.objects[k]);
    oai_synth_clip_free(&clip);
    o = small(OAI_SYNTH_SOLO);
    o.min_sources = o.max_sources = 0, o.off_screen = 1;
    clip = make(&o, 0); /* nothing that can be seen plays */
    assert_int_equal(clip.n_sources, 0);
    oai_synth_clip_free(&clip);
}

/* ---- the folder ----------------------------------------------------------------------------------------------------
 */

static void remove_tree(const char *path) {
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

static void same_file(const char *a, const char *b, const char *name) {
    char path[2][1024], *text[2];
    size_t bytes[2];
    snprintf(path[0], sizeof path[0], "%s/%s", a, name);
    snprintf(path[1], sizeof path[1], "%s/%s", b, name);
    for (int i = 0; i < 2; i++) assert_ok(oai_file_read(HOST, path[i], 1 << 24, &text[i], &bytes[i]));
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(text[0], text[1], bytes[0]);
    for (int i = 0; i < 2; i++) oai_free(HOST, text[i]);
}

static oassl_context *context_of(uint32_t n_threads, int32_t (*progress)(void *, const char *, uint64_t, uint64_t)) {
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    oassl_context *context;
    options.n_threads = n_threads, options.backend = "reference", options.progress = progress;
    assert_ok(oassl_context_create(&options, &context));
    return context;
}

static int32_t cancel(void *user, const char *task, uint64_t done, uint64_t total) {
    (void)user, (void)task, (void)total;
    return done >= 3;
}

static void test_folder(void **state) {
    (void)state;
    char folder[2][300], path[400];
    oassl_synth_options o = OASSL_SYNTH_OPTIONS_INIT;
    o.kind = OASSL_SYNTH_DUET, o.n_clips = 20, o.width = o.height = 96, o.seconds = 0.5, o.masks = 1,
    o.first_index = 7;
    for (int i = 0; i < 2; i++) {
        oassl_context *context = context_of(i ? 3 : 1, NULL);
        snprintf(folder[i], sizeof folder[i], "%s/synth-%d-%d", OASSL_TEST_TMP, (int)getpid(), i);
        assert_ok(oassl_synth_write(context, &o, folder[i]));
        if (i == 0) {
            snprintf(path, sizeof path, "%s/manifest.jsonl", folder[0]);
            oassl_manifest *m;
            uint64_t n, total = 0;
            assert_ok(oassl_manifest_load(context, path, NULL, &m)); /* all media are there */
            assert_int_equal(oassl_manifest_count(m), 20);
            for (int k = 0; k < 3; k++) {
                static const char *const splits[] = {"train", "val", "test"};
                static const uint64_t least[] = {15, 1, 1};
                assert_ok(oassl_manifest_split(m, splits[k], NULL, 0, &n));
                assert_true(n >= least[k]);
                total += n;
            }
            assert_int_equal(total, 20);
            oassl_record r = OASSL_RECORD_INIT;
            assert_ok(oassl_manifest_record(m, 0, &r));
            assert_string_equal(r.id, "duet_00007");
            assert_int_equal(r.n_sources, 2);
            assert_non_null(r.sources[1].mask);
            assert_int_equal(oassl_manifest_record(m, 20, &r), OASSL_STATUS_INVALID_ARGUMENT);
            oassl_manifest_destroy(m);
        }
        oassl_context_destroy(context);
    }
    static const char *const files[] = {"manifest.jsonl",        "captions.jsonl",       "vocab.txt",
                                        "images/duet_00012.png", "audio/duet_00026.wav", "masks/duet_00009_1.png"};
    for (size_t k = 0; k < sizeof files / sizeof *files; k++) same_file(folder[0], folder[1], files[k]);
    remove_tree(folder[0]), remove_tree(folder[1]);
}

static void test_folder_failures(void **state) {
    (void)state;
    char folder[300], path[400];
    oassl_synth_options o = OASSL_SYNTH_OPTIONS_INIT;
    o.n_clips = 20, o.width = o.height = 64, o.seconds = 0.2;
    snprintf(folder, sizeof folder, "%s/synth-%d-c", OASSL_TEST_TMP, (int)getpid());
    oassl_context *context = context_of(2, cancel);
    snprintf(path, sizeof path, "%s/manifest.jsonl", folder);
    assert_ok(oai_make_directories(folder));
    assert_ok(oai_file_write(HOST, path, "an earlier one\n", 15));
    assert_int_equal(oassl_synth_write(context, &o, folder), OASSL_STATUS_CANCELLED);
    assert_int_not_equal(access(path, F_OK), 0); /* a manifest is only there when all it lists is */
    remove_tree(folder);
    assert_ok(oai_file_write(HOST, folder, "x", 1)); /* a file where the folder should be */
    oassl_status status = oassl_synth_write(context, &o, folder);
    assert_true(status == OASSL_STATUS_IO);
    assert_non_null(strstr(oassl_last_error(), "synth-"));
    unlink(folder);
    o.kind = 7;
    assert_int_equal(oassl_synth_write(context, &o, folder), OASSL_STATUS_INVALID_ARGUMENT);
    assert_int_equal(oassl_synth_write(NULL, &o, folder), OASSL_STATUS_INVALID_ARGUMENT);
    oassl_context_destroy(context);
}

/* ---- out of memory at every allocation ---- */

static void test_out_of_memory(void **state) {
    (void)state;
    oai_synth_options o = small(OAI_SYNTH_SOLO);
    o.n_samples = 1600;
    for (int64_t n = 0;; n++) {
        scarce b = {.left = n};
        oai_host host = scarce_host(&b);
        oai_synth_clip clip;
        oassl_status status = oai_synth_clip_make(&host, &o, 1, &clip);
        oai_synth_clip_free(&clip);
        assert_int_equal(b.live, 0);
        if (status == OASSL_STATUS_OK) break;
        assert_int_equal(status, OASSL_STATUS_OUT_OF_MEMORY);
        assert_true(n < 100);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_bytes),
        cmocka_unit_test(test_scenes),
        cmocka_unit_test(test_objects_are_balanced),
        cmocka_unit_test(test_playing_shows),
        cmocka_unit_test(test_sounds),
        cmocka_unit_test(test_captions_and_vocabulary),
        cmocka_unit_test(test_options_are_checked),
        cmocka_unit_test(test_wide_pictures_and_trios),
        cmocka_unit_test(test_folder),
        cmocka_unit_test(test_folder_failures),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
