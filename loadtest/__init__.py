"""One command that measures Tidegate beside its peers, interleaved, on one machine: `python -m loadtest --help`.

`scenarios` says what is measured, `targets` who is, `bench` runs the rounds, `proc` and `wrk` read the numbers,
`inprocess` measures what needs no socket, `results` holds every raw sample, `goals` judges, `report` and `plot` tell.
`upstream`, `generator` and `inprocess` are programs of their own, so that each has a core to be put on.
"""
