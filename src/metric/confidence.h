/* Figures that ask whether anything sounds at all (metrics.md 6). */
#ifndef OAI_METRIC_CONFIDENCE_H
#define OAI_METRIC_CONFIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct oai_judgement {
    double confidence, ciou;
    bool sounding;
    uint32_t sample;
} oai_judgement;

/* Order by confidence, as all of the below need it. */
void oai_judgements_sort(oai_judgement *list, size_t n);
/* confidence >= t is a detection; TP: sounding with cIoU >= q; FP: any other detection; FN: sounding, not detected. */
void oai_precision_recall(const oai_judgement *list, size_t n, double t, double q, double *out_precision, double *out_recall);
double oai_confidence_ap(const oai_judgement *list, size_t n, double q);
double oai_max_f1(const oai_judgement *list, size_t n, double q);

#endif
