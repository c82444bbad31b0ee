/* What evaluation makes of an imported record: boxes in the picture's pixels whatever frame they are in, the published
 * numbers, consensus, masks that are JPEG. */
#include "support/import_files.h"

#include "dsp/audio_file.h"
#include "localize/scene.h"

static void write_media(int32_t width, int32_t height) {
    float silence[160] = {0};
    oassl_audio audio = {
        .samples = silence, .frames = 160, .channels = 1, .rate = 16000, .format = OASSL_AUDIO_FORMAT_F32};
    write_picture("images/5.png", width, height);
    write_text("audio/5.wav", "");
    assert_ok(oai_audio_file_write_wav(&oai_default_host, at("audio/5.wav"), &audio));
}

static void load(oassl_import_options *o, oassl_manifest **m, oai_scene *scene) {
    oai_hearing none = {0}; /* for mixtures only */
    o->images = at("images"), o->audio = at("audio");
    *m = imported(o);
    const oassl_record *r = oai_manifest_at(*m, 0);
    assert_true(oai_scene_usable(*m, r));
    assert_ok(oai_scene_load(&oai_default_host, *m, &none, r, r, scene));
}

static void test_frames(void **state) {
    (void)state;
    write_media(448, 112);
    write_text("v.json", "[{\"file\": \"5\", \"class\": \"dog\", \"bbox\": [[0.25, 0.5, 1, 1]]}]");
    for (int32_t frame = 0; frame < 2; frame++) {
        oassl_manifest *m;
        oai_scene scene;
        load(&(oassl_import_options){.format = "vggss", .annotations = at("v.json"), .frame_224 = frame}, &m, &scene);
        const oassl_metric_truth *t = &scene.sources[0];
        assert_int_equal(t->n_boxes, 1);
        assert_true(t->boxes[0][0] == 112 && t->boxes[0][1] == 56 && t->boxes[0][2] == 448 && t->boxes[0][3] == 112);
        assert_int_equal(t->numbers_are, OASSL_BOX_NORMALISED);
        assert_true(t->numbers[0][0] == 0.25);
        assert_int_equal(t->consensus, 0);
        oai_scene_free(&scene);
        oai_manifest_free(m);
    }
}

static void test_consensus(void **state) {
    (void)state;
    oassl_manifest *m;
    oai_scene scene;
    write_media(256, 256);
    write_text("xml/5.xml", "<r><a><bbox><o/><a>0</a><b>0</b><c>9</c><d>9</d></bbox></a></r>");
    load(&(oassl_import_options){.format = "flickr", .annotations = at("xml")}, &m, &scene);
    assert_int_equal(scene.sources[0].consensus, 1);
    assert_int_equal(scene.sources[0].numbers_are, OASSL_BOX_OF_256);
    oai_scene_free(&scene);
    oai_manifest_free(m);
}

/* Grey 3 beside white: what compression leaves of black is no object. */
static void test_jpeg_mask(void **state) {
    (void)state;
    enum { SIDE = 32 };
    oassl_manifest *m;
    oai_scene scene;
    uint8_t rgb[SIDE * SIDE * 3];
    for (int i = 0; i < SIDE * SIDE * 3; i++) rgb[i] = i / 3 % SIDE < SIDE / 2 ? 3 : 250;
    write_media(SIDE, SIDE);
    rename(at("images/5.png"), at("images/5_1.png")), rename(at("audio/5.wav"), at("audio/5_1.wav"));
    write_text("masks/5_1.jpg", "");
    assert_ok(oai_picture_write_jpeg(&oai_default_host, at("masks/5_1.jpg"),
                                     &(oassl_image){.rgb = rgb, .width = SIDE, .height = SIDE}, 95));
    write_text("i.json",
               "[{\"image\": \"/q/5_1.png\", \"audio\": \"/q/5_1.wav\", \"gt_box\": \"/q/5_1.jpg\", \"offset\": 1}]");
    load(&(oassl_import_options){.format = "is3", .annotations = at("i.json"), .masks = at("masks")}, &m, &scene);
    assert_non_null(scene.sources[0].mask);
    assert_int_equal(scene.sources[0].mask[5], 0);
    assert_int_equal(scene.sources[0].mask[SIDE - 5], 1);
    assert_string_equal(scene.group, "5");
    oai_scene_free(&scene);
    oai_manifest_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_frames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_consensus, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_jpeg_mask, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
