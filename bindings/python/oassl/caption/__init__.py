"""Captions of pictures from a multimodal language model behind an OpenAI-compatible server.

Run as `python -m oassl.caption --help`.  The parts, each usable alone:
  prompt    the text a picture is sent with, and its hash
  manifest  which pictures, with which labels
  answer    the rules a model's answer must keep, and what is mended
  client    HTTP: retries, back-off, Retry-After
  output    the caption file: appended line by line, resumed after a kill
  run       everything together
"""
