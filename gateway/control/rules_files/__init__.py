"""The files of the policies, over the operators' port: read, checked with what somebody writes, saved, put in force.

What takes a processor (a check, the tests, a replay) is done in processes that can be given up: `workshop`, `bench`.
"""
