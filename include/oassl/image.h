/* Pictures: JPEG and PNG files in, the network's input, heat-maps laid over pictures out.
 *
 * A network sees [3, size, size] floats (planar RGB), resized, cropped and normalised as the published system does it;
 * a preset names the system.  Two families of resizing exist and give visibly different numbers:
 * - PILLOW_*: 8-bit, antialiased, bit for bit what Pillow 9.4's Image.resize gives (most systems): across first, then
 *   down.  Pillow 12.3 and later swap the passes for some tall pictures, which then differ by a few levels;
 * - the others: float, what torch.nn.functional.interpolate gives, with and without antialiasing.
 *
 * Coordinates: x to the right, y down, continuous, pixel (i, j) covers [i, i+1) x [j, j+1); boxes are x0 y0 x1 y1.
 * Any thread may call any function; nothing is kept between calls.
 *
 * Example: a picture as OA-SSL sees it, and the finished heat-map laid over it
 *   oassl_image picture, drawing;
 *   oassl_image_load(ctx, "band.jpg", &picture);
 *   float *input = malloc(3 * 224 * 224 * sizeof *input);
 *   oassl_image_prepare(ctx, NULL, &picture, input, 3 * 224 * 224);
 *   ... the network makes map[14 * 14] ...
 *   oassl_image_overlay(ctx, NULL, &picture, map, 14, 14, NULL, 0, &drawing);
 *   oassl_image_save_png(ctx, "overlay.png", &drawing);
 *   oassl_image_free(ctx, &drawing);
 *   oassl_image_free(ctx, &picture);
 *
 * Source: Pillow's resampling, torch's interpolate, the published loaders of LVS, EZ-VSL, NoPrior, SSLalignment. */
#ifndef OASSL_IMAGE_H
#define OASSL_IMAGE_H

#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 8-bit RGB, rows from the top, any row stride.  A plain view: fill one in to pass pixels from memory. */
typedef struct oassl_image {
    uint8_t *rgb;      /* read only for functions that take a const view */
    int32_t width;     /* 1..32768 */
    int32_t height;    /* 1..32768 */
    int64_t row_bytes; /* from one row to the next, >= 3 width; 0 = 3 width */
} oassl_image;

/* ---- files ---- */

/* Reads a JPEG or PNG file (told by content, not name) as RGB: grey is replicated, palettes looked up, alpha dropped,
 * 16 bits cut to 8, CMYK converted; an EXIF orientation is not applied.  Free with oassl_image_free.  NOT_FOUND, IO;
 * FORMAT: neither JPEG nor PNG, corrupted, truncated; UNSUPPORTED: more than 32768 pixels a side or 2^28 in all. */
OASSL_API oassl_status oassl_image_load(const oassl_context *context, const char *path, oassl_image *out_image);

/* The same from memory. */
OASSL_API oassl_status oassl_image_decode(const oassl_context *context, const void *bytes, uint64_t n_bytes,
                                          oassl_image *out_image);

/* Frees what a function of this header allocated and zeroes the view.  NULL is legal. */
OASSL_API void oassl_image_free(const oassl_context *context, oassl_image *image);

/* The file appears complete or not at all.  `quality` is 1..100; 0 = 90. */
OASSL_API oassl_status oassl_image_save_png(const oassl_context *context, const char *path, const oassl_image *image);
OASSL_API oassl_status oassl_image_save_jpeg(const oassl_context *context, const char *path, const oassl_image *image,
                                             int32_t quality);

/* ---- resizing ---- */

/* Kernels.  "Half pixel": source = (o + 0.5) in / out - 0.5; "corners": source = o (in - 1) / (out - 1). */
enum {
    OASSL_RESIZE_DEFAULT = 0,           /* where a function says which */
    OASSL_RESIZE_PILLOW_BICUBIC = 1,    /* a = -0.5, antialiased, 8-bit, bit-exact */
    OASSL_RESIZE_PILLOW_BILINEAR = 2,   /* triangle, antialiased, 8-bit, bit-exact */
    OASSL_RESIZE_BICUBIC = 3,           /* a = -0.75, half pixel; OpenCV INTER_CUBIC */
    OASSL_RESIZE_BILINEAR = 4,          /* half pixel; OpenCV INTER_LINEAR */
    OASSL_RESIZE_BICUBIC_ANTIALIAS = 5, /* a = -0.5 */
    OASSL_RESIZE_BILINEAR_ANTIALIAS = 6,
    OASSL_RESIZE_BICUBIC_CORNERS = 7, /* a = -0.75 */
    OASSL_RESIZE_BILINEAR_CORNERS = 8
};

/* 8-bit picture to width x height; `kernel` PILLOW_BICUBIC (also DEFAULT) or PILLOW_BILINEAR. */
OASSL_API oassl_status oassl_image_resize(const oassl_context *context, const oassl_image *image, int32_t width,
                                          int32_t height, int32_t kernel, oassl_image *out_image);

/* A float map [map_height, map_width] to [height, width]; any kernel but the 8-bit ones, DEFAULT = BILINEAR.  Bicubic
 * values may overshoot. */
OASSL_API oassl_status oassl_image_resize_map(const oassl_context *context, const float *map, int32_t map_width,
                                              int32_t map_height, int32_t width, int32_t height, int32_t kernel,
                                              float *out_map);

/* ---- the network's input ---- */

enum {
    OASSL_IMAGE_PRESET_DEFAULT = 0,     /* oassl */
    OASSL_IMAGE_PRESET_OASSL = 1,       /* to size x size, PILLOW_BICUBIC */
    OASSL_IMAGE_PRESET_LVS = 2,         /* shorter side to size, centre crop, PILLOW_BICUBIC */
    OASSL_IMAGE_PRESET_EZVSL = 3,       /* as OASSL (also SLAVC, FNAC, AVGN, MarginNCE) */
    OASSL_IMAGE_PRESET_NOPRIOR = 4,     /* as OASSL */
    OASSL_IMAGE_PRESET_SSLALIGNMENT = 5 /* to size x size, float BICUBIC.  With torchvision 0.17 and later the original
                                           gives BICUBIC_ANTIALIAS; its best published figure used LVS's transform */
};

enum { OASSL_IMAGE_GEOMETRY_PRESET = 0, OASSL_IMAGE_GEOMETRY_STRETCH = 1, OASSL_IMAGE_GEOMETRY_CROP = 2 };
enum {
    OASSL_IMAGE_STATISTICS_PRESET = 0,
    OASSL_IMAGE_STATISTICS_IMAGENET = 1,
    OASSL_IMAGE_STATISTICS_CLIP = 2,
    OASSL_IMAGE_STATISTICS_NONE = 3 /* values stay in [0, 1] */
};

typedef struct oassl_image_options {
    uint32_t struct_size;
    int32_t preset;     /* OASSL_IMAGE_PRESET_* */
    int32_t size;       /* side of the input, 1..8192; 0 = 224 */
    int32_t kernel;     /* OASSL_RESIZE_*; 0 = the preset's */
    int32_t geometry;   /* OASSL_IMAGE_GEOMETRY_*; CROP: shorter side to size, centre crop; 0 = the preset's */
    int32_t statistics; /* OASSL_IMAGE_STATISTICS_*; 0 = the preset's (ImageNet) */
} oassl_image_options;

#define OASSL_IMAGE_OPTIONS_INIT                                                                                      \
    { sizeof(oassl_image_options) }

/* "oassl", "lvs", "ezvsl", "slavc", "fnac", "avgn", "marginnce", "noprior", "sslalignment". */
OASSL_API oassl_status oassl_image_preset_find(const char *name, int32_t *out_preset);
OASSL_API const char *oassl_image_preset_name(int32_t preset); /* NULL for a number that is none */

/* Writes [3, size, size] floats; `n_input` is the room in `out_input`.  `options` may be NULL here and below. */
OASSL_API oassl_status oassl_image_prepare(const oassl_context *context, const oassl_image_options *options,
                                           const oassl_image *image, float *out_input, uint64_t n_input);

/* Where a picture lands in the input: x_input = x_picture scale_x + offset_x, the same for y.  What lies outside
 * [0, width) x [0, height) was cropped away. */
typedef struct oassl_image_placement {
    double scale_x, scale_y, offset_x, offset_y;
    int32_t width, height; /* of the input */
} oassl_image_placement;

OASSL_API oassl_status oassl_image_placement_of(const oassl_image_options *options, int32_t picture_width,
                                                int32_t picture_height, oassl_image_placement *out_placement);

/* Boxes x0 y0 x1 y1, not clipped; `box` and `out_box` may be the same. */
OASSL_API void oassl_image_box_to_input(const oassl_image_placement *placement, const double *box, double *out_box);
OASSL_API void oassl_image_box_to_picture(const oassl_image_placement *placement, const double *box, double *out_box);

/* A map over the network's input, any resolution, as a map of the picture [picture_height, picture_width].  Where the
 * crop left the picture out the map's minimum stands.  `kernel` as for oassl_image_resize_map. */
OASSL_API oassl_status oassl_image_map_to_picture(const oassl_context *context, const oassl_image_options *options,
                                                  const float *map, int32_t map_width, int32_t map_height,
                                                  int32_t picture_width, int32_t picture_height, int32_t kernel,
                                                  float *out_map);

/* ---- drawing ---- */

enum { OASSL_OVERLAY_COLORMAP_TURBO = 0, OASSL_OVERLAY_COLORMAP_INFERNO = 1 };
enum { OASSL_OVERLAY_MARK_BOX = 1, OASSL_OVERLAY_MARK_PEAK = 2 };

typedef struct oassl_overlay_options {
    uint32_t struct_size;
    int32_t colormap; /* OASSL_OVERLAY_COLORMAP_* */
    float strength;   /* opacity of the hottest place, 0..1; 0 = 0.65; negative = no heat-map at all */
    float low, high;  /* values painted coldest and hottest; both 0 = the map's own minimum and maximum */
} oassl_overlay_options;

#define OASSL_OVERLAY_OPTIONS_INIT                                                                                    \
    { sizeof(oassl_overlay_options) }

/* One thing to draw on top. */
typedef struct oassl_overlay_mark {
    int32_t kind; /* OASSL_OVERLAY_MARK_* */
    float x0, y0; /* box corner, or the peak */
    float x1, y1; /* other corner; unused for a peak */
    uint8_t rgb[3];
    uint8_t reserved; /* 0 */
} oassl_overlay_mark;

/* The picture with a heat-map (map [map_height, map_width] over the whole picture, bilinearly enlarged; NULL = none)
 * and marks in picture coordinates.  NON_FINITE: the map holds a NaN or infinity.  Free with oassl_image_free. */
OASSL_API oassl_status oassl_image_overlay(const oassl_context *context, const oassl_overlay_options *options,
                                           const oassl_image *image, const float *map, int32_t map_width,
                                           int32_t map_height, const oassl_overlay_mark *marks, uint32_t n_marks,
                                           oassl_image *out_image);

#ifdef __cplusplus
}
#endif
#endif
