"""All of KYC's verbs, built once over the same vault and letters."""

from dataclasses import dataclass

from bitcurrent.compliance.cases.service import Cases
from bitcurrent.compliance.kyc.asking import Asking
from bitcurrent.compliance.kyc.deciding import Reviews
from bitcurrent.compliance.kyc.lasting import Lasting
from bitcurrent.compliance.kyc.links import DocumentLinks
from bitcurrent.compliance.kyc.model import RailName
from bitcurrent.compliance.kyc.ports import IdentityCheck
from bitcurrent.compliance.kyc.service import Kyc
from bitcurrent.compliance.screening.service import Screenings
from bitcurrent.identity.approvals.service import Approvals
from bitcurrent.identity.ports import Letters
from bitcurrent.identity.privacy.service import Privacy
from bitcurrent.kernel.crypto import Vault
from bitcurrent.kernel.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class KycSide:
    """What customers do, what operators do, what time does, links to documents, and the provider."""

    kyc: Kyc
    reviews: Reviews
    lasting: Lasting
    links: DocumentLinks
    asking: Asking


def open_kyc(
    *,
    database: Database,
    vault: Vault,
    privacy: Privacy,
    letters: Letters,
    approvals: Approvals,
    cases: Cases,
    screenings: Screenings,
    provider: IdentityCheck,
) -> KycSide:
    """Build it; without a provider every check is made by people."""
    rail: RailName = "provider" if provider.configured else "manual"
    reviews = Reviews(
        vault=vault, privacy=privacy, letters=letters, approvals=approvals, cases=cases, screenings=screenings
    )
    links = DocumentLinks(vault)
    return KycSide(
        kyc=Kyc(vault=vault, privacy=privacy, letters=letters, rail=rail),
        reviews=reviews,
        lasting=Lasting(letters),
        links=links,
        asking=Asking(database=database, vault=vault, provider=provider, reviews=reviews, links=links),
    )
