"""Cases on the operators' port: clusters of accounts that act as one, for people to judge.

api             all of it, for the composition root
looking_api     looking: the list, a case, its picture, its accounts, what each action would do
decisions_api   deciding: approve, reject, split, merge, reopen, note
carrying        what a decision does to many accounts: a job, and its undoing
"""
