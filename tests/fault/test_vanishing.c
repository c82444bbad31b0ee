/* Files that go away, shrink or turn into something else between their listing and their reading: the status names file
 * and record, and the object works again when the file is back. */
#define FAULT_DIR OASSL_TEST_TMP "/fault_vanishing"
#include "fault/operations.h"

#include <signal.h>
#include <sys/wait.h>

/* ---- media of a manifest ---------------------------------------------------------------------------------------- */

/* Ways in which a file is not what it was. */
enum { GONE, EMPTY, FOLDER, PIPE, N_WAYS };

static const char *file_of(const oassl_manifest *manifest, uint64_t number, bool sounds) {
    oassl_record record = OASSL_RECORD_INIT;
    MUST(oassl_manifest_record(manifest, number, &record));
    return sounds ? record.audio : record.image;
}

static void spoil(const char *path, int way) {
    char kept[1024];
    snprintf(kept, sizeof kept, "%s.kept", path);
    assert_int_equal(rename(path, kept), 0);
    if (way == EMPTY) tiny_write_file(path, "", 0);
    if (way == FOLDER) assert_int_equal(mkdir(path, 0777), 0);
    if (way == PIPE) assert_int_equal(mkfifo(path, 0666), 0);
}

static void restore(const char *path) {
    char kept[1024];
    snprintf(kept, sizeof kept, "%s.kept", path);
    remove(path);
    assert_int_equal(rename(kept, path), 0);
}

static void must_complain(oassl_status status, int way, const char *path) {
    static const oassl_status expected[N_WAYS] = {OASSL_STATUS_NOT_FOUND, OASSL_STATUS_FORMAT, OASSL_STATUS_IO,
                                                  OASSL_STATUS_IO};
    must_name(status, expected[way], path, "solo_");
}

/* All are checked when the trainer is made; then one goes. */
static void test_training(void **state) {
    (void)state;
    oassl_manifest *manifest;
    MUST(oassl_manifest_load(context, AT("data/manifest.jsonl"), NULL, &manifest));
    uint64_t want, got;
    MUST(open_trainer());
    MUST(run_trainer_step(&want));
    close_trainer();
    for (int way = 0; way < N_WAYS; way++)
        for (int sounds = 0; sounds < 2; sounds++) {
            MUST(open_trainer());
            for (uint64_t i = 0; i < N_CLIPS; i++) spoil(file_of(manifest, i, sounds), way);
            oassl_status status = run_trainer_step(&got);
            char text[1024];
            snprintf(text, sizeof text, "%s", oassl_last_error());
            for (uint64_t i = 0; i < N_CLIPS; i++) restore(file_of(manifest, i, sounds));
            if (!strstr(text, AT("data/"))) fail_msg("no file is named: %s", text);
            must_complain(status, way, sounds ? "audio/solo_" : "images/solo_");
            MUST(run_trainer_step(&got));
            assert_true(got == want);
            close_trainer();
        }
    oassl_manifest_destroy(manifest);
}

static const char *next_file;
static int next_way;

/* The second sample goes when the first has been scored. */
static oassl_status spoil_next(void *user, const oassl_evaluated_sample *sample) {
    (void)user;
    if (sample->index == 0) spoil(next_file, next_way);
    return OASSL_STATUS_OK;
}

static void test_evaluation(void **state) {
    (void)state;
    oassl_manifest *manifest;
    MUST(oassl_manifest_load(context, AT("data/manifest.jsonl"), NULL, &manifest));
    MUST(open_model());
    uint64_t want, got;
    MUST(run_evaluate(&want));
    for (next_way = 0; next_way < N_WAYS; next_way++)
        for (int sounds = 0; sounds < 2; sounds++) {
            oassl_evaluate_options options = OASSL_EVALUATE_OPTIONS_INIT;
            oassl_evaluation result = OASSL_EVALUATION_INIT;
            options.on_sample = spoil_next;
            options.image_size = SIDE;
            next_file = file_of(manifest, 1, sounds);
            oassl_status status = oassl_evaluate(model, AT("data/manifest.jsonl"), &options, &result);
            restore(next_file);
            must_complain(status, next_way, next_file);
            MUST(run_evaluate(&got));
            assert_true(got == want);
        }
    close_model();
    oassl_manifest_destroy(manifest);
}

/* ---- files that were read already ------------------------------------------------------------------------------- */

static void empty(const char *path) {
    int file = open(path, O_WRONLY | O_TRUNC);
    assert_true(file >= 0);
    close(file);
}

/* Captions and trainers keep nothing mapped: their files may be cut short in place.  A model's weights lie in its file:
 * what has its plan goes on, and making another one says who wrote into the file instead of meeting SIGBUS. */
static void test_cut_short_after_reading(void **state) {
    (void)state;
    uint64_t want, got;
    MUST(open_localizer());
    MUST(run_localizer(&want));
    close_localizer();
    MUST(open_localizer());
    MUST(run_localizer(&got));
    empty(AT("in.safetensors"));
    MUST(run_localizer(&got));
    assert_true(got == want);
    close_localizer();
    must_name(open_model(), OASSL_STATUS_FORMAT, "in.safetensors", "");
    write_inputs();
    MUST(open_localizer());
    empty(AT("in.safetensors"));
    must_name(run_localizer(&got), OASSL_STATUS_IO, "in.safetensors", "written into");
    close_localizer();

    oassl_captions *captions;
    oassl_caption_sample sample = OASSL_CAPTION_SAMPLE_INIT;
    MUST(open_trainer());
    MUST(run_trainer_step(&want));
    close_trainer();
    MUST(open_trainer());
    MUST(oassl_captions_open(context, AT("data/captions.npz"), &captions));
    empty(AT("data/captions.npz"));
    empty(AT("data/manifest.jsonl"));
    MUST(run_trainer_step(&got));
    assert_true(got == want);
    close_trainer();
    for (uint64_t i = 0; i < oassl_captions_count(captions); i++) MUST(oassl_captions_sample(captions, i, &sample));
    oassl_captions_destroy(captions);
    must_name(open_trainer(), OASSL_STATUS_FORMAT, "manifest.jsonl", "");
    write_inputs();
}

/* A stack of heat-maps is the only file that stays open, and is not mapped: cut short it gives a status, not SIGBUS.
 * Replaced by rename, as our writers do, it does not notice.  (In a child, because SIGBUS would be the alternative.) */
static int read_map(void (*change)(const char *)) {
    pid_t child = fork();
    if (child == 0) {
        oassl_maps *maps;
        oassl_map_set set = {.struct_size = sizeof set};
        signal(SIGBUS, SIG_DFL);
        if (oassl_maps_open(context, AT("maps.npy"), &maps) != OASSL_STATUS_OK) _exit(2);
        change(AT("maps.npy"));
        oassl_status status = oassl_maps_get(maps, 0, &set);
        volatile float first = status == OASSL_STATUS_OK ? *(const float *)set.maps[0].data : 0;
        (void)first;
        _exit(status != OASSL_STATUS_OK);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    return how;
}

static void replace(const char *path) {
    tiny_write_file(AT("other.npy"), "x", 1);
    if (rename(AT("other.npy"), path) != 0) _exit(3);
}

static void test_cut_short_while_open(void **state) {
    (void)state;
    oassl_tensor t = {pcm, OASSL_DEVICE_CPU, 0, OASSL_DTYPE_F32, 3, {2, 100, 80}, {8000, 80, 1}};
    MUST(oassl_tensor_save_npy(context, AT("maps.npy"), &t));
    int how = read_map(replace);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    MUST(oassl_tensor_save_npy(context, AT("maps.npy"), &t));
    how = read_map(empty);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 1);
}

/* ---- folders ---------------------------------------------------------------------------------------------------- */

static void test_run_folder_goes(void **state) {
    (void)state;
    uint64_t digest;
    MUST(open_trainer());
    MUST(run_trainer_step(&digest));
    nftw(AT("run"), remove_one, 16, FTW_DEPTH | FTW_PHYS);
    must_name(run_trainer_run(&digest), OASSL_STATUS_IO, AT("run/"), "");
    assert_int_equal(mkdir(AT("run"), 0777), 0);
    MUST(run_trainer_run(&digest)); /* it is back: the run ends as it should */
    assert_true(tiny_exists(AT("run/last.safetensors")) && tiny_exists(AT("run/best.safetensors")));
    close_trainer();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_training), cmocka_unit_test(test_evaluation),
                                       cmocka_unit_test(test_cut_short_after_reading),
                                       cmocka_unit_test(test_cut_short_while_open),
                                       cmocka_unit_test(test_run_folder_goes)};
    return cmocka_run_group_tests(tests, open_reference, close_reference);
}
