"""Writes src/text/unicode_tables.inc and src/text/html_entities.inc: the character classes by which the published
tokenizers split texts, probed character by character, so that no version of a Unicode library changes our tokens.

    python3 gen_clip_unicode.py        in tests/data; needs tokenizers and regex; run with Python 3.11
"""
import html.entities

import regex
from tokenizers import Regex, normalizers, pre_tokenizers

OUT = "../../src/text/"
CLIP = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""


def probe():
    def bert(**on):
        options = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
        return normalizers.BertNormalizer(**{**options, **on})

    clean, strip = bert(clean_text=True), bert(strip_accents=True)
    words, clip = pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Split(Regex(CLIP), behavior="removed", invert=True)
    lower, nfd = normalizers.Lowercase(), normalizers.NFD()
    letter, number = regex.compile(r"\p{L}"), regex.compile(r"\p{N}")
    tables = {name: set() for name in ("bert_dropped", "bert_punctuation", "bert_mark", "combining", "letter", "late_letter",
                                       "number", "late_number", "cased", "case_ignorable")}
    late_lower = []
    for c in range(1, 0x110000):
        if 0xD800 <= c < 0xE000:
            continue
        s = chr(c)
        kinds = []
        if clean.normalize_str(s) == "":
            kinds.append("bert_dropped")
        if len(words.pre_tokenize_str("a" + s + "a")) == 3:
            kinds.append("bert_punctuation")
        if strip.normalize_str(s) == "":
            kinds.append("bert_mark")
        if any(nfd.normalize_str(text) != text for text in ("a" + s + "\u0334", "a\u0316" + s)):
            if nfd.normalize_str(s) == s:
                kinds.append("combining")  # of a class that is not 0
        pieces = len(clip.pre_tokenize_str("a" + s + "a"))
        is_number = pieces == 3 and len(clip.pre_tokenize_str(s + s)) == 2
        if pieces == 1:
            kinds.append("letter")
        elif letter.match(s):
            kinds.append("late_letter")  # assigned after the tables of `tokenizers` were made; OpenAI's knows them
        if is_number:
            kinds.append("number")
        elif number.match(s):
            kinds.append("late_number")
        if ("A\u03a3" + s).lower()[1] != "ς":
            kinds.append("cased")
        elif ("A\u03a3" + s + "A").lower()[1] != "ς":
            kinds.append("case_ignorable")
        for kind in kinds:
            tables[kind].add(c)
        if lower.normalize_str(s) != s.lower():
            late_lower.append((c, ord(lower.normalize_str(s))))
    return tables, late_lower


def ranges(codes):
    out = []
    for c in sorted(codes):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def write(file, items):
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > 120:
            file.write(line + "\n")
            line = "   "
        line += " " + item + ","
    file.write(line + "\n};\n")


tables, late_lower = probe()
with open(OUT + "unicode_tables.inc", "w") as file:
    file.write("/* Written by tests/data/gen_clip_unicode.py; do not edit.  First and last characters of ranges, sorted. */\n")
    for name, codes in tables.items():
        file.write("static const uint32_t %s_ranges[][2] = {\n" % name)
        write(file, ["{0x%X, 0x%X}" % tuple(r) for r in ranges(codes)])
    file.write("/* Capital letters younger than Unicode 14, and their small ones. */\n")
    file.write("static const uint32_t late_lower[][2] = {\n")
    write(file, ["{0x%X, 0x%X}" % pair for pair in late_lower])
with open(OUT + "html_entities.inc", "w") as file:
    file.write("/* Written by tests/data/gen_clip_unicode.py; do not edit.  HTML's named characters, sorted by name. */\n")
    file.write("static const struct {\n    const char *name, *text;\n} html_entities[] = {\n")
    # one literal a byte sequence: an escape must not swallow a hexadecimal digit behind it
    write(file, ['{"%s", "%s"}' % (name, "".join('\\%03o' % b for b in text.encode()))
                 for name, text in sorted(html.entities.html5.items())])
print({name: len(ranges(codes)) for name, codes in tables.items()}, len(late_lower))
