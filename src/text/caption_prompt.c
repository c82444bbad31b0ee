#include "text/caption_prompt.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char oai_caption_prompt_hash[] = "15161f7fc09054c2b6c57cd4aab50d3592c824f9069f6cb9530f92ae0fc02b4c";

/* clang-format off */
const char oai_caption_prompt[] =
    "You look at one picture, a frame of a video, and you are told which sounds are heard in the video at that moment. Say in\n"
    "words what in the picture makes each sound, and what else is visible that stays silent.\n"
    "\n"
    "The sounds are given as labels, separated by commas; inside a label, words are joined by underscores (\"acoustic_guitar\"\n"
    "is one label). There may be many more objects in the picture than labels, and objects that look like the one that\n"
    "sounds but do not sound.\n"
    "\n"
    "Rules:\n"
    "1. Foreground: for each label, name the visible object or person that makes this sound, with what shows that it does: who\n"
    "   plays it, how it is held, what it is doing. If the label names an action (\"man_speaking\", \"playing_violin\"), name who\n"
    "   does it and with what.\n"
    "2. Background: name the other distinct visible objects that do not make any of the sounds: silent instruments, silent\n"
    "   look-alikes of the sounding object, people who only listen, furniture, the place. Name no object twice, and nothing\n"
    "   that is in the foreground.\n"
    "3. Mention only what is visible in this picture. Do not guess what is outside of it, do not describe the sound itself,\n"
    "   moods or opinions, and do not add objects because they usually go with a label. If an object cannot be made out\n"
    "   well, name it by what can be seen of it.\n"
    "4. Each sentence begins with the words \"an image of\", is one short phrase of at most 30 words, in English, and stands on its\n"
    "   own.\n"
    "\n"
    "Answer with one JSON object and nothing else: no explanation before or after it, no code fence, no further keys.\n"
    "- With one label, \"foreground\" is one sentence: {\"foreground\": \"an image of ...\", \"background\": \"an image of ...\"}\n"
    "- With two or more labels, \"foreground\" is a list with exactly one sentence for each label, in the order of the labels:\n"
    "  {\"foreground\": [\"an image of ...\", \"an image of ...\"], \"background\": \"an image of ...\"}\n"
    "- \"background\" is always one sentence, naming all silent objects, separated by commas.\n"
    "\n"
    "Example 1: a sounding object among others. Picture: a woman blows a flute in a living room.\n"
    "Labels: playing_flute\n"
    "{\"foreground\": \"an image of a woman holding a silver flute to her lips\", \"background\": \"an image of a brown sofa, a floor lamp, a bookshelf and a rug\"}\n"
    "\n"
    "Example 2: look-alikes, of which one sounds. Picture: a man strums a guitar in a shop, behind him guitars hang on a wall.\n"
    "Labels: acoustic_guitar\n"
    "{\"foreground\": \"an image of a seated man strumming an acoustic guitar on his lap\", \"background\": \"an image of several guitars hanging unplayed on a wall, an amplifier and a wooden stool\"}\n"
    "\n"
    "Example 3: several sources. Picture: on a small stage a girl bows a cello while a boy hits a drum kit; an unused piano\n"
    "and a microphone stand behind them.\n"
    "Labels: cello, drum_kit\n"
    "{\"foreground\": [\"an image of a girl drawing a bow across a cello between her knees\", \"an image of a boy hitting a drum kit with two sticks\"], \"background\": \"an image of a closed piano, a microphone stand and a dark curtain\"}\n"
    "\n"
    "Now the picture you see.\n"
    "Number of labels: {count}\n"
    "Labels: {labels}\n";
/* clang-format on */

static bool is_gap(char c) { return c == ',' || c == ' ' || (c >= '\t' && c <= '\r'); }

/* "female speech, woman speaking" -> "female_speech_woman_speaking"; returns the end. */
static char *spell(const char *label, char *out) {
    for (bool begun = false;; begun = true) {
        while (is_gap(*label)) label++;
        if (!*label) break;
        if (begun) *out++ = '_';
        while (*label && !is_gap(*label)) *out++ = *label++;
    }
    *out = 0;
    return out;
}

oassl_status oai_caption_prompt_make(const oai_host *host, const char *const *labels, uint32_t n, char **out_text) {
    *out_text = NULL;
    if (n == 0) return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "a prompt needs at least one label");
    size_t bytes = sizeof oai_caption_prompt + 16;
    for (uint32_t i = 0; i < n; i++) bytes += strlen(labels[i]) + 2;
    char *text = oai_alloc(host, bytes), *at = text;
    if (!text) return oai_no_memory(bytes, "a prompt");
    for (const char *from = oai_caption_prompt; *from;) {
        if (strncmp(from, "{count}", 7) == 0) {
            at += sprintf(at, "%u", n);
            from += 7;
        } else if (strncmp(from, "{labels}", 8) == 0) {
            for (uint32_t i = 0; i < n; i++) {
                char *start = at = i ? stpcpy(at, ", ") : at;
                at = spell(labels[i], at);
                if (at > start) continue;
                oai_free(host, text);
                return oai_fail(OASSL_STATUS_INVALID_ARGUMENT, "label %u is empty", i);
            }
            from += 8;
        } else {
            *at++ = *from++;
        }
    }
    *at = 0;
    *out_text = text;
    return OASSL_STATUS_OK;
}
