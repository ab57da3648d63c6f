"""The exchange log: one event an exchange, kept for replays and reports. No prompt, no content, no credential.

- columns: the schema, which is an interface; docs/exchange-log.md explains it
- event: an exchange that has ended -> an event
- exchange_log: a worker's side; events go to a spool file of its own, off the hot path
- spool: segments of the spool, and how one is known to be whole
- parquet: events as Arrow tables, and Parquet files that are whole or not there
- recorder: closed segments -> Parquet, a folder a day, for as long as they are kept
- reading: all of it back in the order of time
"""
