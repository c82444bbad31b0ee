/* Captions: sentences that say what sounds in a picture (foreground, one a source) and what does not (background),
 * and the reference features a text encoder makes of them.  OA-SSL learns from these; localisation never needs them.
 *
 * Caption file: JSON Lines, one object a sample,
 *   {"id": "clip7", "labels": ["guitar"], "foreground": "an image of a man playing guitar",
 *    "background": "an image of a sofa and a lamp"}
 * "foreground" is a list when there are several sources; "file" is accepted for "id"; "labels" and provenance
 * ("model", "revision", "prompt_hash", "image_hash", ...) are optional.  Also accepted: one JSON object that maps ids to
 * {"foreground", "background"}.
 *
 * Feature file: .npz that NumPy opens: ids [N] text, offsets [N+1] int64, foreground [sum K, d] float32, background
 * [N, d] float32 (a row of zeros: that sample has none), encoder, encoder_hash (SHA-256 of the weights file),
 * tokenizer_hash (of the vocabulary files) and pooling ("cls", "mean" or "end": texts).
 *
 * Source: OA-SSL, Table 10 (the prompt) and section 3 (reference features); layout and checks are this library's.
 *
 * Example: from sentences to the vectors of one sample
 *   oassl_captions_encode(ctx, "captions.jsonl", "bert-base-uncased", NULL, "captions.npz", NULL);
 *   oassl_captions *captions;
 *   oassl_captions_open(ctx, "captions.npz", &captions);
 *   uint64_t i;
 *   oassl_caption_sample sample = OASSL_CAPTION_SAMPLE_INIT;
 *   if (oassl_captions_find(captions, "clip7", &i) == OASSL_STATUS_OK &&
 *       oassl_captions_sample(captions, i, &sample) == OASSL_STATUS_OK)
 *       use(sample.foreground, sample.n_foreground, oassl_captions_dim(captions));
 *   oassl_captions_destroy(captions); */
#ifndef OASSL_CAPTION_H
#define OASSL_CAPTION_H

#include "context.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- checking a caption file --------------------------------------------------------------------------------- */

enum { OASSL_CAPTION_WARNING = 1, OASSL_CAPTION_ERROR = 2 };

/* Gets each defect while the call runs, in the calling thread, in file order.  `line` counts from 1 (0: the file as a
 * whole); `id` is "" when not known. */
typedef void (*oassl_caption_report)(void *user, int32_t severity, uint64_t line, const char *id, const char *text);

typedef struct oassl_caption_check_options {
    uint32_t struct_size;
    uint32_t n_sources;             /* K every sample must have; 0 = as many as its labels if given, else any */
    int32_t allow_empty_background; /* 1: a missing background is no error; its terms are skipped in training */
    int32_t repair;                 /* 1: cut JSON out of code fences or prose, with a warning (raw model answers) */
    oassl_caption_report report;    /* NULL: only counts */
    void *report_user;
} oassl_caption_check_options;

#define OASSL_CAPTION_CHECK_OPTIONS_INIT {sizeof(oassl_caption_check_options)}

typedef struct oassl_caption_counts {
    uint32_t struct_size;
    uint64_t n_captions;  /* samples without error */
    uint64_t n_sentences; /* in them */
    uint64_t n_errors, n_warnings;
} oassl_caption_counts;

#define OASSL_CAPTION_COUNTS_INIT {sizeof(oassl_caption_counts)}

/* Reports every defect.  OK means the file was read and checked: look at n_errors.  `options` may be NULL,
 * `out_counts->struct_size` is set by the caller.  Errors are: no JSON, id or foreground missing, empty or of the wrong
 * type, K that does not match, background missing; warnings: a sentence not beginning with "an image of", a background
 * that is a list (joined with ", "), a repeated id (the last wins), unknown fields (once a file). */
OASSL_API oassl_status oassl_captions_check(const oassl_context *context, const char *path,
                                            const oassl_caption_check_options *options,
                                            oassl_caption_counts *out_counts);

/* ---- asking for captions -------------------------------------------------------------------------------------- */

/* The prompt for a multimodal language model that is shown a picture with these labels: name what makes each sound, what
 * is visible and silent, and nothing else, as JSON; with three worked examples.  White space and commas inside a label
 * become underscores.  Writes the NUL-terminated text to out_text[capacity] (NULL: only its length, without the NUL, to
 * *out_bytes).  INVALID_ARGUMENT: no labels, an empty one, or too little room.  Source: OA-SSL, Table 10, in our words. */
OASSL_API oassl_status oassl_captions_prompt(const char *const *labels, uint32_t n_labels, char *out_text,
                                             uint64_t capacity, uint64_t *out_bytes);
/* SHA-256 of the prompt before labels are put in, 64 hexadecimal digits: its version, for "prompt_hash". */
OASSL_API const char *oassl_captions_prompt_hash(void);

/* ---- encoding ------------------------------------------------------------------------------------------------ */

typedef struct oassl_caption_encode_options {
    uint32_t struct_size;
    uint32_t n_sources; /* these three as in oassl_caption_check_options */
    int32_t allow_empty_background;
    int32_t repair;
    oassl_caption_report report; /* NULL: warnings go to the context's log */
    void *report_user;
    uint32_t max_tokens;      /* longer sentences are cut, with a warning; 0 = the encoder's maximum, 512 at most */
    uint32_t batch;           /* sentences at once; 0 = 32 */
    int32_t pooling;          /* OASSL_POOLING_* of encoder.h; 0 = the folder's own, [CLS] for BERT as in the paper */
    int32_t concat_text;      /* 1: a composite's background is one sentence, its parts' joined by ", and " */
    const char *encoder_name; /* recorded in the file; NULL = the folder's name */
    /* NULL, or JSON Lines {"id": "mix7", "parts": ["clip1", "clip2"]}: samples to add whose foregrounds are their
     * parts' one after another, and whose background is the mean of theirs, or see concat_text. */
    const char *composites_path;
} oassl_caption_encode_options;

#define OASSL_CAPTION_ENCODE_OPTIONS_INIT {sizeof(oassl_caption_encode_options)}

/* Encodes every distinct sentence of `captions_path` once with the text encoder in `encoder_dir` (encoder.h tells which
 * folders do) and writes `out_path` (.npz), atomically.  Finished sentences are kept in `out_path`.partial while the
 * call runs: after an interruption the next call takes them from there if encoder, tokenizer, pooling and max_tokens
 * are the same, and the file goes when `out_path` is written.  IO if another run has that file.
 * `options` and `out_counts` may be NULL.  FORMAT with the first error of a caption file that has errors; progress is
 * "encode captions"; CANCELLED when its callback says so. */
OASSL_API oassl_status oassl_captions_encode(oassl_context *context, const char *captions_path, const char *encoder_dir,
                                             const oassl_caption_encode_options *options, const char *out_path,
                                             oassl_caption_counts *out_counts);

/* ---- features ------------------------------------------------------------------------------------------------ */

/* Immutable after opening; any number of threads may use it.  Pointers it gives live as long as it does. */
typedef struct oassl_captions oassl_captions;

/* FORMAT, SHAPE_MISMATCH or NON_FINITE name the file and the member. */
OASSL_API oassl_status oassl_captions_open(const oassl_context *context, const char *path,
                                           oassl_captions **out_captions);
OASSL_API void oassl_captions_destroy(oassl_captions *captions);

OASSL_API uint64_t oassl_captions_count(const oassl_captions *captions); /* N */
OASSL_API uint32_t oassl_captions_dim(const oassl_captions *captions);   /* d: 768 for BERT-base */
OASSL_API const char *oassl_captions_encoder(const oassl_captions *captions);
OASSL_API const char *oassl_captions_encoder_hash(const oassl_captions *captions);
/* "" in files that do not say it. */
OASSL_API const char *oassl_captions_tokenizer_hash(const oassl_captions *captions);
OASSL_API const char *oassl_captions_pooling(const oassl_captions *captions);

/* NOT_FOUND names the id. */
OASSL_API oassl_status oassl_captions_find(const oassl_captions *captions, const char *id, uint64_t *out_index);

typedef struct oassl_caption_sample {
    uint32_t struct_size;
    uint32_t n_foreground;   /* K */
    const char *id;
    const float *foreground; /* [K, d], row-major, as the encoder gave it: not normalised */
    const float *background; /* [d]; NULL when the sample has none */
} oassl_caption_sample;

#define OASSL_CAPTION_SAMPLE_INIT {sizeof(oassl_caption_sample)}

/* `out_sample->struct_size` is set by the caller.  INVALID_ARGUMENT for an index out of range. */
OASSL_API oassl_status oassl_captions_sample(const oassl_captions *captions, uint64_t index,
                                             oassl_caption_sample *out_sample);

/* References of a composite of n samples: their foregrounds one after another, the mean of their backgrounds (of those
 * that have one, before normalisation).  out_foreground has room for max_foreground rows of d, out_background for d;
 * *out_has_background is 0 (and zeros are written) if none has one.  SHAPE_MISMATCH if max_foreground is too small. */
OASSL_API oassl_status oassl_captions_compose(const oassl_captions *captions, const uint64_t *indices,
                                              uint32_t n_indices, uint32_t max_foreground, float *out_foreground,
                                              uint32_t *out_n_foreground, float *out_background,
                                              int32_t *out_has_background);

#ifdef __cplusplus
}
#endif
#endif
