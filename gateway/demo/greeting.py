"""What the demo prints once it serves: addresses, and lines to paste that work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Ready(NamedTuple):
    """What `--ready-file` holds, as JSON: addresses as URLs, account -> API key, and the process to end it by."""

    gateway: str
    admin: str
    upstream: str
    redis: str
    keys: Mapping[str, str]
    pid: int
    folder: str = ""
    """Where tidegate.yaml, the directory of accounts and policies are."""
    provider: str = ""
    """The stand-in for a provider of verifications."""


def greeting(ready: Ready) -> str:
    """The text. Its snippets are whole: each is run by tests/demo/test_greeting.py as it stands."""
    keys = "\n".join(f"    {account:<10} {key}" for account, key in ready.keys.items())
    pasted = {**commands(ready), **operations(ready), **ladder(ready), **friction(ready), **rules(ready)}
    snippets = "\n\n".join(f"  {title}\n\n{snippet}" for title, snippet in pasted.items())
    return f"""
  Tidegate serves.

    gateway    {ready.gateway}
    admin      {ready.admin}   (/healthz, /readyz, /metrics; the rest with a token)
    upstream   {ready.upstream}
    redis      {ready.redis}
    console    {ready.admin}/console/   (a link that signs you in: below)
    provider   {ready.provider}   (of verifications: a stand-in)
    folder     {ready.folder}   (rules are read again when they change)

  Keys, by account:

{keys}

{snippets}

  Ctrl-C ends all of it.
"""


def commands(ready: Ready) -> Mapping[str, str]:
    """Title -> a shell command."""
    key = ready.keys["pro"]
    return {
        "OpenAI's dialect:": f"""\
curl {ready.gateway}/v1/chat/completions -i \\
  -H 'authorization: Bearer {key}' -H 'content-type: application/json' \\
  -d '{{"model": "m-large", "messages": [{{"role": "user", "content": "When is high tide?"}}]}}'""",
        "Anthropic's dialect, streaming:": f"""\
curl {ready.gateway}/v1/messages -iN \\
  -H 'x-api-key: {key}' -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \\
  -d '{{"model": "m-large", "max_tokens": 30, "stream": true,
       "messages": [{{"role": "user", "content": "When is high tide?"}}]}}'""",
        "OpenAI's own SDK:": f"""\
.venv/bin/python -c '
from openai import OpenAI
client = OpenAI(base_url="{ready.gateway}/v1", api_key="{key}")
for chunk in client.chat.completions.create(
    model="m-large", stream=True, messages=[{{"role": "user", "content": "When is high tide?"}}]
):
    print(chunk.choices[0].delta.content or "", end="", flush=True)
print()'""",
        "Anthropic's own SDK:": f"""\
.venv/bin/python -c '
from anthropic import Anthropic
client = Anthropic(base_url="{ready.gateway}", api_key="{key}")
message = client.messages.create(
    model="m-large", max_tokens=30, messages=[{{"role": "user", "content": "When is high tide?"}}]
)
print(message.content[0].text, message.usage)'""",
        "Until the free account's quota is used up:": f"""\
for i in $(seq 30); do curl -s -o /dev/null -w '%{{http_code}} ' {ready.gateway}/v1/chat/completions \\
  -H 'authorization: Bearer {ready.keys["free"]}' -H 'content-type: application/json' \\
  -d '{{"model": "m-small", "max_tokens": 5, "messages": [{{"role": "user", "content": "Hi"}}]}}'; done; echo""",
    }


def operations(ready: Ready) -> Mapping[str, str]:
    """Title -> a shell command of somebody who runs it."""
    config = f"--config {ready.folder}/tidegate.yaml"
    return {
        "The console: open this link within five minutes. In a terminal: tidegate top": f"""\
.venv/bin/tidegate console {config}""",
        "What an account has used; three times as much for ten minutes; and take that back:": f"""\
.venv/bin/tidegate quota show free {config}
.venv/bin/tidegate quota boost free-requests --account free --times 3 --for 10m --reason "a demo" {config}
.venv/bin/tidegate quota undo 1 --reason "seen" {config}""",
    }


def ladder(ready: Ready) -> Mapping[str, str]:
    """Title -> a shell command about tiers that accounts earn."""
    return {
        "A model for verified accounts. Open the verification_url of the answer, approve, and ask again:": f"""\
curl -s {ready.gateway}/v1/chat/completions \\
  -H 'authorization: Bearer {ready.keys["free"]}' -H 'content-type: application/json' \\
  -d '{{"model": "m-frontier", "max_tokens": 5, "messages": [{{"role": "user", "content": "Hi"}}]}}'; echo""",
        "What is known of an account, and who changed what:": f"""\
.venv/bin/tidegate account show free --config {ready.folder}/tidegate.yaml""",
    }


def friction(ready: Ready) -> Mapping[str, str]:
    """Title -> a shell command about challenges."""
    return {
        "Suspect an account. Open the challenge_url of the answer, tick the box, and ask again:": f"""\
echo free >> {ready.folder}/policies/lists/suspected_accounts.txt; sleep 2
curl -s {ready.gateway}/v1/chat/completions \\
  -H 'authorization: Bearer {ready.keys["free"]}' -H 'content-type: application/json' \\
  -d '{{"model": "m-small", "max_tokens": 5, "messages": [{{"role": "user", "content": "Hi"}}]}}'; echo""",
        "Who is held to challenges, and an end to it:": f"""\
.venv/bin/tidegate challenge list --config {ready.folder}/tidegate.yaml
.venv/bin/tidegate challenge lift free --reason "a demo" --config {ready.folder}/tidegate.yaml""",
    }


def rules(ready: Ready) -> Mapping[str, str]:
    """Title -> a shell command about the rules in the folder."""
    return {
        "Block an account: the list is read within a second. Then go back to the rules before:": f"""\
echo free >> {ready.folder}/policies/lists/blocked_accounts.txt; sleep 2
curl -s {ready.gateway}/v1/models -H 'authorization: Bearer {ready.keys["free"]}'; echo
.venv/bin/tidegate policies rollback --config {ready.folder}/tidegate.yaml""",
        "Test the rules, and see what those in shadow would have done:": f"""\
.venv/bin/tidegate test {ready.folder}/policies
.venv/bin/tidegate shadow report --config {ready.folder}/tidegate.yaml""",
    }
