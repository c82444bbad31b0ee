"""Known answers of CLIP's tokenizers for tests/unit/test_bpe.c, on a small vocabulary of our own: text/bpe.json.

    python3 gen_clip_bpe.py SIMPLE_TOKENIZER.PY        in tests/data; OpenAI's file, e.g. from the package clip-anytorch

Needs transformers and regex; ftfy is replaced by doing nothing, as in our tokenizer.  The committed
vocabulary is trained here on a few sentences: the real one is not ours to commit.
"""
import collections, importlib.util, json, os, random, sys, tempfile, types

from transformers import CLIPTokenizer

SENTENCES = """an image of a man playing guitar
an image of non-playing guitars, drum-set, and amp
an image of playing clarinet
an image of a woman singing into a microphone on the stage
an image of several people sitting and listening
it's what they're saying: don't, we've, I'll, he'd, I'm
καλημέρα κόσμε ΟΔΥΣΣΕΥΣ crème brûlée naïve façade 日本 2024""".lower().split("\n")
byte_ids = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
byte_ids += [b for b in range(256) if b not in byte_ids]
symbol = {b: chr(b if i < 188 else 256 + i - 188) for i, b in enumerate(byte_ids)}


def train(n):
    words = collections.Counter(w for s in SENTENCES for w in s.split())
    words = {tuple(symbol[b] for b in w.encode()[:-1]) + (symbol[w.encode()[-1]] + "</w>",): k for w, k in words.items()}
    merges = []
    while len(merges) < n:
        pairs = collections.Counter()
        for w, k in words.items():
            for pair in zip(w, w[1:]):
                pairs[pair] += k
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        out = {}
        for w, k in words.items():
            v, i = [], 0
            while i < len(w):
                hit = w[i:i + 2] == best
                v.append("".join(best) if hit else w[i])
                i += 2 if hit else 1
            out[tuple(v)] = k
        words = out
    return merges


merges = train(150)
vocab = [symbol[b] for b in byte_ids]
vocab += [s + "</w>" for s in vocab] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
folder = tempfile.mkdtemp()
text = "#version: ours\n" + "".join(" ".join(m) + "\n" for m in merges)
json.dump({t: i for i, t in enumerate(vocab)}, open(folder + "/vocab.json", "w"))
open(folder + "/merges.txt", "w", encoding="utf8").write(text)
hugging_face = CLIPTokenizer.from_pretrained(folder)

sys.modules["ftfy"] = types.SimpleNamespace(fix_text=lambda t: t)
spec = importlib.util.spec_from_file_location("simple_tokenizer", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
openai = module.SimpleTokenizer()
openai.encoder = {t: i for i, t in enumerate(vocab)}
openai.bpe_ranks = {m: i for i, m in enumerate(merges)}

rnd = random.Random(4)
PARTS = (SENTENCES + """don't IT'S we'LL 'ſ &amp; &amp;lt;b&amp;gt; &eacute &notit; &nosuch; &#233; &#x1F600; &#128; &#0; &#1; &#xD800;
 &#99999999; & &; &nGt; <|endoftext|> <|startoftext|> <|ENDOFTEXT|>!! !<|endoftext|>x 12345 ½² 中文 한국어 हिन्दी 👩‍👩‍👧 😀 🇩🇪 ❤️
 e\u0301 \u0345 \u1100\u1161\u11a8 \u212b İ ΑΣ ΑΣΑ Σ \u200b \ufeff \u00ad \u3000 \x1c \x85 \t \U00010d50 \ua7cb \U00016e80 \u1c89
 \U0001193e\u0334 \U00011935\U00011930""".split(" "))
BLOCKS = [(1, 127)] * 4 + [(0x80, 0x24F)] * 3 + [(0x300, 0x36F), (0x370, 0x6FF), (0x900, 0x1FFF), (0x2000, 0x2BFF),
                                               (0x3000, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x1F9FF), (0x1F300, 0x1FAFF)]


def piece():
    return rnd.choice(PARTS) if rnd.random() < 0.5 else chr(rnd.randint(*rnd.choice(BLOCKS)))


cases = []
for text_in in ["", " ", "A photo of "] + SENTENCES + PARTS + [rnd.choice(["", " "]).join(piece() for _ in range(rnd.randint(1, 9)))
                                                             for _ in range(250)]:
    theirs = [vocab.index("<|startoftext|>")] + openai.encode(text_in) + [len(vocab) - 1]
    cases.append([text_in, theirs, hugging_face(text_in)["input_ids"]])
json.dump({"vocab": {t: i for i, t in enumerate(vocab)}, "merges": text, "cases": cases}, open("text/bpe.json", "w"),
          ensure_ascii=False, separators=(",", ":"))
print(len(merges), "merges,", len(cases), "cases", os.path.getsize("text/bpe.json"))
