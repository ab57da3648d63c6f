"""One path, however it is spelled.

An upstream may undo escapes, ignore case or fold slashes, so `/v1//Chat/completions` may reach its chat completions.
Here it is read as what it may become; what is sent upstream stays as the caller spelled it.
"""

from __future__ import annotations

from urllib.parse import unquote


def canonical(path: str) -> str:
    """Percent-encoding undone, lower case, without empty, `.` and `..` segments. Not for the path that is forwarded."""
    segments: list[str] = []
    for segment in unquote(path).casefold().replace("\\", "/").split("/"):
        name = segment.partition(";")[0].strip()
        if name == "..":
            del segments[-1:]
        elif name not in {"", "."}:
            segments.append(name)
    return "/" + "/".join(segments)
