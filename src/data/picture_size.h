/* Width and height of a JPEG or PNG file from its header, without decoding. */
#ifndef OAI_DATA_PICTURE_SIZE_H
#define OAI_DATA_PICTURE_SIZE_H

#include "base/host.h"

/* NOT_FOUND, IO, or FORMAT with the path. */
oassl_status oai_picture_size(const char *path, int32_t *out_width, int32_t *out_height);

#endif
