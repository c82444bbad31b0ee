"""The rules for a model's answer."""

import json
import time
import unittest

from oassl.caption.answer import BadAnswer, read_answer

FG, BG = "an image of a man playing guitar", "an image of a sofa, a lamp"
OBJECT = json.dumps({"foreground": FG, "background": BG})
TWO = json.dumps({"foreground": [FG, "an image of a drum being hit"], "background": BG})


class Good(unittest.TestCase):
    def accept(self, text, n_labels=1, foreground=None, background=BG, **options):
        caption = read_answer(text, n_labels, **options)
        self.assertEqual(caption.foreground, foreground or [FG])
        self.assertEqual(caption.background, background)
        return caption.notes

    def test_plain(self):
        self.assertEqual(self.accept(OBJECT), [])
        self.assertEqual(self.accept(json.dumps({"foreground": [FG], "background": BG})), [])
        self.assertEqual(self.accept(TWO, 2, json.loads(TWO)["foreground"]), [])

    def test_cut_out(self):
        cut = ["JSON was cut out of surrounding text"]
        for text in (f"```json\n{OBJECT}\n```", f"```\n{OBJECT}```", f"Sure! Here it is: {OBJECT} I hope this helps.",
                     f"[{OBJECT}]", f"I see {{a guitar}} and :{{ here.\n{OBJECT}", f"{OBJECT}}}", f"{OBJECT},"):
            with self.subTest(text):
                self.assertEqual(self.accept(text), cut)
        self.assertEqual(self.accept(f"<think>{{\"foreground\": 1}} hm</think>\n{OBJECT}"), [])
        self.assertEqual(self.accept("\ufeff" + OBJECT), [])

    def test_same_object_again(self):
        expected = ["JSON was cut out of surrounding text", "the same object was given several times"]
        self.assertEqual(self.accept(f"{OBJECT}\n{OBJECT}\n{OBJECT}"), expected)
        self.assertEqual(self.accept(f"{OBJECT}\n{OBJECT}\n{OBJECT[:30]}"), expected)
        self.accept(f"{OBJECT}\n{OBJECT[:20]}")
        self.accept('{"foreground": "%s", "foreground": "%s", "background": "%s"}' % (FG, FG, BG))

    def test_mended(self):
        listed = json.dumps({"foreground": FG, "background": ["an image of a sofa", "a lamp", " "]})
        self.assertEqual(self.accept(listed), ["background was a list"])
        self.accept(json.dumps({"foreground": f"  {FG.replace(' ', '  ')}\n", "background": f"\t{BG} \u0000"}))
        self.assertEqual(self.accept(json.dumps({"foreground": FG, "background": BG, "sound": "loud"})),
                         ["unknown keys were ignored"])
        notes = self.accept(json.dumps({"foreground": FG, "background": "a sofa"}), background="a sofa")
        self.assertEqual(notes, ['background does not begin with "an image of"'])
        self.accept(json.dumps({"foreground": FG.replace("an image", "An Image"), "background": BG}), 1, [FG.replace("an image", "An Image")])
        long = "an image of " + " ".join(f"thing{i}" for i in range(80))
        self.assertIn("encoders cut it", self.accept(json.dumps({"foreground": FG, "background": long}), background=long)[0])

    def test_unicode(self):
        text = "an image of ein Mädchen mit 🎻 und 二胡"
        self.accept(json.dumps({"foreground": text, "background": BG}), 1, [text])
        self.accept(json.dumps({"foreground": text, "background": BG}, ensure_ascii=False), 1, [text])

    def test_empty_background_allowed(self):
        for value in ({}, {"background": ""}, {"background": None}, {"background": []}, {"background": " "}):
            self.accept(json.dumps({"foreground": FG, **value}), background="", allow_empty_background=True)


class Bad(unittest.TestCase):
    def refuse(self, text, *expected, n_labels=1):
        with self.assertRaises(BadAnswer) as caught:
            read_answer(text if isinstance(text, str) else json.dumps(text), n_labels)
        for part in expected:
            self.assertIn(part, str(caught.exception))

    def test_no_object(self):
        self.refuse("", "empty")
        self.refuse(" \n", "empty")
        for text in ("I'm sorry, I cannot help.", "null", "[]", '"text"', "3", OBJECT[:-1], OBJECT[:40], "{'foreground': 'x'}",
                     "```json\n```", "{", "[" * 5000, '{"a":' * 2500, "{" * 15000, '{"foreground": "a" "b"}'):
            self.refuse(text, "no complete JSON object")
        self.refuse("9" * 5000, "no complete JSON object")
        self.refuse(OBJECT + " " + "very " * 10000, "characters long")

    def test_hostile_nesting_is_quick(self):
        start = time.monotonic()
        self.refuse('{"a":[' * 2600, "no complete")
        self.refuse('{"a":' * 900 + "1" + "}" * 900, "foreground")
        self.assertLess(time.monotonic() - start, 10)

    def test_several_objects(self):
        self.refuse(OBJECT + TWO, "2 different")
        self.refuse(OBJECT + '\n{"foreground": "an image of a cat', "beginning of another")
        self.refuse('{"foreground": "%s", "foreground": "%s", "background": "x"}' % (FG, BG), "given twice")

    def test_wrong_number(self):
        self.refuse({"foreground": [FG, BG], "background": "an image of x"}, "has 2 sentences, expected 1")
        self.refuse({"foreground": FG, "background": BG}, "has 1 sentence, expected 2", n_labels=2)
        self.refuse(TWO, "expected 3", n_labels=3)
        self.refuse({"foreground": [FG, FG.upper()], "background": BG}, "same sentence", n_labels=2)

    def test_missing_and_types(self):
        self.refuse({}, '"foreground" is missing', '"background" is missing')
        self.refuse({"foreground": FG}, '"background" is missing')
        self.refuse({"foreground": FG, "background": " "}, '"background" is empty')
        self.refuse({"foreground": FG, "background": [""]}, '"background" is empty')
        self.refuse({"foreground": "", "background": BG}, '"foreground" is empty')
        self.refuse({"foreground": [], "background": BG}, '"foreground" is empty')
        self.refuse({"foreground": [FG, " "], "background": BG}, "has an empty sentence", n_labels=2)
        self.refuse({"foreground": 3, "background": BG}, "found a number")
        self.refuse({"foreground": True, "background": BG}, "found a truth value")
        self.refuse({"foreground": {"guitar": FG}, "background": BG}, "found an object")
        self.refuse({"foreground": [FG, None], "background": BG}, "found null as an item", n_labels=2)
        self.refuse({"foreground": FG, "background": {"a": 1}}, '"background"', "found an object")

    def test_repetition(self):
        self.refuse({"foreground": FG, "background": "an image of " + "a chair, " * 30}, 'repeats "a chair"')
        self.refuse({"foreground": "an image of a a a man", "background": BG}, "repeats")
        phrase = "a man in a red shirt on a big old wooden stage, "
        self.refuse({"foreground": FG, "background": "an image of " + phrase * 3}, "repeats")
        self.refuse({"foreground": FG, "background": FG}, "same sentence")
        read_answer(json.dumps({"foreground": FG, "background": "an image of a chair, a table, a chair"}), 1)

    def test_text(self):
        self.refuse({"foreground": "an image of " + "x" * 2000, "background": BG}, "characters long")
        self.refuse('{"foreground": "an image of \\ud800", "background": "an image of b"}', "half a character")


if __name__ == "__main__":
    unittest.main()
