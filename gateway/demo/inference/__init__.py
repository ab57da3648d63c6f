"""A stand-in for an inference API: it speaks both dialects truthfully enough for the official SDKs.

`create_app(Settings())` is a plain aiohttp application, `serving(Settings())` a context in which it is served, and
`python -m gateway.demo.inference --port 9000` a process. It wants a credential of its own, so that one which leaks
through a proxy is noticed, and does on demand what a real API does on a bad day: a request asks for it by fields
(`x-standin-…`, see `wishes`), and a test looks at `GET /standin/stats`.
"""

from __future__ import annotations

from gateway.demo.inference.application import COUNTERS, Settings, create_app, serving

__all__ = ["COUNTERS", "Settings", "create_app", "serving"]
