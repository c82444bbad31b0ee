#include "metric/protocol.h"

#include <stdio.h>
#include <string.h>

#include "base/mapresize.h"
#include "oassl/metric.h"

enum {
    BASE = OAI_FIG_SUCCESS,
    MANY = OAI_FIG_SUCCESS | OAI_FIG_AT_30 | OAI_FIG_AP | OAI_FIG_PIAP,
    CONF = OAI_FIG_CONFIDENCE,
};

/* Short names so that a row is a line one can compare with the next. */
#define BI_HALF OAI_MAP_BILINEAR_HALF_PIXEL
#define BI_EDGE OAI_MAP_BILINEAR_CORNERS | OAI_RESIZE_BY_TORCH
#define CU_HALF OAI_MAP_BICUBIC_HALF_PIXEL | OAI_RESIZE_BY_TORCH
#define CU_EDGE OAI_MAP_BICUBIC_CORNERS | OAI_RESIZE_BY_TORCH
#define BI_HALF_T OAI_MAP_BILINEAR_HALF_PIXEL | OAI_RESIZE_BY_TORCH
#define BI_HALF_O OAI_MAP_BILINEAR_HALF_PIXEL | OAI_RESIZE_BY_OPENCV
#define CU_HALF_O OAI_MAP_BICUBIC_HALF_PIXEL | OAI_RESIZE_BY_OPENCV
#define GE OAI_PREDICATE_GE
#define GT OAI_PREDICATE_GT
#define GT1 OAI_PREDICATE_GT_OR_ONE
#define DATA OAI_TRUTH_UNION
#define COUNT OAI_TRUTH_COUNT
#define HALF OAI_CUT_HALF, 0
#define AT(t) OAI_CUT_FIXED, t
#define GRID OAI_CUT_GRID, 0
#define SCORE(name) OAI_SCORE_##name
#define READ(name) OAI_READ_##name
#define PLACE(name) OAI_PLACE_##name
#define ASSIGN(name) OASSL_ASSIGN_##name

static const oai_rules table[] = {
    {"canonical", BI_HALF, SCORE(MINMAX), HALF, GE, DATA, READ(BOX), PLACE(SQUARE), ASSIGN(BEST), 0, 0,
     MANY | OAI_FIG_ADAPTIVE | OAI_FIG_GROUPS | CONF | OAI_FIG_SIZES | OAI_FIG_MASKS, "cIoU >= t",
     "maps go to sources by the best one-to-one assignment, missing maps score 0, surplus ones nothing"},
    {"lvs", BI_HALF_O, SCORE(NEGATED), HALF, GT1, DATA, READ(BOX), PLACE(SQUARE), ASSIGN(BEST), 0, 0, BASE, "cIoU >= 0.5",
     "flaws kept: binarised in place, so that pixels at 1 survive a threshold of 1; a constant map v is scored 1 + v"},
    {"ezvsl", BI_EDGE, SCORE(MINMAX), HALF, GE, DATA, READ(BOX), PLACE(SQUARE), ASSIGN(BEST), 0.4, 0, BASE, "cIoU >= 0.5",
     "object maps, where given, are mixed in with alpha 0.4 (ogl)"},
    {"ezvsl_trainval", CU_HALF, SCORE(MINMAX), HALF, GE, DATA, READ(BOX), PLACE(SQUARE), ASSIGN(BEST), 0.4, 0, BASE,
     "cIoU >= 0.5", "EZ-VSL's check during training: another kernel than its test"},
    {"fnac", BI_EDGE, SCORE(MINMAX), HALF, GE, DATA, READ(BOX), PLACE(SQUARE), ASSIGN(BEST), 0.4, 0, BASE, "cIoU >= 0.5",
     "as ezvsl; the second report (bicubic) resizes the audio-visual map alone with the bicubic half-pixel kernel"},
    {"slavc", CU_EDGE, SCORE(COSINE), AT(0.5), GE, DATA, READ(BOX), PLACE(SQUARE), ASSIGN(BEST), 0.4, 0,
     BASE | CONF | OAI_FIG_SIZES | OAI_FIG_STRICT, "cIoU >= 0.5; progress line > 0.5",
     "maps are cosines over tau; confidence is the mean of the largest quarter"},
    {"slavc_relative", CU_EDGE, SCORE(MINMAX), HALF, GE, DATA, READ(BOX), PLACE(SQUARE), ASSIGN(BEST), 0.4, 0,
     BASE | CONF | OAI_FIG_SIZES | OAI_FIG_STRICT, "cIoU >= 0.5; progress line > 0.5",
     "SLAVC with its relative flag; confidence is the mean of the largest quarter of (cos + 1)/2"},
    {"avgn", CU_EDGE, SCORE(COSINE), AT(0.5), GE, COUNT, READ(AS_XYXY), PLACE(PART), ASSIGN(IN_ORDER), 0.4, 0,
     MANY | OAI_FIG_AT_75 | CONF | OAI_FIG_SIZES | OAI_FIG_STRICT, "cIoU >= 0.3, 0.5, 0.75; progress > 0.1, 0.3, 0.5",
     "flaws kept: boxes added up without a clamp, MUSIC's x, y, width, height read as corners, average precision with "
     "labels and scores swapped (piap)"},
    {"avgn_relative", CU_EDGE, SCORE(MINMAX), HALF, GE, COUNT, READ(AS_XYXY), PLACE(PART), ASSIGN(IN_ORDER), 0.4, 0,
     MANY | OAI_FIG_AT_75 | CONF | OAI_FIG_SIZES | OAI_FIG_STRICT, "cIoU >= 0.3, 0.5, 0.75; progress > 0.1, 0.3, 0.5",
     "as avgn, with the relative flag"},
    {"noprior", CU_HALF_O, SCORE(MINMAX), HALF, GT1, DATA, READ(EACH), PLACE(PART), ASSIGN(GREEDY), 0, 0,
     MANY | OAI_FIG_COUNT, "cIoU >= 0.3, 0.5 over maps, not samples",
     "maps take their best composed picture in turn and surplus maps score 0; boxes of one picture are one truth "
     "(MUSIC-Duet too); ap and piap are of binary maps; samples without a map count for count_accuracy only"},
    {"sslalignment", BI_EDGE, SCORE(MINMAX), HALF, GT, DATA, READ(BOX), PLACE(SQUARE), ASSIGN(BEST), 0.4, 0,
     BASE | OAI_FIG_ADAPTIVE | OAI_FIG_GROUPS, "cIoU >= 0.5",
     "flaw kept: >, so that the adaptive rule leaves one pixel fewer than the truth has, and ties at the threshold are "
     "dropped"},
    {"sslalignment_lvs", BI_HALF_O, SCORE(NEGATED), HALF, GT, DATA, READ(BOX), PLACE(SQUARE), ASSIGN(BEST), 0.4, 0,
     BASE | OAI_FIG_ADAPTIVE | OAI_FIG_GROUPS, "cIoU >= 0.5", "sslalignment's rule for VGG-SS with LVS-type models"},
    {"acl", CU_HALF, SCORE(SIGMOID), GRID, GE, DATA, READ(BOX), PLACE(SQUARE), ASSIGN(BEST), 0, 0,
     BASE | OAI_FIG_MASKS, "cIoU >= 0.5 at each of 19 map thresholds",
     "best. figures are of the threshold with the best auc, chosen on these very samples; half. is the optional half "
     "threshold, of each item (the reference reuses that of a batch's first); masks take > instead of >="},
    {"acl_extended", CU_HALF, SCORE(SIGMOID), GRID, GE, DATA, READ(BOX), PLACE(SQUARE), ASSIGN(BEST), 0, 1e-12, BASE | CONF,
     "cIoU >= 0.5 at each of 19 map thresholds",
     "acl on sets with non-sounding samples; flaw kept: 1e-12 in the denominator turns a cIoU of exactly 0.5 into a miss; "
     "confidences should be given (cosine of the two embeddings)"},
    {"avsbench", BI_HALF_T, SCORE(SIGMOID), AT(0.5), GT, DATA, READ(BOX), PLACE(SQUARE), ASSIGN(BEST), 0, 0, OAI_FIG_MASKS,
     "-", "F-score: the best of 255 thresholds of the mean curve; maps of another size than the evaluation's are resized"},
    {"avsbench_official", BI_HALF_T, SCORE(SIGMOID), AT(0.5), GT, DATA, READ(BOX), PLACE(SQUARE), ASSIGN(BEST), 0, 0,
     OAI_FIG_MASKS_OFFICIAL, "-",
     "flaw kept: means of batch means and batch maxima; batches are cut from the ids in ascending order; batches without "
     "any object have no F-score"},
    {"tvsl", CU_HALF, SCORE(INVERTED), AT(0.3), GE, COUNT, READ(AS_XYXY), PLACE(CANVAS), ASSIGN(IN_ORDER), 0, 0, MANY,
     "its CIoU@0.3 is mean_ciou, the mean at map threshold 0.3: no success rate",
     "flaws kept: maps inverted, boxes added up without a clamp, MUSIC's x, y, width, height read as corners; the truth "
     "is the source's half of the canvas, the other half zero; samples with overlapping boxes and constant maps have no AP"},
};
enum { N_RULES = sizeof table / sizeof *table };

uint32_t oai_n_rules(void) { return N_RULES; }

const oai_rules *oai_rules_at(uint32_t index) { return index < N_RULES ? &table[index] : NULL; }

const oai_rules *oai_rules_find(const char *name, size_t bytes) {
    for (uint32_t i = 0; i < N_RULES; i++)
        if (strlen(table[i].name) == bytes && memcmp(table[i].name, name, bytes) == 0) return &table[i];
    return NULL;
}

void oai_rules_text(const oai_rules *r, char *out_text, size_t bytes) {
    static const char *const resizes[] = {"bilinear half-pixel", "bilinear corners", "bicubic half-pixel", "bicubic corners"};
    static const char *const scores[] = {"minmax", "1 - minmax(-M)", "1 - minmax", "as given", "(x + 1/tau)/(2/tau)", "sigmoid"};
    static const char *const predicates[] = {">= t", "> t", "> t or >= 1"};
    static const char *const places[] = {"the whole picture", "the canvas of all composed pictures", "each composed picture"};
    static const char *const libraries[] = {"", " (PyTorch's arithmetic)", " (OpenCV's arithmetic)"};
    char cut[32];
    if (r->cut == OAI_CUT_HALF) snprintf(cut, sizeof cut, "half");
    else if (r->cut == OAI_CUT_GRID) snprintf(cut, sizeof cut, "0.05, 0.10 .. 0.95");
    else snprintf(cut, sizeof cut, "%g", r->at);
    snprintf(out_text, bytes, "resize %s%s; score %s; threshold %s; pixels %s; truth %s; on %s; success %s",
             resizes[r->resize & OAI_RESIZE_KERNEL], libraries[r->resize / OAI_RESIZE_BY_TORCH], scores[r->score], cut, predicates[r->predicate],
             r->truth == OAI_TRUTH_COUNT ? "sum of boxes" : "union or consensus", places[r->place], r->success);
}

static void add(const oai_rules *rules, const char *prefix, int32_t system, int32_t resize, double at, uint32_t figures,
                oai_variant *variants, uint32_t *n) {
    oai_variant v = {.rules = rules, .system = system, .resize = resize, .cut = rules->cut == OAI_CUT_GRID ? OAI_CUT_FIXED : rules->cut,
                     .at = at, .figures = figures};
    snprintf(v.prefix, sizeof v.prefix, "%s", prefix);
    variants[(*n)++] = v;
}

bool oai_rules_expand(const oai_rules *rules, oai_variant *variants, uint32_t *n_variants) {
    uint32_t first = *n_variants;
    if (first + 24 > OAI_MAX_VARIANTS) return false;
    if (rules->cut == OAI_CUT_GRID) {
        for (int32_t i = 1; i <= 19; i++) {
            char prefix[16];
            snprintf(prefix, sizeof prefix, "t%.2f.", 0.05 * i);
            add(rules, prefix, OAI_SYSTEM_MAP, rules->resize, 0.05 * i, rules->figures, variants, n_variants);
        }
        add(rules, "half.", OAI_SYSTEM_MAP, rules->resize, 0, rules->figures & ~(uint32_t)OAI_FIG_MASKS, variants, n_variants);
        variants[*n_variants - 1].cut = OAI_CUT_HALF;
    } else {
        add(rules, "", OAI_SYSTEM_MAP, rules->resize, rules->at, rules->figures, variants, n_variants);
    }
    variants[first].curve = (rules->figures & (OAI_FIG_MASKS | OAI_FIG_MASKS_OFFICIAL)) != 0;
    if (rules->alpha > 0) {
        add(rules, "object.", OAI_SYSTEM_OBJECT, rules->resize, rules->at, rules->figures, variants, n_variants);
        add(rules, "ogl.", OAI_SYSTEM_MIXED, rules->resize, rules->at, rules->figures, variants, n_variants);
    }
    if (strcmp(rules->name, "fnac") == 0) {
        add(rules, "bicubic.", OAI_SYSTEM_MAP, CU_HALF, rules->at, rules->figures, variants, n_variants);
        add(rules, "bicubic.ogl.", OAI_SYSTEM_MIXED, CU_HALF, rules->at, rules->figures, variants, n_variants);
    }
    return true;
}
