/* Every published format, from small files of the same form, to the manifest. */
#include "support/import_files.h"

#include <math.h>

#include "data/idlist.h"

/* ---- pieces --------------------------------------------------------------------------------------------------- */

/* The inline known answers of the specification. */
static void test_boxes_to_pixels(void **state) {
    (void)state;
    static const struct {
        int32_t coordinates;
        double raw[4], pixels[4];
        bool inside;
    } cases[] = {
        {OAI_BOX_XYXY, {.403125, .253125, .6, .75}, {90, 56, 134, 168}, true},
        {OAI_BOX_XYXY, {.2, .3, -2.88e16, 1}, {44, 67, 0, 224}, false},
        {OAI_BOX_XYWH, {.149671, .308333, .205592, .583333}, {33, 69, 79, 199}, true},
        {OAI_BOX_IN256, {13, 77, 200, 256}, {11, 67, 175, 224}, true},
        {OAI_BOX_IN224, {111.9, 106, 126, 114.5}, {111, 106, 126, 114}, true},
        {OAI_BOX_IN224, {0, 0, 0, 0}, {0, 0, 0, 0}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double pixels[4];
        assert_int_equal(oai_box_to_frame(cases[i].coordinates, cases[i].raw, 224, 224, pixels), cases[i].inside);
        for (int k = 0; k < 4; k++) assert_true(pixels[k] == cases[i].pixels[k]);
    }
    double pixels[4]; /* another frame: not truncated */
    assert_true(oai_box_to_frame(OAI_BOX_XYXY, (double[]){.25, .5, .7, 1}, 101, 50, pixels));
    assert_true(pixels[0] == 25.25 && pixels[1] == 25 && fabs(pixels[2] - 70.7) < 1e-12 && pixels[3] == 50);
}

static void test_spellings(void **state) {
    (void)state;
    char text[128];
    oai_flat_label("female speech, woman speaking", text, sizeof text);
    assert_string_equal(text, "female_speech_woman_speaking");
    oai_flat_label("horse clip-clop", text, sizeof text);
    assert_string_equal(text, "horse_clip-clop");
    oai_flat_label("police car (siren)", text, sizeof text);
    assert_string_equal(text, "police_car_(siren)");
    assert_true(oai_id_from_milliseconds("Fsu8KjtWhPo_79000_89000", text, sizeof text));
    assert_string_equal(text, "Fsu8KjtWhPo_000079");
    assert_true(oai_id_from_milliseconds("-_3_4567_9a_0_10000", text, sizeof text));
    assert_string_equal(text, "-_3_4567_9a_000000");
    assert_false(oai_id_from_milliseconds("zpWuikVorYg_000032", text, sizeof text));
    assert_false(oai_id_from_milliseconds("Fsu8KjtWhPo_79000_88000", text, sizeof text));
    oai_media_stem("videos/1/2/3/1234567890.mp4", text, sizeof text);
    assert_string_equal(text, "1234567890");
    oai_media_stem("-a_000001", text, sizeof text);
    assert_string_equal(text, "-a_000001");
}

static void test_csv(void **state) {
    (void)state;
    static const char *const rows[][4] = {{"a", "b c", "", NULL},
                                          {"x, y", "say \"hi\"", "", NULL},
                                          {"-id", NULL},
                                          {"", "", NULL},
                                          {"\xC3\xA9", "end", NULL}};
    oai_csv csv;
    write_text("c.csv", "\xEF\xBB\xBF"
                        "a, b c ,\r\n  \r\n\n\"x, y\" ,\"say \"\"hi\"\"\", \"\"\n-id\n,\n\xC3\xA9,end");
    assert_ok(oai_csv_open(&oai_default_host, at("c.csv"), &csv));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_ok(oai_csv_next(&csv));
        for (uint32_t k = 0; rows[i][k]; k++) {
            assert_true(k < csv.n_fields);
            assert_string_equal(csv.fields[k], rows[i][k]);
        }
        assert_null(rows[i][csv.n_fields]);
    }
    assert_int_equal(csv.line, 7); /* blank ones count */
    assert_ok(oai_csv_next(&csv));
    assert_int_equal(csv.n_fields, 0);
    oai_csv_close(&csv);
    char wide[OAI_CSV_MAX_FIELDS + 8];
    memset(wide, ',', OAI_CSV_MAX_FIELDS), strcpy(wide + OAI_CSV_MAX_FIELDS, "\nok");
    write_text("c.csv", wide);
    assert_ok(oai_csv_open(&oai_default_host, at("c.csv"), &csv));
    assert_int_equal(oai_csv_next(&csv), OASSL_STATUS_FORMAT);
    assert_ok(oai_csv_next(&csv)); /* goes on behind it */
    assert_string_equal(csv.fields[0], "ok");
    oai_csv_close(&csv);
}

/* ---- VGG-SS and VGGSound --------------------------------------------------------------------------------------- */

static const char vggss[] = "\xEF\xBB\xBF[{\"file\": \"bbbbbbbbbbb_000032\", \"class\": \"elk bugling\", "
                            "\"bbox\": [[0.403125, 0.253125, 0.6, 0.75]]},\r\n"
                            "{\"file\": \"-aaaaaaaaaa_000030\", \"class\": \"female speech, woman speaking\", "
                            "\"bbox\": [[0, 0, 0.5, 0.5], [0.2, 0.3, -2.88e16, 1], [0.25, 0.5, 1, 1]]},\n"
                            "{\"file\": \"ccccccccccc_000079\", \"class\": \"horse clip-clop\", "
                            "\"bbox\": [[0.5, 0.5, 0.5, 1]]}]";

static void test_vggss(void **state) {
    (void)state;
    write_text("vggss.json", vggss);
    oassl_manifest *m = imported(&(oassl_import_options){.format = "vggss", .annotations = at("vggss.json")});
    assert_int_equal(counts.n_entries, 3);
    assert_int_equal(counts.n_boxes, 5);
    assert_int_equal(counts.n_empty_boxes, 2);
    assert_int_equal(counts.n_sentinels, 1);
    assert_int_equal(counts.n_classes, 3);
    assert_int_equal(counts.n_errors, 0);
    assert_report("warning vggss.json:2 -aaaaaaaaaa_000030: box 2 (0.2, 0.3, -2.88e+16, 1) is a sentinel");
    assert_report("warning vggss.json:3 ccccccccccc_000079: box 1 (0.5, 0.5, 0.5, 1) is empty");
    const oassl_record *r = oai_manifest_at(m, 0);
    assert_string_equal(r->id, "-aaaaaaaaaa_000030"); /* bytewise first */
    assert_string_equal(r->image, at("images/-aaaaaaaaaa_000030.jpg"));
    assert_string_equal(r->audio, at("audio/-aaaaaaaaaa_000030.wav"));
    assert_string_equal(r->label, "female speech, woman speaking");
    assert_string_equal(r->split, "test");
    assert_int_equal(r->frame_width, 224);
    assert_int_equal(r->frame_height, 224);
    assert_int_equal(r->consensus, 0);
    assert_int_equal(r->sources[0].n_boxes, 2);
    assert_box(&r->sources[0], 1, 56, 112, 224, 224);
    assert_int_equal(r->numbers_are, 1); /* OASSL_BOX_NORMALISED */
    assert_int_equal(r->sources[0].n_numbers, 3);
    assert_true(r->sources[0].numbers[1][2] == -2.88e16);
    assert_box(&record(m, "bbbbbbbbbbb_000032")->sources[0], 0, 90, 56, 134, 168);
    assert_int_equal(record(m, "ccccccccccc_000079")->sources[0].n_boxes, 0);
    oai_manifest_free(m);
    char *text = manifest_text();
    assert_non_null(strstr(text, "\"raw_box\": [0.403125, 0.253125, 0.6, 0.75]"));
    assert_non_null(strstr(text, "[0.2, 0.3, -2.88e+16, 1]"));
    assert_non_null(strstr(text, "\"coordinates\": \"xyxy 0..1\""));
    oai_free(&oai_default_host, text);
}

static void test_list_chooses(void **state) {
    (void)state;
    write_text("vggss.json", vggss);
    write_text("list.csv",
               "bbbbbbbbbbb_000032,elk_bugling\r\n\r\n-aaaaaaaaaa_000030,\"female speech, woman speaking\"");
    oassl_manifest *m = imported(&(oassl_import_options){
        .format = "vggss", .annotations = at("vggss.json"), .list = at("list.csv"), .flat_labels = 1});
    assert_int_equal(counts.n_records, 2);
    assert_int_equal(counts.n_warnings, 2); /* the sentinel, and few entries for a vggss.json; labels agree in both spellings */
    assert_string_equal(oai_manifest_at(m, 0)->label, "female_speech_woman_speaking");
    oai_manifest_free(m);
    write_text("list.csv", "ccccccccccc_79000_89000\n-aaaaaaaaaa_30000_40000"); /* SSLalignment */
    m = imported(&(oassl_import_options){.format = "vggss", .annotations = at("vggss.json"), .list = at("list.csv")});
    assert_int_equal(counts.n_records, 2);
    assert_string_equal(record(m, "ccccccccccc_000079")->image, at("images/ccccccccccc_79000_89000/image_050.jpg"));
    assert_string_equal(record(m, "ccccccccccc_000079")->audio, at("audio/ccccccccccc_79000_89000.wav"));
    oai_manifest_free(m);
}

static void test_vggsound(void **state) {
    (void)state;
    write_text("v.csv",
               "-aaaaaaaaaa,1,\"female speech, woman speaking\",train\r\nbbbbbbbbbbb,120,\"say \"\"hi\"\"\",test\r\n"
               "ccccccccccc,0,dog,train");
    oassl_manifest *m = imported(&(oassl_import_options){.format = "vggsound", .annotations = at("v.csv")});
    assert_int_equal(counts.n_records, 3);
    assert_string_equal(record(m, "-aaaaaaaaaa_000001")->label, "female speech, woman speaking");
    assert_string_equal(record(m, "bbbbbbbbbbb_000120")->label, "say \"hi\"");
    assert_string_equal(record(m, "bbbbbbbbbbb_000120")->split, "test");
    oai_manifest_free(m);
    m = imported(&(oassl_import_options){.format = "vggsound", .annotations = at("v.csv"), .split = "train"});
    assert_int_equal(counts.n_records, 2);
    oai_manifest_free(m);
}

static void test_lists(void **state) {
    (void)state;
    write_text("l.csv", "10000130166,202\r\n10007936344,0\r\n");
    oassl_manifest *m = imported(&(oassl_import_options){.format = "list", .annotations = at("l.csv")});
    assert_null(record(m, "10000130166")->label); /* the numbers mean nothing */
    assert_string_equal(record(m, "10007936344")->split, "train");
    oai_manifest_free(m);
    write_text("l.txt", "videos/1/2/3/1.mp4\n4.jpg\n1");
    m = imported(&(oassl_import_options){.format = "list", .annotations = at("l.txt")});
    assert_int_equal(counts.n_records, 2);
    assert_int_equal(counts.n_duplicates, 1);
    assert_report("warning l.txt:3 1: the id is that of");
    oai_manifest_free(m);
    write_text("l.txt", "-IXKwloYLE0_000_00000,cello,acoustic_guitar\n-IXKwloYLE0_001_00007,cello,violin");
    m = imported(&(oassl_import_options){.format = "music-list", .annotations = at("l.txt")});
    assert_int_equal(record(m, "-IXKwloYLE0_001_00007")->n_sources, 2);
    assert_string_equal(record(m, "-IXKwloYLE0_001_00007")->sources[1].label, "violin");
    assert_string_equal(record(m, "-IXKwloYLE0_001_00007")->group, "-IXKwloYLE0");
    assert_int_equal(counts.n_groups, 1);
    oai_manifest_free(m);
}

static void test_extended(void **state) {
    (void)state;
    write_text("vggss.json", vggss);
    write_text("s.csv", "video,audio,label\r\nbbbbbbbbbbb_000032,ccccccccccc_000079,non-sounding\r\n"
                        "ddddddddddd_000001,ddddddddddd_000001,non-sounding\r\n");
    oassl_manifest *m =
        imported(&(oassl_import_options){.format = "vggss", .annotations = at("vggss.json"), .silent = at("s.csv")});
    assert_int_equal(counts.n_records, 5);
    assert_int_equal(counts.n_silent, 2);
    const oassl_record *r = record(m, "bbbbbbbbbbb_000032+ccccccccccc_000079");
    assert_string_equal(r->image, at("images/bbbbbbbbbbb_000032.jpg"));
    assert_string_equal(r->audio, at("audio/ccccccccccc_000079.wav"));
    assert_int_equal(r->n_sources, 0);
    assert_int_equal(r->playing, 0);
    assert_int_equal(record(m, "bbbbbbbbbbb_000032")->playing, -1);
    oai_manifest_free(m);
    m = imported(&(oassl_import_options){.format = "extended", .annotations = at("s.csv")});
    assert_int_equal(counts.n_records, 2);
    oai_manifest_free(m);
}

/* ---- mixtures ------------------------------------------------------------------------------------------------- */

static void eleven(void) {
    char text[256] = "";
    for (int i = 10; i >= 0; i--) sprintf(text + strlen(text), "c%02d,%s\n", i, i % 2 ? "odd" : "even one");
    write_text("l.csv", text);
}

static void test_index_rule(void **state) {
    (void)state;
    eleven();
    oassl_manifest *m =
        imported(&(oassl_import_options){.format = "list", .annotations = at("l.csv"), .mix_sources = 3, .axis = 1});
    assert_int_equal(counts.n_mixtures, 3);
    assert_int_equal(counts.n_records, 14);
    record(m, "c00+c03+c07");
    const oassl_record *r = record(m, "c02+c05+c09");
    assert_int_equal(r->n_mix, 3);
    assert_int_equal(r->axis, 1);
    assert_string_equal(r->split, "test");
    assert_string_equal(oai_manifest_at(m, r->mix[2])->id, "c09");
    assert_string_equal(oai_manifest_at(m, r->mix[2])->split, "part");
    oai_manifest_free(m);
    m = imported(&(oassl_import_options){.format = "list", .annotations = at("l.csv"), .mix_sources = 2});
    assert_int_equal(counts.n_mixtures, 5);
    record(m, "c04+c09");
    oai_manifest_free(m);
}

static void test_mixture_csv(void **state) {
    (void)state;
    eleven();
    write_text("d.csv", "c03,odd,c00,even_one\r\nc05,odd,c01,even\r\nc05,odd,zz,odd\nc05,odd,c05,odd\nc01,odd,c02\n");
    oassl_manifest *m = imported(
        &(oassl_import_options){.format = "list", .annotations = at("l.csv"), .mix = at("d.csv"), .split = "val"});
    assert_int_equal(counts.n_mixtures, 2);
    assert_int_equal(counts.n_unknown, 1);
    assert_int_equal(counts.n_errors, 3);
    assert_report("warning d.csv:2 c01: class 'even', the annotations say 'odd'");
    assert_report("error d.csv:3 c05: column 3: no record 'zz'");
    assert_report("error d.csv:4 c05: 'c05' is mixed with itself");
    assert_report("error d.csv:5 c01: expected id,class repeated 2 to 8 times, found 3 columns");
    assert_string_equal(record(m, "c03+c00")->split, "val");
    oai_manifest_free(m);
    write_text("d.csv", "c03,odd,c00,even one,c10,even one");
    m = imported(&(oassl_import_options){.format = "list", .annotations = at("l.csv"), .mix = at("d.csv")});
    assert_int_equal(record(m, "c03+c00+c10")->n_mix, 3);
    oai_manifest_free(m);
}

/* ---- MUSIC, Flickr-SoundNet ------------------------------------------------------------------------------------ */

static void test_music(void **state) {
    (void)state;
    write_text("s.json", "[{\"file\": \"-_-TDDxoaAc_000_00000\", \"class\": \"cello\", "
                         "\"bbox\": [0.149671, 0.308333, 0.205592, 0.583333]}]");
    oassl_manifest *m = imported(&(oassl_import_options){.format = "music-solo", .annotations = at("s.json")});
    const oassl_record *r = oai_manifest_at(m, 0);
    assert_box(&r->sources[0], 0, 33, 69, 79, 199);
    assert_string_equal(r->group, "-_-TDDxoaAc");
    assert_int_equal(r->numbers_are, 2); /* OASSL_BOX_XYWH */
    assert_true(r->sources[0].n_numbers == 1 && r->sources[0].numbers[0][3] == 0.583333);
    oai_manifest_free(m);
    write_text("d.json",
               "[{\"file\": \"-_-TDDxoaAc_000_00000\", \"class_src1\": \"cello\", \"bbox_src1\": [0, 0, 0.5, 1], "
               "\"class_src2\": \"flute\", \"bbox_src2\": [0.5, 0, 0.25, 0.5]}]");
    m = imported(&(oassl_import_options){.format = "music-duet", .annotations = at("d.json")});
    r = oai_manifest_at(m, 0);
    assert_int_equal(r->n_sources, 2);
    assert_null(r->label);
    assert_box(&r->sources[1], 0, 112, 0, 168, 112);
    oai_manifest_free(m);
}

/* The sound of the frame if there is one, else that of the video. */
static void test_music_sound(void **state) {
    (void)state;
    write_text("s.json", "[{\"file\": \"vvvvvvvvvvv_000_00000\", \"class\": \"cello\", \"bbox\": [0, 0, 0.5, 0.5]},"
                         "{\"file\": \"vvvvvvvvvvv_000_00007\", \"class\": \"cello\", \"bbox\": [0, 0, 0.5, 0.5]}]");
    write_picture("frames/vvvvvvvvvvv_000_00000.png", 10, 20);
    write_picture("frames/vvvvvvvvvvv_000_00007.png", 10, 20);
    write_text("sounds/vvvvvvvvvvv.wav", "x");
    write_text("sounds/vvvvvvvvvvv_000_00007.wav", "x");
    oassl_manifest *m = imported(&(oassl_import_options){.format = "music-solo",
                                                         .annotations = at("s.json"),
                                                         .images = at("frames"),
                                                         .audio = at("sounds"),
                                                         .strict = 1});
    assert_string_equal(oai_manifest_at(m, 0)->audio, at("sounds/vvvvvvvvvvv.wav"));
    assert_string_equal(oai_manifest_at(m, 1)->audio, at("sounds/vvvvvvvvvvv_000_00007.wav"));
    assert_string_equal(oai_manifest_at(m, 1)->image, at("frames/vvvvvvvvvvv_000_00007.png"));
    assert_int_equal(oai_manifest_at(m, 1)->frame_width, 10);
    assert_box(&oai_manifest_at(m, 1)->sources[0], 0, 0, 0, 5, 10);
    oai_manifest_free(m);
}

static void test_flickr(void **state) {
    (void)state;
    write_text("xml/3908875350.xml",
               "<?xml version=\"1.0\"?>\n<annotation><a><id>x</id>"
               "<bbox><o>1</o><xmin>13</xmin><ymin> 77 </ymin><xmax>200</xmax><ymax>256</ymax></bbox></a>"
               "<b><bbox><o/><p>0</p><q>0</q><r>128</r><s>128</s></bbox></b></annotation>");
    write_text("xml/10000130166.xml", "<r><a><bbox><o/><a>0</a><b>0</b><c>256</c><d>256</d></bbox></a></r>");
    write_text("xml/readme.txt", "not read");
    write_text("list.txt", "3908875350.jpg\n");
    oassl_manifest *m =
        imported(&(oassl_import_options){.format = "flickr", .annotations = at("xml"), .list = at("list.txt")});
    assert_int_equal(counts.n_entries, 2);
    assert_int_equal(counts.n_records, 1);
    const oassl_record *r = oai_manifest_at(m, 0);
    assert_int_equal(r->consensus, 1);
    assert_int_equal(r->numbers_are, 3); /* OASSL_BOX_OF_256 */
    assert_int_equal(r->n_sources, 1);
    assert_int_equal(r->sources[0].n_boxes, 2);
    assert_box(&r->sources[0], 0, 11, 67, 175, 224);
    assert_box(&r->sources[0], 1, 0, 0, 112, 112);
    assert_report("error 3908875350.xml:0 3908875350: 1 children of annotators are no 'bbox' but 'id': ignored");
    oai_manifest_free(m);
}

/* ---- AVSBench, IS3, VPO ---------------------------------------------------------------------------------------- */

static void test_avsbench_official(void **state) {
    (void)state;
    write_text("s4.csv", "name,start,category,split\r\n-1q0XHPxqe8,0,race_car,train\r\nabc,5,\"man, singing\",test");
    oassl_manifest *m = imported(&(oassl_import_options){.format = "avsbench-s4", .annotations = at("s4.csv")});
    assert_int_equal(counts.n_entries, 2);
    assert_int_equal(counts.n_records, 10);
    assert_int_equal(counts.n_masks, 6); /* one of the training clip */
    const oassl_record *r = record(m, "-1q0XHPxqe8_1");
    assert_string_equal(r->image, at("visual_frames/train/race_car/-1q0XHPxqe8/-1q0XHPxqe8_1.png"));
    assert_string_equal(r->audio, at("audio_wav/train/race_car/-1q0XHPxqe8.wav"));
    assert_string_equal(r->sources[0].mask, at("gt_masks/train/race_car/-1q0XHPxqe8/-1q0XHPxqe8_1.png"));
    assert_null(record(m, "-1q0XHPxqe8_2")->sources[0].mask);
    assert_string_equal(r->group, "-1q0XHPxqe8");
    assert_string_equal(r->split, "train");
    oai_manifest_free(m);
    write_text("ms3.csv", "name,split\n0WxgIKuetYI_0,val\n");
    m = imported(&(oassl_import_options){.format = "avsbench-ms3", .annotations = at("ms3.csv")});
    r = record(m, "0WxgIKuetYI_0_5");
    assert_string_equal(r->image, at("visual_frames/0WxgIKuetYI_0/0WxgIKuetYI_0.mp4_5.png"));
    assert_string_equal(r->audio, at("audio_wav/val/0WxgIKuetYI_0.wav"));
    assert_string_equal(r->sources[0].mask, at("gt_masks/val/0WxgIKuetYI_0/0WxgIKuetYI_0_5.png"));
    oai_manifest_free(m);
    write_text("ms3.csv", "0WxgIKuetYI_0,val\n"); /* by position */
    m = imported(&(oassl_import_options){.format = "avsbench-ms3", .annotations = at("ms3.csv")});
    assert_int_equal(counts.n_records, 5);
    oai_manifest_free(m);
}

static void test_avsbench_flat(void **state) {
    (void)state;
    write_text("ms3.csv", "0WxgIKuetYI_0_1,man\r\n0WxgIKuetYI_0_2,\"guitar, violin\"\r\n");
    oassl_manifest *m = imported(&(oassl_import_options){.format = "avsbench-ms3", .annotations = at("ms3.csv")});
    const oassl_record *r = record(m, "0WxgIKuetYI_0_2");
    assert_string_equal(r->label, "guitar, violin");
    assert_string_equal(r->image, at("visual_frames/0WxgIKuetYI_0_2.png"));
    assert_string_equal(r->audio, at("audio_wav/0WxgIKuetYI_0.wav"));
    assert_string_equal(r->sources[0].mask, at("gt_masks/0WxgIKuetYI_0_2.png"));
    assert_string_equal(r->group, "0WxgIKuetYI_0");
    assert_int_equal(counts.n_groups, 1);
    oai_manifest_free(m);
}

static void test_avsbench_json(void **state) {
    (void)state;
    write_text("b.json",
               "[{\"image\": \"/x/visual_frames/rq_1/rq_1.mp4_2.png\", \"audio\": \"/x/audio_wav/test/rq_1.wav\", "
               "\"gt_box\": [0.0, 0.0, 0.0, 0.0]}]");
    write_text("seg.json",
               "[{\"image\": \"/y/visual_frames/rq_1/rq_1.mp4_2.png\", \"audio\": \"/x/audio_wav/test/rq_1.wav\", "
               "\"gt_box\": \"/y/gt_masks/test/rq_1/rq_1_2.png\", \"offset\": 1}]");
    oassl_manifest *m = imported(
        &(oassl_import_options){.format = "avsbench-ms3", .annotations = at("b.json"), .segments = at("seg.json")});
    const oassl_record *r = record(m, "rq_1_2");
    assert_string_equal(r->image, at("visual_frames/rq_1/rq_1.mp4_2.png"));
    assert_string_equal(r->audio, at("audio_wav/test/rq_1.wav"));
    assert_string_equal(r->sources[0].mask, at("gt_masks/test/rq_1/rq_1_2.png"));
    assert_int_equal(counts.n_empty_boxes, 1);
    assert_int_equal(counts.n_warnings, 0); /* it is how an empty mask is written */
    oai_manifest_free(m);
    m = imported(&(oassl_import_options){.format = "avsbench-ms3", .annotations = at("seg.json")});
    assert_int_equal(counts.n_masks, 1);
    assert_int_equal(counts.n_boxes, 0);
    oai_manifest_free(m);
}

static void test_is3_and_vpo(void **state) {
    (void)state;
    write_text(
        "is3.json",
        "[{\"image\": \"/q/airplane_waterfall_river.jpg\", \"audio\": \"/q/w/airplane_waterfall_river.wav\", "
        "\"gt_box\": [47.9, 99.0, 154.0, 224.0]},"
        "{\"image\": \"/q/airplane_waterfall_airplane.jpg\", \"audio\": \"/q/w/airplane_waterfall_airplane.wav\", "
        "\"gt_box\": [1, 2, 3, 4]}]");
    oassl_manifest *m = imported(&(oassl_import_options){.format = "is3", .annotations = at("is3.json")});
    assert_int_equal(counts.n_groups, 1);
    const oassl_record *r = record(m, "airplane_waterfall_river");
    assert_string_equal(r->group, "airplane_waterfall");
    assert_string_equal(r->sources[0].label, ""); /* names say nothing about classes */
    assert_string_equal(r->image, at("images/airplane_waterfall_river.jpg"));
    assert_box(&r->sources[0], 0, 47, 99, 154, 224);
    assert_int_equal(r->numbers_are, 4); /* OASSL_BOX_OF_224 */
    oai_manifest_free(m);
    write_text(
        "vpo.json",
        "[{\"image\": \"/q/000000489267_157452.jpg\", \"audio\": \"/q/000000489267_157452.wav\", "
        "\"gt_box\": \"/q/gray_masks/000000489267_157452.jpg\", \"offset\": 1},"
        "{\"image\": \"/q/000000489267_2.jpg\", \"audio\": \"/q/000000489267_2.wav\", \"gt_box\": [9, 9, 9, 20]}]");
    m = imported(&(oassl_import_options){.format = "vpo-ms", .annotations = at("vpo.json")});
    assert_string_equal(record(m, "000000489267_2")->group, "000000489267");
    assert_string_equal(record(m, "000000489267_157452")->sources[0].mask, at("gray_masks/000000489267_157452.jpg"));
    assert_int_equal(counts.n_groups, 1);
    assert_report("warning vpo.json:2 000000489267_2: box 1 (9, 9, 9, 20) is empty");
    oai_manifest_free(m);
    char *text = manifest_text();
    assert_non_null(strstr(text, "\"offset\": 1"));
    oai_free(&oai_default_host, text);
}

/* ---- media ---------------------------------------------------------------------------------------------------- */

static void test_media(void **state) {
    (void)state;
    write_text("vggss.json", vggss);
    write_picture("frames/-aaaaaaaaaa_000030.png", 448, 100);
    write_picture("frames/bbbbbbbbbbb_000032.png", 448, 100);
    write_text("wav/-aaaaaaaaaa_000030.wav", "x");
    write_text("wav/ccccccccccc_000079.wav", "x");
    oassl_import_options o = {
        .format = "vggss", .annotations = at("vggss.json"), .images = at("frames"), .audio = at("wav")};
    oassl_manifest *m = imported(&o);
    assert_int_equal(counts.n_records, 1);
    assert_int_equal(counts.n_missing, 2);
    assert_report("warning vggss.json:1 bbbbbbbbbbb_000032: no sound '");
    assert_report("warning vggss.json:3 ccccccccccc_000079: no picture '");
    const oassl_record *r = oai_manifest_at(m, 0);
    assert_int_equal(r->frame_width, 448);
    assert_int_equal(r->frame_height, 100);
    assert_box(&r->sources[0], 1, 112, 50, 448, 100);
    assert_int_equal(access(r->image, R_OK), 0);
    oai_manifest_free(m);
    char *text = manifest_text();
    assert_non_null(strstr(text, "\"image\": \"frames/-aaaaaaaaaa_000030.png\"")); /* the set can be moved */
    oai_free(&oai_default_host, text);
    o.frame_224 = 1, o.keep_missing = 1;
    m = imported(&o);
    assert_int_equal(counts.n_records, 3);
    assert_box(&oai_manifest_at(m, 0)->sources[0], 1, 56, 112, 224, 224);
    oai_manifest_free(m);
    o.strict = 1;
    assert_int_equal(import(&o), OASSL_STATUS_NOT_FOUND);
    assert_non_null(strstr(oassl_last_error(), "2 records lack"));
    assert_int_equal(access(at("m.jsonl"), F_OK), -1);
    o.images = at("nowhere");
    assert_int_equal(import(&o), OASSL_STATUS_NOT_FOUND);
    assert_non_null(strstr(oassl_last_error(), "nowhere: expected a folder"));
}

static void test_masks(void **state) {
    (void)state;
    write_text("s4.csv", "a_1,man\nb_1,man\nc_1,man\nd_1,man");
    for (const char *c = "abcd"; *c; c++) {
        char name[64];
        snprintf(name, sizeof name, "v/%c_1.png", *c), write_picture(name, 8, 6);
        snprintf(name, sizeof name, "w/%c.wav", *c), write_text(name, "x");
        snprintf(name, sizeof name, "k/%c_1.png", *c);
        if (*c == 'b')
            write_picture(name, 6, 8);
        else if (*c == 'c')
            write_text(name, "no picture");
        else if (*c == 'a')
            write_picture(name, 8, 6);
    }
    oassl_manifest *m = imported(&(oassl_import_options){
        .format = "avsbench-s4", .annotations = at("s4.csv"), .images = at("v"), .audio = at("w"), .masks = at("k")});
    assert_int_equal(counts.n_records, 1);
    assert_int_equal(counts.n_missing, 1);
    assert_int_equal(counts.n_errors, 2);
    assert_report("error s4.csv:2 b_1: mask '");
    assert_report("expected 8 x 6 as its picture, found 6 x 8");
    assert_report("error s4.csv:3 c_1:");
    assert_report("warning s4.csv:4 d_1: no mask '");
    oai_manifest_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_boxes_to_pixels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_spellings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_csv, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_vggss, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_list_chooses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_vggsound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_extended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_index_rule, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mixture_csv, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_music, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_music_sound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_flickr, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_avsbench_official, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_avsbench_flat, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_avsbench_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_is3_and_vpo, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_media, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_masks, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
