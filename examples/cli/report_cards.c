/* The best and the worst samples, a card each. */
#include <string.h>

#include "report_parts.h"

static void picture(FILE *out, const json_t *image) {
    fputs("<figure><img src=\"", out);
    html_text(out, json_string_value(json_object_get(image, "src")));
    fprintf(out, "\" width=\"%lld\" height=\"%lld\" alt=\"",
            (long long)json_integer_value(json_object_get(image, "width")),
            (long long)json_integer_value(json_object_get(image, "height")));
    html_text(out, json_string_value(json_object_get(image, "caption")));
    fputs("\"/><figcaption>", out);
    html_text(out, json_string_value(json_object_get(image, "caption")));
    fputs("</figcaption></figure>\n", out);
}

static void card(FILE *out, const json_t *sample) {
    const json_t *images = json_object_get(sample, "images");
    const char *sound = json_string_value(json_object_get(sample, "sound"));
    size_t i;
    json_t *value;
    fputs("<article class=\"card\"><h4>", out);
    html_text(out, json_string_value(json_object_get(sample, "id")));
    fprintf(out, "<span>AP %.3f</span></h4>\n<div class=\"views\">\n",
            json_number_value(json_object_get(sample, "score")));
    json_array_foreach(images, i, value) picture(out, value);
    fputs("</div>\n", out);
    if (sound) {
        fputs("<figure class=\"sound\"><img src=\"", out);
        html_text(out, sound);
        fputs("\" width=\"400\" height=\"132\" alt=\"log-spectrogram of the sound\"/>"
              "<figcaption><span>0 s</span><span>0 to 8 kHz</span><span>3 s</span></figcaption></figure>\n",
              out);
    }
    fputs("<table "
          "class=\"pairs\"><thead><tr><th></th><th>peak</th><th>AP</th><th>cIoU</th><th>adaptive</th></tr></"
          "thead><tbody>\n",
          out);
    json_array_foreach(json_object_get(sample, "sources"), i, value) {
        fputs("<tr><th scope=\"row\">", out);
        const char *label = json_string_value(json_object_get(value, "label"));
        html_text(out, label && *label ? label : "source");
        double pointing = json_number_value(json_object_get(value, "pointing"));
        fprintf(out, "</th><td>%s</td><td>%.3f</td><td>%.3f</td><td>%.3f</td></tr>\n",
                pointing >= 1  ? "hit"
                : pointing > 0 ? "tie"
                               : "miss",
                json_number_value(json_object_get(value, "ap")), json_number_value(json_object_get(value, "ciou")),
                json_number_value(json_object_get(value, "adaptive_ciou")));
    }
    fputs("</tbody></table></article>\n", out);
}

static void cards(FILE *out, const json_t *samples, const char *key, const char *heading) {
    const json_t *list = json_object_get(samples, key);
    size_t i;
    json_t *sample;
    if (json_array_size(list) == 0) return;
    int broad = 0; /* several heat-maps in a row */
    json_array_foreach((json_t *)list, i, sample) broad |= json_array_size(json_object_get(sample, "images")) > 2;
    fprintf(out, "<h3>%s</h3>\n<div class=\"cards%s\">\n", heading, broad ? " broad" : "");
    json_array_foreach((json_t *)list, i, sample) card(out, sample);
    fputs("</div>\n", out);
}

void html_samples(FILE *out, const json_t *samples) {
    if (json_array_size(json_object_get(samples, "best")) == 0) return;
    fputs("<h2>Best and worst samples</h2>\n<p class=\"note\">By pixel average precision, mean over a "
          "sample\342\200\231s sources. "
          "<span class=\"key green\"></span> what sounds, <span class=\"key red\"></span> its silent twins, "
          "<span class=\"key ring\"></span> the heat-map\342\200\231s highest point.</p>\n",
          out);
    cards(out, samples, "best", json_array_size(json_object_get(samples, "worst")) ? "Best" : "Best first");
    cards(out, samples, "worst", "Worst");
}
