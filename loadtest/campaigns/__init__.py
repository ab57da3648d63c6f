"""Worlds with campaigns in them, and who judges a detector on them (docs/detection.md).

A world is three files: events as `tidegate detect backtest` reads them, accounts, and the truth. The detector never
sees the third. Everything is made from a seed; what is tuned on (`--half tune`) and what is reported on
(`--half report`) share no template, client, prompt or family.
"""
