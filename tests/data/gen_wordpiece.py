"""Known answers of Hugging Face's BertTokenizer for tests/unit/test_wordpiece.c.  Run in tests/data with transformers
installed; text/wordpiece.json is committed.  Random texts use characters that Unicode 3.2 already had: the tokenizers
library classifies younger ones by an old table."""
import json, random, tempfile, unicodedata
from transformers import BertTokenizer

rnd = random.Random(7)
BLOCKS = [(32, 126)] * 8 + [(0xA0, 0x24F)] * 4 + [
    (0x250, 0x36F), (0x370, 0x52F), (0x591, 0x6FF), (0x900, 0xDFF), (0x1100, 0x11FF), (0x1E00, 0x1FFF),
    (0x2000, 0x2BFF), (0x3000, 0x33FF), (0x4E00, 0x4EFF), (0xAC00, 0xADFF), (0xF900, 0xF9FF), (0xFB00, 0xFFFF),
    (0x1D400, 0x1D4FF), (0x20000, 0x20010), (0x2F800, 0x2F810), (0xE0000, 0xE007F)]


def character():
    while True:
        c = rnd.randint(*rnd.choice(BLOCKS))
        if unicodedata.ucd_3_2_0.category(chr(c)) not in ("Cn", "Cs"):
            return chr(c)


def plain(text):
    return "".join(c.lower() for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")


SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
vocab = ["[PAD]", "an", "image", "of", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "man", "play", "##ing", "##s", "guitar",
         "gui", "##tar", "##t", "don", "'", "α", "##σ", "##ς"]
for c in "abcdefghijklmnopqrstuvwxyz.,!?-[]":
    vocab += [c, "##" + c]
for _ in range(500):
    c = plain(character()) if rnd.random() < 0.7 else character()
    vocab.append(c if rnd.random() < 0.6 else "##" + c)
vocab = [t for t in dict.fromkeys(vocab) if t and t != "##" and not any(x.isspace() for x in t)]
folder = tempfile.mkdtemp()
open(folder + "/vocab.txt", "w", encoding="utf8", newline="").write("\n".join(vocab) + "\n")

texts = ["", " ", "an image of a man playing guitar", "An IMAGE of A man Playing GUITARS!", "a\tman\r\nplay\u00a0s\u3000a",
         "don't stop, o.k.?", "crème BRÛLÉE naïve façade", "A\u0301b\u0323\u0307", "ΑΣ ας", "İstanbul", "straße ẞ",
         "a日本b中", "\u200ba\u00adb\ufeffc", "a\ufffdb\ue000c", "a\u2028b\u2029c\u0085d\x0be", "hello [SEP] w[sep] [MASK",
         "[CLS][UNK] [PAD]", "a" * 100, "a" * 101, "x" * 100 + " a", "$100 + 5% = ^|~`<>", "¿qué? «oui» — „ja“ …",
         "ｆｕｌｌ　ｗｉｄｔｈ", "한국어 가", "😀 a😀b", "𝒜 math", "playingplaying guitarman", "a⃝b", "कि ก็ ุ"]
for _ in range(330):
    pick = lambda: rnd.choices([rnd.choice(vocab).replace("##", ""), " ", character(), rnd.choice(SPECIALS)],
                               [5, 4, 3, 0.15])[0]
    texts.append("".join(pick() for _ in range(rnd.randint(1, 14))))
cases = []
for cased in (False, True):
    tokenizer = BertTokenizer.from_pretrained(folder, do_lower_case=not cased)
    for i, text in enumerate(texts):
        if "\0" in text or (cased and i % 3):
            continue
        length = rnd.choice([512, 512, 2, 5, 9])
        cases.append([text, cased, length, tokenizer(text, truncation=True, max_length=length)["input_ids"]])
json.dump({"vocab": "\n".join(vocab) + "\n", "cases": cases}, open("text/wordpiece.json", "w"), ensure_ascii=False,
          separators=(",", ":"))
print(len(cases), "cases,", len(vocab), "tokens")
