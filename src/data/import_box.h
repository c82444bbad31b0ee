/* Boxes of the published files to pixels (spec: datasets.md 1, metrics.md 1). */
#ifndef OAI_DATA_IMPORT_BOX_H
#define OAI_DATA_IMPORT_BOX_H

#include <stdbool.h>
#include <stdint.h>

enum {
    OAI_BOX_XYXY = 0,  /* x0 y0 x1 y1 in 0..1 */
    OAI_BOX_XYWH = 1,  /* x y width height in 0..1 */
    OAI_BOX_IN256 = 2, /* x0 y0 x1 y1, integers, in a picture of 256 x 256 */
    OAI_BOX_IN224 = 3  /* the same of 224 x 224 */
};

enum { OAI_BOX_FRAME = 224 };

const char *oai_box_coordinates_name(int32_t coordinates);
/* Pixels of a frame, half open.  In the frame of 224 x 224 whole numbers by the published truncation, otherwise not
 * rounded.  False: nothing is inside (out_box is still what the conversion gives). */
bool oai_box_to_frame(int32_t coordinates, const double raw[4], int32_t width, int32_t height, double out_box[4]);
/* True when the numbers lie outside of the picture by more than rounding; sentinels (|v| of 1e6 and more) are not
 * meant. */
bool oai_box_outside(int32_t coordinates, const double raw[4]);
bool oai_box_sentinel(const double raw[4]);

#endif
