"""The data plane: strict HTTP/1.1 in, the chain, a pooled upstream, and the answer streamed back with back-pressure.

listener    sockets, TLS, the sweep that ends what is too slow
connection  one client connection: heads, bodies, what to refuse before anybody is asked
exchange    one request and its answer: chain, upstream, settle
answer      the upstream's answer on its way to the caller: framing, usage, fields
upstream    origins, routes, health, pools
reply       refusals as bytes
handover    the gateway's own pages, by aiohttp on the same socket
workers     a supervisor and its processes
"""
