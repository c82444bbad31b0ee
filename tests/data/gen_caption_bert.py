"""A tiny Hugging Face BERT and its [CLS] vectors for tests/model/test_captions_encode.c.  Run in tests/data with
transformers installed; text/bert/* is committed."""
import json, os
import torch
from transformers import BertConfig, BertModel, BertTokenizer

torch.manual_seed(3)
os.makedirs("text/bert", exist_ok=True)
vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "an", "image", "of", "a", "man", "play", "##ing", "guitar", "sofa",
         "and", "lamp", "violin", "##s", ",", "cafe"]
open("text/bert/vocab.txt", "w").write("\n".join(vocab) + "\n")
config = BertConfig(vocab_size=len(vocab), hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
                    intermediate_size=16, max_position_embeddings=12)
model = BertModel(config).eval()
with torch.no_grad():
    for name, p in model.named_parameters():
        p.copy_(torch.randn_like(p) * 0.5 + (1.0 if "LayerNorm.weight" in name else 0.0))
model.save_pretrained("text/bert", safe_serialization=True)
tokenizer = BertTokenizer.from_pretrained("text/bert")
captions = [
    {"id": "solo", "foreground": "An image of a man playing guitar", "background": "an image of a sofa, lamps"},
    {"id": "duet", "labels": ["guitar", "violin"], "foreground": ["an image of a guitar", "an image of a violin"],
     "background": "an image of a CAFÉ"},
    {"id": "long", "foreground": "an image of a man playing guitar and a man playing violins", "background": "an image of a sofa, lamps"},
]
open("text/bert/captions.jsonl", "w").write("".join(json.dumps(c, ensure_ascii=False) + "\n" for c in captions))


def vector(text):
    with torch.no_grad():
        out = model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=12))
    return [round(v, 6) for v in out.last_hidden_state[0, 0].tolist()]


expected = []
for c in captions:
    f = c["foreground"] if isinstance(c["foreground"], list) else [c["foreground"]]
    expected.append({"id": c["id"], "foreground": [vector(t) for t in f], "background": vector(c["background"])})
json.dump(expected, open("text/bert/expected.json", "w"))
