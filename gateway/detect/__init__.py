"""The detector: events -> templates and links -> clusters -> verdicts. Pure: time comes with the events."""
