"""An identity document as providers state it, made one: country, kind and number in one spelling, and when it ends.

Two accounts that show one document must be found also where one went through one provider and one through another. So
countries are ISO 3166-1 alpha-3 (as on the document itself, ICAO 9303), kinds are ours, and a number is its letters and
digits. Of what is not whole nothing is made: a number without a country may be two people's.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from gateway.verification.provider import Identified
from gateway.verification.providers.content import Misread
from gateway.verification.providers.countries import ALPHA3, COUNTRIES

SHORTEST_NUMBER: Final = 4
"""Letters and digits: what is shorter says nothing of anyone."""
_NOT_A_NUMBER: Final = re.compile(r"redacted|\*|xxxx|null|n/a|unknown", re.IGNORECASE)
"""What stands where a number was taken away: it would be the same for everybody."""

KINDS: Final[Mapping[str, str]] = {
    # docs.stripe.com/api/identity/verification_reports/object, `document.type`
    "driving_license": "licence",
    "id_card": "card",
    "passport": "passport",
    # docs.withpersona.com/reference/government-id-verifications, `id-class`
    "dl": "licence",
    "id": "card",
    "pp": "passport",
    "ppc": "passport_card",
    "rp": "permit",
    "pr": "permit",
    "visa": "visa",
    # documentation.onfido.com/guide/document-report-object, `document_type`
    "driving_licence": "licence",
    "national_identity_card": "card",
    "residence_permit": "permit",
    "passport_card": "passport_card",
    # docs.sumsub.com/reference/supported-documents, `idDocType`
    "drivers": "licence",
    # docs.didit.me, `document_type`: in full, and as in `expected_document_types`
    "driver's_license": "licence",
    "identity_card": "card",
    "p": "passport",
    # devdocs.veriff.com, `document.type`
    "drivers_license": "licence",
}
"""A provider's word for a kind of document, as `content.word` makes it -> ours. What is not here stands for itself."""


def document(country: str, kind: str, number: str) -> tuple[Identified, ...]:
    """What identifies the document; nothing where it is not stated whole."""
    spelled = country.strip().upper()
    spelled = ALPHA3.get(spelled, spelled)
    plain = "".join(letter for letter in unicodedata.normalize("NFKC", number).upper() if letter.isalnum())
    if spelled not in COUNTRIES or len(plain) < SHORTEST_NUMBER or _NOT_A_NUMBER.search(number):
        return ()
    kind = kind.strip().lower().replace(" ", "_").replace("-", "_")
    return (Identified("document", f"{spelled}:{KINDS.get(kind, kind) or 'other'}:{plain}"),)


def ends(written: str, place: str) -> float:
    """Unix time of the end of the last day, in UTC, on which the document of that date (ISO 8601) is good.

    Infinite where it states none, or the year 9999. Raises Misread for what is no date: a person who must look at that
    is better than a document that never ends.
    """
    if not written:
        return math.inf
    try:
        last = date.fromisoformat(written[:10])
    except ValueError:
        raise Misread(place) from None
    if last.year >= 9999:
        return math.inf
    return (datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)).timestamp()
