"""What happens, live: what workers tell once a second and when somebody follows, merged, kept for a while, and fed to
browsers and terminals.

- pulse: a worker's side; lines: how the supervisor asks
- rows: a decision as people see it, and filters; follow: who follows what; feed: server-sent events
- second: two pulses -> what happened between them; series: rings of seconds, tens and minutes; overview: all of it
- busy: who used what in the last minutes
"""
