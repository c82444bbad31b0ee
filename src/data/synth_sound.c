/* Timbres.  Every instrument is a few notes of one random key through one of four small synthesisers: a
 * wavetable of harmonics with an envelope, decaying modes, a plucked string, noise. */
#include <string.h>

#include "data/synth.h"

enum { TABLE = 1024, MAX_STRING = 2048 };
static const double TAU = 6.283185307179586;

typedef struct score {
    oai_rng *rng;
    int32_t rate, n;
    float *pcm;
} score;

static double between(oai_rng *rng, double lo, double hi) { return lo + (hi - lo) * oai_rng_uniform(rng); }

static double bump(double f, double centre, double width) {
    double z = (f - centre) / width;
    return exp(-z * z);
}

/* Strength of harmonic h at frequency f: the class's spectrum with its formants. */
static double harmonic(int32_t instrument, int32_t h, double f) {
    switch (instrument) {
    case OAI_VIOLIN:
        return (0.25 + 1.5 * bump(f, 480, 180) + 2.5 * bump(f, 1050, 350) + 2.5 * bump(f, 2900, 700)) / pow(h, 0.9);
    case OAI_TRUMPET: return 0.05 + 1.2 * bump(f, 1350, 700) + 0.25 * bump(f, 2600, 900);
    case OAI_SAXOPHONE:
        return ((h & 1 ? 1.0 : 0.35) * (0.3 + 1.6 * bump(f, 650, 250) + 0.9 * bump(f, 1700, 400))) / pow(h, 0.6);
    case OAI_ACCORDION: return (h <= 16 ? 1.0 : 0.2) * (h % 3 ? 0.6 : 1.0) / pow(h, 0.55);
    case OAI_FLUTE: return h == 1 ? 1.0 : h == 2 ? 0.22 : h == 3 ? 0.06 : 0.0;
    default: return 1.0 / h;
    }
}

static void make_table(int32_t instrument, double f, int32_t rate, float *table) {
    memset(table, 0, TABLE * sizeof *table);
    double peak = 1e-9;
    for (int32_t h = 1; h * f < 0.47 * rate && h <= 40; h++) {
        double a = harmonic(instrument, h, h * f);
        if (a < 1e-3) continue;
        for (int32_t i = 0; i < TABLE; i++) table[i] += (float)(a * sin(TAU * h * i / TABLE + 0.7 * h * h));
    }
    for (int32_t i = 0; i < TABLE; i++) peak = fmax(peak, fabsf(table[i]));
    for (int32_t i = 0; i < TABLE; i++) table[i] = (float)(table[i] / peak);
}

typedef struct tone {
    double start, length, f, gain, attack, release;
    double vibrato_rate, vibrato_depth; /* Hz, fraction of f */
    double glide;                       /* starts at f * (1 + glide), settles within 80 ms */
    double breath;                      /* noise mixed in */
    double swell;                       /* amplitude modulation depth at 3 Hz */
} tone;

static void play_tone(const score *s, int32_t instrument, const tone *t) {
    float table[TABLE];
    make_table(instrument, t->f, s->rate, table);
    int32_t first = (int32_t)(t->start * s->rate), count = (int32_t)(t->length * s->rate);
    double phase = oai_rng_uniform(s->rng), dt = 1.0 / s->rate, vibrato = 0, low = 0;
    for (int32_t i = 0; i < count && first + i < s->n; i++) {
        double at = i * dt, rest = t->length - at;
        if (i % 16 == 0) { /* slow things change every millisecond */
            vibrato =
                t->vibrato_depth * sin(TAU * t->vibrato_rate * at) * fmin(1.0, at / 0.25) + t->glide * exp(-at / 0.03);
        }
        double envelope = fmin(1.0, at / t->attack) * fmin(1.0, rest / t->release) *
                          (1.0 - t->swell * (0.5 + 0.5 * cos(TAU * 3.0 * at)));
        phase += t->f * (1.0 + vibrato) * dt;
        phase -= floor(phase);
        double p = phase * TABLE;
        int32_t k = (int32_t)p & (TABLE - 1);
        double v = table[k] + (p - floor(p)) * (table[(k + 1) & (TABLE - 1)] - table[k]);
        if (t->breath > 0) {
            low += 0.45 * (oai_rng_uniform(s->rng) * 2 - 1 - low);
            v += t->breath * low;
        }
        s->pcm[first + i] += (float)(t->gain * envelope * v);
    }
}

/* One decaying sinusoid by recurrence. */
static void play_mode(const score *s, double start, double f, double gain, double t60) {
    if (f > 0.47 * s->rate) return;
    int32_t first = (int32_t)(start * s->rate);
    double decay = exp(-6.9078 / (t60 * s->rate)), a = 2 * decay * cos(TAU * f / s->rate), b = -decay * decay;
    double y1 = 0, y2 = -gain * sin(TAU * f / s->rate) / decay; /* so that the first value is a*0 + b*y2 > 0 */
    int32_t count = (int32_t)fmin(s->n - first, 1.2 * t60 * s->rate);
    for (int32_t i = 0; i < count; i++) {
        double y = a * y1 + b * y2;
        y2 = y1, y1 = y;
        s->pcm[first + i] += (float)y;
    }
}

/* Karplus-Strong: a burst of noise going round a damped delay line. */
static void play_string(const score *s, double start, double f, double gain, double damping) {
    float line[MAX_STRING];
    int32_t length = (int32_t)(s->rate / f + 0.5), first = (int32_t)(start * s->rate), at = 0;
    if (length < 2 || length > MAX_STRING) return;
    float previous = 0, mean = 0;
    for (int32_t i = 0; i < length; i++) { /* a soft finger: noise through a one-pole low-pass */
        previous += 0.55f * ((float)oai_rng_uniform(s->rng) * 2 - 1 - previous);
        line[i] = previous, mean += previous / (float)length;
    }
    for (int32_t i = 0; i < length; i++) line[i] -= mean;
    for (int32_t i = first; i < s->n; i++) {
        int32_t next = at + 1 < length ? at + 1 : 0;
        s->pcm[i] += (float)gain * line[at];
        line[at] = (float)damping * 0.5f * (line[at] + line[next]);
        at = next;
    }
}

static void play_drum(const score *s, double start, double gain, bool low) {
    int32_t first = (int32_t)(start * s->rate), count = (int32_t)(0.35 * s->rate);
    double phase = 0, f0 = low ? 75 : 170, band = 0;
    for (int32_t i = 0; i < count && first + i < s->n; i++) {
        double at = (double)i / s->rate, noise = oai_rng_uniform(s->rng) * 2 - 1;
        phase += f0 * (1 + 1.2 * exp(-at / 0.02)) / s->rate;
        band += 0.7 * (noise - band);
        double body = sin(TAU * phase) * exp(-at / (low ? 0.10 : 0.05)),
               snare = (noise - 0.6 * band) * exp(-at / (low ? 0.015 : 0.07));
        s->pcm[first + i] += (float)(gain * ((low ? 1.1 : 0.5) * body + (low ? 0.3 : 0.9) * snare));
    }
}

/* Note `degree` of a major pentatonic scale above `base` Hz. */
static double pitch(double base, int32_t degree) {
    static const int32_t steps[5] = {0, 2, 4, 7, 9};
    return base * pow(2.0, degree / 5 + steps[degree % 5] / 12.0);
}

static void strike(const score *s, int32_t instrument, double at, double f, double gain) {
    static const double bell_modes[7][3] = {{0.5, 0.5, 2.2}, {1.0, 1.0, 2.0},  {1.19, 0.7, 1.6}, {1.5, 0.4, 1.3},
                                            {2.0, 0.8, 1.2}, {2.74, 0.5, 0.8}, {4.1, 0.3, 0.5}};
    static const double bar_modes[3][3] = {{1.0, 1.0, 0.40}, {3.0, 0.5, 0.16}, {6.1, 0.25, 0.07}};
    if (instrument == OAI_BELL) {
        for (int32_t i = 0; i < 7; i++)
            play_mode(s, at, f * bell_modes[i][0], gain * bell_modes[i][1], bell_modes[i][2]);
    } else if (instrument == OAI_XYLOPHONE) {
        for (int32_t i = 0; i < 3; i++) play_mode(s, at, f * bar_modes[i][0], gain * bar_modes[i][1], bar_modes[i][2]);
    } else { /* piano: slightly stretched harmonics, the higher the shorter */
        for (int32_t h = 1; h <= 9; h++)
            play_mode(s, at, f * h * sqrt(1 + 0.0006 * h * h), gain * pow(h, -1.1),
                      (1.8 / (1 + 0.25 * h)) * pow(220 / f, 0.3));
    }
}

static void play_struck(const score *s, int32_t instrument, double base, double beat) {
    double step = instrument == OAI_BELL ? beat * 1.6 : instrument == OAI_XYLOPHONE ? beat * 0.5 : beat;
    double length = (double)s->n / s->rate;
    for (double at = between(s->rng, 0, 0.15); at < length - 0.1; at += step * between(s->rng, 0.97, 1.03)) {
        int32_t degree = (int32_t)oai_rng_below(s->rng, instrument == OAI_BELL ? 3 : 8);
        double gain = between(s->rng, 0.7, 1.0);
        strike(s, instrument, at, pitch(base, degree), gain);
        if (instrument == OAI_PIANO) {
            strike(s, instrument, at, pitch(base, degree + 2), 0.8 * gain);
            strike(s, instrument, at, pitch(base, degree) / 2, 0.8 * gain);
        }
    }
}

static void play_guitar(const score *s, double base, double beat) {
    double length = (double)s->n / s->rate;
    for (double at = between(s->rng, 0, 0.15); at < length - 0.1; at += beat) {
        int32_t degree = (int32_t)oai_rng_below(s->rng, 5), strum = oai_rng_uniform(s->rng) < 0.5 ? 4 : 1;
        for (int32_t i = 0; i < strum; i++)
            play_string(s, at + 0.018 * i, pitch(base, degree + 2 * i), strum > 1 ? 0.7 : 1.0,
                        between(s->rng, 0.992, 0.997));
    }
}

static void play_beats(const score *s, double beat) {
    double length = (double)s->n / s->rate;
    int32_t k = (int32_t)oai_rng_below(s->rng, 4);
    for (double at = between(s->rng, 0, 0.15); at < length - 0.05; at += beat * 0.5, k++) {
        if (k % 2 == 0 || oai_rng_uniform(s->rng) < 0.55) play_drum(s, at, between(s->rng, 0.7, 1.0), k % 4 == 0);
    }
}

static void play_melody(const score *s, int32_t instrument, double base, double beat) {
    double length = (double)s->n / s->rate;
    for (double at = between(s->rng, 0, 0.12); at < length - 0.1;) {
        double f = pitch(base, (int32_t)oai_rng_below(s->rng, 7)), hold = beat * (1 + oai_rng_below(s->rng, 3)) * 0.75;
        tone t = {.start = at,
                  .length = fmax(0.15, hold),
                  .f = f,
                  .gain = between(s->rng, 0.8, 1),
                  .attack = 0.03,
                  .release = 0.06};
        switch (instrument) {
        case OAI_VIOLIN:
            t.attack = 0.09, t.vibrato_rate = between(s->rng, 5, 6.5), t.vibrato_depth = 0.011, t.breath = 0.04;
            break;
        case OAI_TRUMPET: t.attack = 0.025, t.glide = -0.03, t.length *= 0.8; break;
        case OAI_SAXOPHONE:
            t.attack = 0.04, t.glide = -0.08, t.vibrato_rate = 4.5, t.vibrato_depth = 0.008, t.breath = 0.12;
            break;
        case OAI_FLUTE:
            t.attack = 0.07, t.breath = 0.22, t.swell = 0.35, t.vibrato_rate = 5, t.vibrato_depth = 0.004;
            break;
        default: t.attack = 0.06, t.release = 0.10, t.length = fmax(0.4, 1.3 * hold); break;
        }
        play_tone(s, instrument, &t);
        if (instrument == OAI_ACCORDION) { /* a second reed a little sharp beats against the first; a third above */
            t.f = f * 1.006, play_tone(s, instrument, &t);
            t.f = f * 1.4983, t.gain *= 0.7, play_tone(s, instrument, &t);
        }
        at += t.length * (instrument == OAI_ACCORDION ? 0.95 : 1.0);
    }
}

void oai_synth_play(int32_t instrument, oai_rng *rng, int32_t rate, int32_t n_samples, float *pcm) {
    static const double bases[OAI_N_INSTRUMENTS][2] = {
        [OAI_GUITAR] = {98, 165},     [OAI_VIOLIN] = {294, 523},    [OAI_DRUM] = {1, 2},
        [OAI_TRUMPET] = {262, 440},   [OAI_PIANO] = {196, 349},     [OAI_FLUTE] = {587, 988},
        [OAI_BELL] = {620, 1200},     [OAI_SAXOPHONE] = {117, 208}, [OAI_ACCORDION] = {220, 392},
        [OAI_XYLOPHONE] = {784, 1319}};
    score s = {rng, rate, n_samples, pcm};
    double base = between(rng, bases[instrument][0], bases[instrument][1]), beat = between(rng, 0.28, 0.55);
    switch (instrument) {
    case OAI_GUITAR: play_guitar(&s, base, beat); break;
    case OAI_DRUM: play_beats(&s, beat); break;
    case OAI_PIANO:
    case OAI_BELL:
    case OAI_XYLOPHONE: play_struck(&s, instrument, base, beat); break;
    default: play_melody(&s, instrument, base, beat); break;
    }
}
