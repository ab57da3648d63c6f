"""Prompt templates that many untrusted parties share, found from sketches in bounded memory. No text, no clock.

    content = Content(settings)
    hits = content.hear(parties, trusted, times, prompt_hashes, systems, prompts)   # each batch of events
    looked = content.look(now)                                                      # each look
    content.templates[id]                                                           # what is known of a template
    content.approve(key), content.reject(key), content.save(), content.load(arrays)

How it works, in the order of the files:

- `numbers`: every threshold. `arrays`: hashes, bits, estimates.
- `door`: who has shown a shingle that only one party has shown so far: 4 bytes a slot, direct-mapped. What is private
  stays here, however much of it comes; the table is for what is shared.
- `table`: shingles that two parties or more have shown, in buckets of eight: bitmaps for linear counting of untrusted
  parties, of trusted ones and of fillings. A filling counts where it brings text that nobody had shown before, so a
  prompt pasted word for word by thousands has none.
- `heavy`: shingles on the way to be part of a template, each with a ring of 32 places: the last event of the parties
  that hash to the place. Shingles that come together have equal rings; one party writes one place.
- `grouping`: shingles with equal rings are one group; a generic phrase has a ring like no other's.
- `templates`: groups with an id and a key that stay while most of the group stays; rulings by key.
- `catalogue`: the templates that are known. `ledger`: hits by template and party. `slots`: what is put into a template:
  how many fillings, whether they come back in other parties, whether a party's own resemble each other.
- `batch`, `core`: `Content`, which puts these together. `keeping`: all of it as arrays, and back.

Parties are what the engine takes for one actor (an organisation, an identity), as small non-negative integers.
A template is suspect while far fewer of the trusted parties use it than of the others: that alone convicts nobody.
"""

from gateway.detect.content.catalogue import Looked
from gateway.detect.content.core import Content, Hits
from gateway.detect.content.door import hashed
from gateway.detect.content.numbers import Numbers
from gateway.detect.content.templates import Template

__all__ = ["Content", "Hits", "Looked", "Numbers", "Template", "hashed"]
