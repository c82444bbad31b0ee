/* Scoring a model on a manifest: localises every sample and feeds the metric of metric.h.
 *
 * A record with several sources is localised with K known; mixtures are composed as in training (pictures side by side
 * or one above the other, waveforms added).  Besides the model, the centre box and the whole image are scored on the
 * same samples, and with `mismatched` every picture gets the sound of another record with other classes: what is left
 * then is what the picture alone gives away.
 *
 * Example:
 *   oassl_evaluate_options options = OASSL_EVALUATE_OPTIONS_INIT;
 *   options.split = "test";
 *   oassl_evaluation result = OASSL_EVALUATION_INIT;
 *   oassl_evaluate(model, "duet/manifest.jsonl", &options, &result);
 *   printf("pointing %.3f of %llu\n", result.metric.model.pointing, (unsigned long long)result.metric.n_pairs);
 *
 * Published protocols in the same pass: make a metric with `protocols`, give it as `collect`, and read its values. */
#ifndef OASSL_EVALUATE_H
#define OASSL_EVALUATE_H

#include "data.h"
#include "localizer.h"
#include "metric.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One sample as it was scored; everything is valid during the call only.  A failure stops the evaluation. */
typedef struct oassl_evaluated_sample {
    uint32_t struct_size;
    uint32_t index;                  /* 0..n-1 */
    const char *id;
    const oassl_image *picture;      /* composed */
    const oassl_audio *sound;        /* mixed */
    const oassl_localization *found; /* boxes and maps in pixels of `picture` */
    const oassl_metric_sample *truth; /* what the metric was given */
} oassl_evaluated_sample;
typedef oassl_status (*oassl_evaluate_fn)(void *user, const oassl_evaluated_sample *sample);

typedef struct oassl_evaluate_options {
    uint32_t struct_size;
    int32_t mismatched;    /* 1: sounds of other records */
    const char *split;     /* NULL or "" = all records */
    uint64_t max_samples;  /* the first so many; 0 = all */
    int32_t missing;       /* OASSL_MISSING_*: records whose media are not there */
    uint32_t image_size;   /* side of the network input of one picture; 0 = the model's */
    int32_t identify;      /* OASSL_IDENTIFY_* */
    int32_t reserved;
    const oassl_metric_options *metric; /* NULL = canonical */
    oassl_evaluate_fn on_sample;        /* NULL = none */
    void *user;
    oassl_metric *collect; /* every sample is added to this metric too, with whatever protocols it was made for; NULL = none */
} oassl_evaluate_options;

#define OASSL_EVALUATE_OPTIONS_INIT {sizeof(oassl_evaluate_options)}

typedef struct oassl_evaluation {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t n_skipped;      /* records without picture, sound, boxes or media */
    double confidence;       /* mean over samples of the localisation's confidence */
    double similarity;       /* mean over samples of the best source's similarity */
    double seconds;          /* spent localising */
    oassl_metric_result metric;
} oassl_evaluation;

#define OASSL_EVALUATION_INIT {sizeof(oassl_evaluation), 0, 0, 0, 0, 0, OASSL_METRIC_RESULT_INIT}

/* NOT_FOUND: the split has no usable record.  Errors of a sample name its id. */
OASSL_API oassl_status oassl_evaluate(const oassl_model *model, const char *manifest_path,
                                      const oassl_evaluate_options *options, oassl_evaluation *out_result);

#ifdef __cplusplus
}
#endif
#endif
