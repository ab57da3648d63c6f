"""The backtest: detector and response on the clock of events that are in files, faster than real time."""
