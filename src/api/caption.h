/* The inside of oassl_captions, for the API files that take one. */
#ifndef OAI_API_CAPTION_H
#define OAI_API_CAPTION_H

#include "oassl/caption.h"
#include "text/caption_features.h"

struct oassl_captions {
    oai_caption_features *features;
};

#endif
