/* How many entries the published files have (spec: datasets.md): a file of such a name with another number is no
 * error, but results on it are not those of the papers. */
#include <string.h>

#include "data/import.h"

static const struct {
    const char *name;
    uint64_t n;
} published[] = {
    {"vggss.json", 5158},
    {"vggss_test.csv", 5158},
    {"vggss_heard_test.csv", 2564},
    {"vggss_unheard_test.csv", 2575},
    {"vggss_144k.txt", 144000},
    {"train_vggss_train_144k.txt", 144000},
    {"vggss_10k.txt", 10000},
    {"vggss_10k.csv", 10000},
    {"vggss_heard.txt", 59468},
    {"vggss_heard.csv", 70000},
    {"ours_vggss.txt", 4655},
    {"vggsound_single_test.csv", 5158},
    {"vggsound_duet_test.csv", 5158},
    {"music_solo.json", 2124},
    {"music_duet.json", 1020},
    {"music_solo_test.csv", 2124},
    {"music_duet_test.csv", 1020},
    {"music_solo_train.txt", 44532},
    {"music_duet_train.txt", 48348},
    {"music_solo_real_ann.json", 13472},
    {"flickr_test.csv", 250},
    {"test_flickr_250.txt", 250},
    {"test_flickr_249.txt", 249},
    {"flickr_sup_train.txt", 4750},
    {"flickr_10k.txt", 10000},
    {"flickr_144k.txt", 144000},
    {"flickr_test_plus_silent.csv", 250},
    {"vggss_test_plus_silent.csv", 5158},
    {"avs1_s4_test.csv", 3700},
    {"avs1_ms3_test.csv", 320},
    {"s4_box.json", 3700},
    {"s4_seg.json", 3700},
    {"ms3_box.json", 320},
    {"ms3_seg.json", 320},
    {"synthetic3240_bbox.json", 6480},
    {"synthetic3240_seg.json", 6480},
    {"vpo_ss_bbox.json", 890},
    {"vpo_ss_seg.json", 890},
    {"vpo_ms_bbox.json", 2157},
    {"vpo_ms_seg.json", 2157},
};

void oai_import_compare_published(oai_import *m, const char *path, uint64_t n_entries) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        if (strcmp(published[i].name, name) == 0 && published[i].n != n_entries)
            oai_note(&m->notes, OASSL_DATA_WARNING, path, 0, NULL,
                     "%llu entries, the published file of this name has %llu", (unsigned long long)n_entries,
                     (unsigned long long)published[i].n);
}
