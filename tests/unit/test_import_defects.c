/* Malformed annotations: each is reported with file and record, the others are imported, strict refuses all. */
#include "support/import_files.h"
#include "support/scarce.h"

#define GOOD "{\"file\": \"good\", \"class\": \"dog\", \"bbox\": [[0, 0, 1, 1]]}"
#define GOOD_PAIR "{\"image\": \"/q/1_1.jpg\", \"audio\": \"/q/1_1.wav\", \"gt_box\": [1, 2, 3, 4]}"
#define GOOD_SOLO "{\"file\": \"vvvvvvvvvvv_000_00000\", \"class\": \"cello\", \"bbox\": [0, 0, 0.5, 0.5]}"
#define GOOD_DUET                                                                                                     \
    "{\"file\": \"vvvvvvvvvvv_000_00000\", \"class_src1\": \"a\", \"bbox_src1\": [0, 0, 0.5, 0.5], \"class_src2\": "     \
    "\"b\", \"bbox_src2\": [0, 0, 0.5, 0.5]}"
#define GOOD_FRAME                                                                                                    \
    "\"w/1.jpg\": {\"bbox\": [{\"box\": [1, 1, 2, 2], \"normbox\": [0.1, 0.1, 0.2, 0.2], \"category_id\": 1}], "      \
    "\"wdith\": 9, \"height\": 9}"

typedef struct defect {
    const char *format, *text, *report;
} defect;

static const defect defects[] = {
    {"vggss", "[" GOOD ", 3]", "error f:2 : expected an object"},
    {"vggss", "[" GOOD ", {\"class\": \"dog\", \"bbox\": [[0, 0, 1, 1]]}]", "error f:2 : field 'file': missing"},
    {"vggss", "[" GOOD ", {\"file\": 7, \"class\": \"dog\", \"bbox\": [[0, 0, 1, 1]]}]", "error f:2 : field 'file'"},
    {"vggss", "[{\"file\": \"x\", \"bbox\": [[0, 0, 1, 1]]}, " GOOD "]", "error f:1 x: field 'class': missing"},
    {"vggss", "[{\"file\": \"x\", \"class\": \"\", \"bbox\": [[0, 0, 1, 1]]}, " GOOD "]",
     "error f:1 x: field 'class'"},
    {"vggss", "[{\"file\": \"x\", \"class\": \"dog\"}, " GOOD "]", "error f:1 x: field 'bbox': missing"},
    {"vggss", "[{\"file\": \"x\", \"class\": \"dog\", \"bbox\": []}, " GOOD "]", "error f:1 x: field 'bbox'"},
    {"vggss", "[{\"file\": \"x\", \"class\": \"dog\", \"bbox\": [0, 0, 1, 1]}, " GOOD "]",
     "error f:1 x: field 'bbox'"},
    {"vggss", "[{\"file\": \"x\", \"class\": \"dog\", \"bbox\": [[0, 0, 1]]}, " GOOD "]", "error f:1 x: field 'bbox'"},
    {"vggss", "[{\"file\": \"x\", \"class\": \"dog\", \"bbox\": [[0, 0, \"1\", 1]]}, " GOOD "]",
     "error f:1 x: field 'bbox'"},
    {"vggss", "[{\"file\": \"x\", \"class\": \"dog\", \"bbox\": [[0, 0, 1.5, 1]]}, " GOOD "]",
     "error f:1 x: box 1 (0, 0, 1.5, 1) leaves the picture"},
    {"vggss", "[{\"file\": \"x\", \"class\": \"dog\", \"bbox\": [[-0.5, 0, 1, 1]]}, " GOOD "]", "error f:1 x: box 1"},
    {"vggss", "[{\"file\": \"../x\", \"class\": \"dog\", \"bbox\": [[0, 0, 1, 1]]}, " GOOD "]",
     "error f:1 ../x: field 'id'"},
    {"vggss", "[{\"file\": \"\", \"class\": \"dog\", \"bbox\": [[0, 0, 1, 1]]}, " GOOD "]", "error f:1 : field 'id'"},
    {"vggsound", "a,1,dog,train\nb,2,dog",
     "error f:2 b: expected youtube_id,start_second,label,split, found 3 columns"},
    {"vggsound", "a,1,dog,train\nb,x,dog,train", "error f:2 b: column 2: expected whole seconds, found 'x'"},
    {"vggsound", "a,1,dog,train\nb,-1,dog,train", "error f:2 b: column 2"},
    {"vggsound", "a,1,dog,train\nb,1,,train", "error f:2 b: column 3"},
    {"vggsound", "a,1,dog,train\nb,1,dog,val", "error f:2 b: column 4: expected train or test, found 'val'"},
    {"vggsound", "a,1,dog,train\nb,1,\"dog,train", "error f:2 b: field 'dog,train': the quote is not closed"},
    {"vggsound", "a,1,dog,train\nb,1,\"dog\"s,train", "error f:2 b: expected a comma after a quoted field"},
    {"vggsound", "a,1,dog,train\n,1,dog,train", "error f:2 : column 1"},
    {"list", "a,dog\nb", "error f:2 b: expected 2 columns as in the lines before, found 1"},
    {"list", "a,dog\nb,", "error f:2 b: column 2: expected a label, found nothing"},
    {"list", "a,dog\n,dog", "error f:2 : column 1"},
    {"list", "a\nb,1,2,3\n", "error f:2 b: expected id, or id and one or two labels, found 4 columns"},
    {"list", "a\n\xFF\xFE", "error f:2 : byte 1: expected UTF-8"},
    {"music-list", "vvvvvvvvvvv_000_00000\nb\n", "error f:2 b: field 'file': expected <YouTube id>_ddd_ddddd"},
    {"music-solo", "[" GOOD_SOLO ", {\"file\": \"short\", \"class\": \"cello\", \"bbox\": [0, 0, 1, 1]}]",
     "error f:2 short: field 'file'"},
    {"music-solo", "[" GOOD_SOLO ", {\"file\": \"v_000_00001\", \"class\": \"cello\", \"bbox\": [[0, 0, 1, 1]]}]",
     "error f:2 v_000_00001: field 'bbox'"},
    {"music-solo", "[" GOOD_SOLO ", {\"file\": \"v_000_00001\", \"class\": \"cello\", \"bbox\": [0.5, 0, 0.6, 1]}]",
     "error f:2 v_000_00001: box 1 (0.5, 0, 0.6, 1) leaves the picture (xywh 0..1)"},
    {"music-solo", "[" GOOD_SOLO ", {\"file\": \"v_000_00001\", \"bbox\": [0, 0, 1, 1]}]", "error f:2 v_000_00001: field 'class': missing"},
    {"music-solo", "[" GOOD_SOLO ", {\"class\": \"cello\", \"bbox\": [0, 0, 1, 1]}]", "error f:2 : field 'file': missing"},
    {"music-duet", "[" GOOD_DUET ", {\"file\": \"v_000_00001\", \"class_src1\": \"a\", \"bbox_src1\": [0, 0, 1, 1], \"class_src2\": \"b\"}]",
     "error f:2 v_000_00001: field 'bbox_src2': missing"},
    {"music-duet",
     "[" GOOD_DUET ", {\"file\": \"v_000_00001\", \"class_src1\": 1, \"bbox_src1\": [0, 0, 1, 1], \"class_src2\": \"b\", \"bbox_src2\": [0, 0, 1, 1]}]",
     "error f:2 v_000_00001: field 'class_src1'"},
    {"music-duet",
     "[" GOOD_DUET ", {\"file\": \"v_000_00001\", \"class_src1\": \"a\", \"bbox_src1\": [0, 0, 1, 1], \"class_src2\": \"b\", \"bbox_src2\": [0, 0, 1, 2]}]",
     "error f:2 v_000_00001: box 1 (0, 0, 1, 2) leaves the picture"},
    {"music-duet", "[" GOOD_DUET ", \"x\"]", "error f:2 : expected an object"},
    {"music-solo-tvsl", "{" GOOD_FRAME ", \"w/2.jpg\": 3}", "error f:2 w/2.jpg: expected an object"},
    {"music-solo-tvsl", "{" GOOD_FRAME ", \"w/2.jpg\": {\"bbox\": [], \"wdith\": 9, \"height\": 9}}", "error f:2 w/2.jpg: field 'bbox'"},
    {"music-solo-tvsl", "{" GOOD_FRAME ", \"w/2.jpg\": {\"bbox\": [7], \"wdith\": 9, \"height\": 9}}", "error f:2 w/2.jpg: field 'bbox'"},
    {"music-solo-tvsl", "{" GOOD_FRAME ", \"w/2.jpg\": {\"bbox\": [{\"box\": [1, 1, 2, 2], \"category_id\": 1}], \"wdith\": 9, \"height\": 9}}",
     "error f:2 w/2.jpg: field 'normbox': missing"},
    {"music-solo-tvsl",
     "{" GOOD_FRAME ", \"w/2.jpg\": {\"bbox\": [{\"box\": [1, 1, 2, 2], \"normbox\": [0.5, 0, 0.6, 1], \"category_id\": 1}], \"wdith\": 9, \"height\": 9}}",
     "error f:2 w/2.jpg: box 1 (0.5, 0, 0.6, 1) leaves the picture (xywh 0..1)"},
    {"music-solo-tvsl", "{" GOOD_FRAME ", \"w/2.jpg\": {\"bbox\": [], \"height\": 9}}", "error f:2 w/2.jpg: field 'width': missing"},
    {"music-solo-tvsl", "{" GOOD_FRAME ", \"../2.jpg\": {}}", "error f:2 ../2.jpg: expected a frame's path below its folder"},
    {"music-videos", "MUSIC_raw/solo/cello/vvvvvvvvvvv\nsolo\n", "error f:2 solo: expected MUSIC_raw/solo/<class>/<YouTube id>"},
    {"music-videos", "MUSIC_raw/solo/cello/vvvvvvvvvvv\na/b/c/d,e\n", "found 2 columns"},
    {"extended", "video,audio,label\na,b,non-sounding\nc,d,sounding",
     "error f:3 c: column 3: expected non-sounding, found 'sounding'"},
    {"extended", "a,b,non-sounding\nc,non-sounding", "error f:2 c: expected video,audio,label, found 2 columns"},
    {"extended", "a,b,non-sounding\nc,,non-sounding", "error f:2 c: expected ids of video and audio"},
    {"avsbench-s4", "name,start,category,split\na,0,dog,test\nb,0,dog,dev",
     "error f:3 b: column 'split': expected train, val or test, found 'dev'"},
    {"avsbench-s4", "name,start,category,split\na,0,dog,test\nb,0,dog",
     "error f:3 b: expected 4 columns as in the first line, found 3"},
    {"avsbench-s4", "name,start,category,split\na,0,dog,test\n../b,0,dog,test", "error f:3 ../b: column 'name'"},
    {"avsbench-s4", "a_1,dog\nb_6,dog", "error f:2 b_6: column 1: expected <name>_<1..5>, found 'b_6'"},
    {"avsbench-ms3", "a_1,dog\nb_2", "error f:2 b_2: expected frame_id,label, found 1 columns"},
    {"is3", "[" GOOD_PAIR ", {\"image\": \"/q/plain.jpg\", \"audio\": \"/q/plain.wav\", \"gt_box\": [1, 2, 3, 4]}]",
     "error f:2 plain: field 'image': expected a name with a '_'"},
    {"is3", "[" GOOD_PAIR ", {\"image\": \"/q/2_1.jpg\", \"audio\": \"/q/2_1.wav\"}]", "error f:2 2_1: field 'gt_box': missing"},
    {"is3", "[" GOOD_PAIR ", {\"image\": \"/q/2_1.jpg\", \"audio\": \"/q/2_1.wav\", \"gt_box\": [1, 2, \"3\", 4]}]", "error f:2 2_1: field 'gt_box'"},
    {"is3", "[" GOOD_PAIR ", {\"image\": \"/q/2_1.jpg\", \"audio\": \"/q/\", \"gt_box\": [1, 2, 3, 4]}]",
     "error f:2 /q/2_1.jpg: field 'audio'"},
    {"vpo-ss", "[" GOOD_PAIR ", {\"image\": \"/q/2_1.jpg\", \"audio\": \"/q/2_1.wav\", \"gt_box\": [1, 2, 3]}]",
     "error f:2 2_1: field 'gt_box'"},
    {"vpo-ms", "[" GOOD_PAIR ", {\"image\": \"/q/2_1.jpg\", \"audio\": \"/q/2_1.wav\", \"gt_box\": [1, 2, 3, 240]}]",
     "error f:2 2_1: box 1 (1, 2, 3, 240) leaves the picture"},
    {"vpo-ms",
     "[" GOOD_PAIR
     ", {\"image\": \"/q/2_1.jpg\", \"audio\": \"/q/2_1.wav\", \"gt_box\": [1, 2, 3, 4], \"offset\": \"1\"}]",
     "error f:2 2_1: field 'offset'"},
};

static void test_each_defect(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof defects / sizeof *defects; i++) {
        const defect *d = &defects[i];
        oassl_import_options o = {.format = d->format, .annotations = at("f")};
        write_text("f", d->text);
        oassl_status status = import(&o);
        if (status != OASSL_STATUS_OK) fail_msg("%s of %s: %s", d->report, d->format, oassl_last_error());
        assert_report(d->report);
        if (counts.n_errors != 1)
            fail_msg("%s: %llu errors:\n%s", d->report, (unsigned long long)counts.n_errors, report);
        assert_true(counts.n_records == 1 || counts.n_records == 5); /* a clip has five frames */
        o.strict = 1;
        assert_int_equal(import(&o), OASSL_STATUS_FORMAT);
        if (!strstr(oassl_last_error(), "1 errors, the first is ")) fail_msg("strict: %s", oassl_last_error());
        assert_int_equal(access(at("m.jsonl"), F_OK), -1);
    }
}

/* ---- XML ------------------------------------------------------------------------------------------------------ */

#define NUMBERS "<o/><a>0</a><b>0</b><c>9</c><d>9</d>"

static const struct {
    const char *xml, *report;
    int n_records; /* beside the good one */
} files[] = {
    {"<r><a><bbox>" NUMBERS "<e>1</e></bbox></a></r>", "1 elements 'bbox' have more than five children", 1},
    {"<r><a><polygon>1</polygon><bbox>" NUMBERS "</bbox></a></r>",
     "1 children of annotators are no 'bbox' but 'polygon'", 1},
    {"<r><a><bbox><o/><a>0</a><b>0</b><c>9</c></bbox></a></r>", "line 1: 'bbox': expected five elements or more", 0},
    {"<r><a><bbox><o/><a>0</a><b>zero</b><c>9</c><d>9</d></bbox></a></r>",
     "line 1: 'bbox': expected whole numbers, found 'zero'", 0},
    {"<r><a><bbox><o/><a>0.5</a><b>0</b><c>9</c><d>9</d></bbox></a></r>", "expected whole numbers, found '0.5'", 0},
    {"<r><a><bbox><o/><xmax>0</xmax><b>0</b><c>9</c><d>9</d></bbox></a></r>", "element 'xmax' is not in its place", 0},
    {"<r><a><bbox><o/><a>0</a><b>0</b><c>300</c><d>9</d></bbox></a></r>",
     "box 1 (0, 0, 300, 9) leaves the picture (xyxy 256)", 0},
    {"<r><a><bbox>" NUMBERS "</a></r>", "line 1: not valid XML: mismatched tag", 0},
    {"<r><a></a></r>", "expected annotators with elements 'bbox', found none", 0},
    {"", "not valid XML", 0},
    {"<!DOCTYPE r [<!ENTITY a \"aaaa\">]><r><a><bbox>" NUMBERS "</bbox></a></r>",
     "entity declarations are refused, found 'a'", 0},
};

static void test_xml(void **state) {
    (void)state;
    write_text("xml/1.xml", "<r><a><bbox>" NUMBERS "</bbox></a></r>");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        oassl_import_options o = {.format = "flickr", .annotations = at("xml")};
        write_text("xml/2.xml", files[i].xml);
        assert_ok(import(&o));
        assert_report("error 2.xml:0 2: ");
        assert_report(files[i].report);
        assert_int_equal(counts.n_errors, 1);
        assert_int_equal(counts.n_records, 1 + files[i].n_records);
        o.strict = 1;
        assert_int_equal(import(&o), OASSL_STATUS_FORMAT);
    }
}

/* ---- files as a whole, and what belongs together --------------------------------------------------------------- */

static void assert_refused(const char *format, const char *text, const char *error) {
    oassl_import_options o = {.format = format, .annotations = at("f")};
    write_text("f", text);
    assert_int_equal(import(&o), OASSL_STATUS_FORMAT);
    if (!strstr(oassl_last_error(), error)) fail_msg("expected '%s', got '%s'", error, oassl_last_error());
    assert_int_equal(access(at("m.jsonl"), F_OK), -1);
}

static void test_whole_files(void **state) {
    (void)state;
    assert_refused("vggss", "{\"file\": \"x\"}", "f: expected an array of annotations");
    assert_refused("vggss", "[", "not valid JSON");
    assert_refused("vggss", "[]", "no records left (0 read");
    assert_refused("list", "", "no records left");
    assert_refused("avsbench-s4", "name,category\na,dog", "expected columns name, category, split");
    oassl_import_options o = {.format = "vggsss", .annotations = at("f")};
    assert_int_equal(import(&o), OASSL_STATUS_INVALID_ARGUMENT);
    assert_non_null(strstr(oassl_last_error(), "known are vggss, vggsound"));
    o.format = "vggss", o.annotations = at("missing.json");
    assert_int_equal(import(&o), OASSL_STATUS_NOT_FOUND);
    o.format = "flickr";
    assert_int_equal(import(&o), OASSL_STATUS_NOT_FOUND);
}

static void test_unknown_ids(void **state) {
    (void)state;
    write_text("f", "[" GOOD "]");
    write_text("l", "good,cat\nbad,cat\ngood,dog\n");
    write_text("seg", "[{\"image\": \"/q/other_1.jpg\", \"gt_box\": \"/q/other_1.png\"}]");
    oassl_import_options o = {.format = "vggss", .annotations = at("f"), .list = at("l"), .segments = at("seg")};
    assert_ok(import(&o));
    assert_int_equal(counts.n_unknown, 2);
    assert_int_equal(counts.n_duplicates, 1);
    assert_report("warning l:1 good: label 'cat', the annotations say 'dog'");
    assert_report("error l:2 bad: the annotations have no such id");
    assert_report("warning l:3 good: the id is in the list twice");
    assert_report("error seg:1 other_1: the annotations have no such id");
    assert_int_equal(counts.n_records, 1);
}

/* A file named like a published one is compared with it. */
static void test_published_counts(void **state) {
    (void)state;
    write_text("vggss.json", "[" GOOD "]");
    write_text("vggss_test.csv", "good");
    oassl_import_options o = {.format = "vggss", .annotations = at("vggss.json"), .list = at("vggss_test.csv")};
    assert_ok(import(&o));
    assert_report("warning vggss.json:0 : 1 entries, the published file of this name has 5158");
    assert_report("warning vggss_test.csv:0 : 1 entries, the published file of this name has 5158");
    assert_int_equal(counts.n_records, 1);
}

static void test_tvsl_frames(void **state) {
    (void)state;
    write_text("t", "{" GOOD_FRAME ", \"x/y/1.jpg\": {\"bbox\": [{\"box\": [1, 1, 2, 2], \"normbox\": [0, 0, 1, 1], \"category_id\": 4}], \"width\": 9, \"height\": 9}}");
    oassl_import_options o = {.format = "music-solo-tvsl", .annotations = at("t")};
    oassl_manifest *m = imported(&o);
    const oassl_record *r = oai_manifest_at(m, 1);
    assert_int_equal(counts.n_records, 2);
    assert_string_equal(r->id, "x_y_1");
    assert_string_equal(r->sources[0].label, "category 4");
    assert_int_equal(r->sources[0].n_numbers, 1);
    assert_non_null(strstr(r->image, "x/y/1.jpg"));
    assert_non_null(strstr(r->audio, "x/y.wav"));
    oai_manifest_free(m);
}

static void test_duplicates(void **state) {
    (void)state;
    write_text("f", "[" GOOD ", {\"file\": \"good\", \"class\": \"cat\", \"bbox\": [[0, 0, 1, 1]]}]");
    oassl_import_options o = {.format = "vggss", .annotations = at("f"), .strict = 1};
    oassl_manifest *m = imported(&o);
    assert_int_equal(counts.n_duplicates, 1);
    assert_report("warning f:2 good: the id is that of");
    assert_string_equal(oai_manifest_at(m, 0)->label, "dog"); /* the first is kept */
    oai_manifest_free(m);
}

/* An older manifest survives an import that fails. */
static void test_no_partial_file(void **state) {
    (void)state;
    write_text("f", "[" GOOD ", 3]");
    write_text("old.jsonl", "old");
    oassl_import_options o = {.format = "vggss", .annotations = at("f"), .strict = 1, .report = keep_report};
    assert_int_equal(oai_import_run(&oai_default_host, &o, at("old.jsonl"), &counts), OASSL_STATUS_FORMAT);
    char *text;
    size_t bytes;
    assert_ok(oai_file_read(&oai_default_host, at("old.jsonl"), 100, &text, &bytes));
    assert_string_equal(text, "old");
    oai_free(&oai_default_host, text);
}

/* ---- memory --------------------------------------------------------------------------------------------------- */

/* Whatever allocation fails, the import says so and leaves nothing. */
static void each_failure(oassl_import_options o, uint64_t n_records) {
    scarce memory = {0};
    oai_host host = scarce_host(&memory);
    oassl_status status = OASSL_STATUS_OUT_OF_MEMORY;
    unlink(at("m.jsonl"));
    for (int64_t n = 0; status == OASSL_STATUS_OUT_OF_MEMORY; n++) {
        assert_true(n < 1000);
        assert_int_equal(access(at("m.jsonl"), F_OK), -1);
        memory.left = n;
        status = oai_import_run(&host, &o, at("m.jsonl"), &counts);
        assert_int_equal(memory.live, 0);
    }
    assert_ok(status);
    assert_int_equal(counts.n_records, n_records);
}

static void test_memory_failures(void **state) {
    (void)state;
    write_text("f", "a01,dog\na02,cat\na03,cow\n");
    write_text("l", "a01\na02\n");
    each_failure((oassl_import_options){.format = "list", .annotations = at("f"), .list = at("l"), .mix_sources = 2},
                 3);
    write_text("mix", "a01,dog,a03,cow");
    each_failure((oassl_import_options){.format = "list", .annotations = at("f"), .mix = at("mix"), .flat_labels = 1},
                 4);
    write_text("g", "[" GOOD_PAIR "]");
    write_text("seg", "[{\"image\": \"/q/1_1.jpg\", \"gt_box\": \"/q/1_1.png\"}]");
    write_text("s", "video,audio,label\na,b,non-sounding");
    each_failure(
        (oassl_import_options){.format = "vpo-ms", .annotations = at("g"), .segments = at("seg"), .silent = at("s")},
        2);
    write_text("xml/1.xml", "<r><a><bbox>" NUMBERS "</bbox></a></r>");
    each_failure((oassl_import_options){.format = "flickr", .annotations = at("xml")}, 1);
    write_text("d", "[" GOOD_SOLO "]");
    each_failure((oassl_import_options){.format = "music-solo", .annotations = at("d")}, 1);
    write_text("t", "{" GOOD_FRAME "}");
    each_failure((oassl_import_options){.format = "music-solo-tvsl", .annotations = at("t")}, 1);
    write_text("v", "MUSIC_raw/solo/cello/vvvvvvvvvvv");
    each_failure((oassl_import_options){.format = "music-videos", .annotations = at("v")}, 1);
    write_text("a", "name,category,split\nx,dog,test");
    each_failure((oassl_import_options){.format = "avsbench-s4", .annotations = at("a")}, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_defect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_xml, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_whole_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_ids, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_published_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tvsl_frames, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_duplicates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_partial_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory_failures, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
