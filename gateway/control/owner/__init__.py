"""Pages for the owner of an account, on the callers' port under /tidegate/account. They work without script.

pages      what is constructed, and every route
place      under which address we are, cookies, who may post a form
forms      a form as it came: bounded, whose token is checked
sessions   who is signed in, and what that allows
views      how pages are made, and errors as pages
doors      sign-in: a one-time link, a key, an e-mail address
known      what the directory knows of an account
overview   what its page says: pure
words      how things are called on it
account    the page, verification, appeals
key_pages  its keys: rotated, revoked
"""
