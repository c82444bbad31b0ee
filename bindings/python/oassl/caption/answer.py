"""A model's answer to a caption, by the rules the C side's `oassl captions check` applies too.

Mended, with a note: code fences and prose around one JSON object, the same object several times, a background given as
a list, blanks, unknown keys.  Everything else that is wrong is a defect: the answer is refused, the model asked again.
"""

import json
import re
from dataclasses import dataclass, field

START = "an image of"
MAX_ANSWER = 16000  # characters; two sentences need a few hundred
MAX_SENTENCE = 1000
MAX_CLIP_WORDS = 77  # no text of more words fits CLIP's 77 tokens


class BadAnswer(Exception):
    def __init__(self, *defects):
        super().__init__("; ".join(defects))
        self.defects = list(defects)


@dataclass
class Caption:
    foreground: list  # one sentence a label
    background: str  # "" when allowed to be missing
    notes: list = field(default_factory=list)  # what was mended or looks odd


def _pairs(pairs):
    """An object; a key given twice with different values makes it useless."""
    result = {}
    for key, value in pairs:
        if key in result and result[key] != value:
            raise BadAnswer(f'the key "{key[:40]}" is given twice')
        result[key] = value
    return result


_decoder = json.JSONDecoder(object_pairs_hook=_pairs)


def _objects(text):
    """The complete JSON objects in a text, outermost only, and what follows the last one."""
    found, at = [], text.find("{")
    tail = at if at >= 0 else len(text)
    while at >= 0:
        try:
            value, end = _decoder.raw_decode(text, at)
            found.append(value)
            tail = end
        except (ValueError, RecursionError):
            end = at + 1
        at = text.find("{", end)
    return found, text[tail:].strip()


def _cut(text, notes):
    """The one JSON object of an answer."""
    text = re.sub(r"\A\s*<think>.*?</think>", "", text, flags=re.DOTALL).strip().lstrip("\ufeff")
    if not text:
        raise BadAnswer("the answer is empty")
    if len(text) > MAX_ANSWER:
        raise BadAnswer(f"the answer is {len(text)} characters long")
    try:
        value = _decoder.decode(text)
        if isinstance(value, dict):
            return value
    except (ValueError, RecursionError):
        pass
    found, tail = _objects(text)
    if not found:
        raise BadAnswer("there is no complete JSON object in the answer")
    if any(other != found[0] for other in found[1:]):
        raise BadAnswer(f"there are {len(found)} different JSON objects in the answer")
    if "{" in tail:  # cut off while it repeated itself, or began something else
        beginning = re.sub(r"\s", "", tail[tail.index("{"):])
        if not re.sub(r"\s", "", json.dumps(found[0], ensure_ascii=False)).startswith(beginning):
            raise BadAnswer("after the JSON object comes the beginning of another one")
    notes.append("JSON was cut out of surrounding text")
    if len(found) > 1:
        notes.append("the same object was given several times")
    return found[0]


def _tidy(text):
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()


def _repeated(text):
    """A phrase of up to 12 words that comes three times in a row, or None."""
    words = [word.strip(".,;:!") for word in text.lower().split()]
    for n in range(1, 13):
        run = 0
        for i in range(n, len(words)):
            run = run + 1 if words[i] == words[i - n] else 0
            if run >= 2 * n:
                return " ".join(words[i - n + 1 : i + 1])
    return None


def _kind(value):
    names = {dict: "an object", list: "a list", bool: "a truth value", int: "a number", float: "a number", str: "a string"}
    return "null" if value is None else names.get(type(value), "another type")


def _texts(name, value, defects):
    """A string or a list of strings as tidy texts."""
    values = value if isinstance(value, list) else [value]
    for item in values:
        if not isinstance(item, str):
            where = " as an item of the list" if isinstance(value, list) else ""
            defects.append(f'"{name}": expected a string or a list of strings, found {_kind(item)}{where}')
            return None
    return [_tidy(item) for item in values]


def _check_sentence(name, text, defects, notes):
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        defects.append(f'"{name}" holds half a character')
        return
    phrase = _repeated(text)
    if phrase:
        defects.append(f'"{name}" repeats "{phrase[:60]}"')
    if len(text) > MAX_SENTENCE:
        defects.append(f'"{name}" is {len(text)} characters long, at most {MAX_SENTENCE} are useful')
    elif len(text.split()) > MAX_CLIP_WORDS:
        notes.append(f"{name} has {len(text.split())} words: encoders cut it")
    if not text.lower().startswith(START):
        notes.append(f'{name} does not begin with "{START}"')


def _foreground(value, n_labels, defects, notes):
    if value is None:
        defects.append('"foreground" is missing')
        return []
    texts = _texts("foreground", value, defects)
    if texts is None:
        return []
    if not texts or not all(texts):
        defects.append('"foreground" is empty' if len(texts) < 2 else '"foreground" has an empty sentence')
        return []
    if len(texts) != n_labels:
        found = f"{len(texts)} sentence{'s' if len(texts) > 1 else ''}"
        defects.append(f'"foreground" has {found}, expected {n_labels}, one for each label')
    elif len({text.lower() for text in texts}) < len(texts):
        defects.append('"foreground" has the same sentence for several labels')
    for text in texts:
        _check_sentence("foreground", text, defects, notes)
    return texts


def _background(value, allow_empty, defects, notes):
    texts = [] if value is None else _texts("background", value, defects)
    if texts is None:
        return ""
    text = ", ".join(text for text in texts if text)
    if isinstance(value, list) and text:
        notes.append("background was a list")
    if text:
        _check_sentence("background", text, defects, notes)
    elif not allow_empty:
        defects.append(f'"background" is {"missing" if value is None else "empty"}')
    return text


def read_answer(text, n_labels, allow_empty_background=False):
    """The caption in a model's answer; raises BadAnswer with every defect found."""
    notes, defects = [], []
    record = _cut(text, notes)
    foreground = _foreground(record.get("foreground"), n_labels, defects, notes)
    background = _background(record.get("background"), allow_empty_background, defects, notes)
    if background and background.lower() in (text.lower() for text in foreground):
        defects.append('"background" is the same sentence as "foreground"')
    if set(record) - {"foreground", "background"}:
        notes.append("unknown keys were ignored")
    if defects:
        raise BadAnswer(*defects)
    return Caption(foreground, background, notes)
