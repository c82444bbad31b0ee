/* The inside of oassl_localizer: front ends, features, source maps, regions, confidence. */
#ifndef OAI_LOCALIZE_SESSION_H
#define OAI_LOCALIZE_SESSION_H

#include "dsp/audio_front.h"
#include "dsp/image_preset.h"
#include "model/features.h"
#include "oassl/localizer.h"

enum { OAI_MAX_SOURCES = 8 };

/* What the weights file says about its inputs and its confidence. */
typedef struct oai_hearing {
    oai_image_rules image;
    oai_audio_rules audio;
    bool mean_mix;          /* mixtures are means of waveforms, not sums */
    bool calibrated;
    double scale, offset; /* confidence = sigmoid(scale * similarity + offset) */
} oai_hearing;

#define OAI_CALIBRATION_KEY "oassl_calibration"

/* From the metadata "oassl_training" and "oassl_calibration" of the weights; what they do not say is the oassl preset. */
oassl_status oai_hearing_of(const oai_store *store, oai_hearing *out_hearing);
double oai_confidence(const oai_hearing *hearing, double similarity);

typedef struct oai_session oai_session;

/* features and store stay the caller's and outlive the session.  options NULL = defaults. */
oassl_status oai_session_create(const oai_host *host, oai_features *features, const oai_net_config *config,
                                const oai_hearing *hearing, const oassl_localizer_options *options, oai_session **out_session);
void oai_session_destroy(oai_session *session); /* NULL legal */
/* The result is the session's until its next run. */
oassl_status oai_session_run(oai_session *session, const oassl_image *picture, const oassl_audio *sound,
                             const oassl_localization **out_found);

#endif
