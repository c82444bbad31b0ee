#include "data/import_box.h"

#include <math.h>

static const double unit_of[] = {1, 1, 256, 224}; /* what the numbers' full range is */

const char *oai_box_coordinates_name(int32_t coordinates) {
    static const char *const names[] = {"xyxy 0..1", "xywh 0..1", "xyxy 256", "xyxy 224"};
    return names[coordinates];
}

static double clamp(double v, double high) { return v > 0 ? v < high ? v : high : 0; }

bool oai_box_to_frame(int32_t coordinates, const double raw[4], int32_t width, int32_t height, double out_box[4]) {
    double unit = unit_of[coordinates];
    bool whole = width == OAI_BOX_FRAME && height == OAI_BOX_FRAME;
    for (int32_t k = 0; k < 4; k++) {
        double v = coordinates == OAI_BOX_XYWH && k >= 2 ? raw[k - 2] + raw[k] : raw[k];
        if (coordinates >= OAI_BOX_IN256) v = trunc(v);
        v = clamp(v, unit) * (k % 2 ? height : width) / unit;
        out_box[k] = whole ? trunc(v) : v;
    }
    return out_box[0] < out_box[2] && out_box[1] < out_box[3];
}

bool oai_box_sentinel(const double raw[4]) {
    for (int32_t k = 0; k < 4; k++)
        if (!(fabs(raw[k]) < 1e6)) return true;
    return false;
}

bool oai_box_outside(int32_t coordinates, const double raw[4]) {
    double unit = unit_of[coordinates], slack = 1e-6 * unit;
    if (oai_box_sentinel(raw)) return false;
    for (int32_t k = 0; k < 4; k++) {
        double v = coordinates == OAI_BOX_XYWH && k >= 2 ? raw[k - 2] + raw[k] : raw[k];
        if (v < -slack || v > unit + slack || raw[k] < -slack) return true;
    }
    return false;
}
