"""The prompt: one template (oassl/prompt.txt, the same text `oassl captions prompt` prints), versioned by its hash."""

import hashlib
import re
from pathlib import Path

PACKAGED = Path(__file__).resolve().parent.parent / "prompt.txt"


def spell(label):
    """A class name in one word: "female speech, woman speaking" -> "female_speech_woman_speaking"."""
    return "_".join(word for word in re.split(r"[,\s]+", label, flags=re.ASCII) if word)


class Prompt:
    """`text` is the template, `hash` the SHA-256 of its bytes: the version that every caption records."""

    def __init__(self, path=None):
        content = Path(path or PACKAGED).read_bytes()
        self.hash = hashlib.sha256(content).hexdigest()
        try:
            self.text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: expected UTF-8 text, found {error.reason} at byte {error.start}") from None
        if "{labels}" not in self.text:
            raise ValueError(f"{path}: expected the placeholder {{labels}}, which is replaced by a picture's labels")

    def render(self, labels):
        # {count} first: a label cannot then bring in a placeholder of its own.
        return self.text.replace("{count}", str(len(labels))).replace("{labels}", ", ".join(map(spell, labels)))


def correction(defects, n_labels):
    """What a bad answer is replied with."""
    shape = '"foreground" as one sentence'
    if n_labels > 1:
        shape = f'"foreground" as a list of exactly {n_labels} sentences, one for each label in the given order,'
    return (
        f"That answer cannot be used: {'; '.join(defects)}. Look at the picture again and answer with one JSON object "
        f'and nothing else, with {shape} and "background" as one sentence that names the silent visible objects. '
        'Each sentence begins with "an image of". No explanation, no code fence, no repetition.'
    )
