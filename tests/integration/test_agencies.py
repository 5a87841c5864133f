"""For whom somebody may act, and how agents are named."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from api.service import Service
from registry import access, agencies
from registry.access import HolderKind, Role, Scope
from registry.database import Database
from registry.errors import Invalid
from registry.models import Account, Agency
from tests import factories, people
from tests.factories import AT
from tests.integration.inside import Browser

HOUR = timedelta(hours=1)


def _shown(session: Session, presented: str) -> list[tuple[str, Role | None, str | None]]:
    found = agencies.acts_for(session, presented, at=AT)
    return [(one.holder.name, one.role, one.agent.name if one.agent else None) for one in found]


def _token(session: Session, account: Account) -> str:
    return access.sign_in(session, account, lasts=HOUR, at=AT)


def test_a_person_acts_for_their_holders_and_for_whom_those_are_agents(database: Database) -> None:
    with database.transaction() as session:
        ada = people.sign_up(session, holder="Ada Films")
        films = people.holder_of(session, ada)
        studio = factories.actor_of(factories.holder(session, name="Studio"), Scope.HOLDER_WRITE)
        people.invited(session, studio, ada, Role.CATALOGUE)
        token = _token(session, ada)
        own = _shown(session, token)
        assert sorted(own) == [("Ada Films", Role.OWNER, None), ("Studio", Role.CATALOGUE, None)]
        for number, name in enumerate(("Zoe", "Estate")):
            principal = factories.actor_of(factories.holder(session, name=name), Scope.HOLDER_WRITE)
            until = AT + HOUR if number else None
            agencies.appoint(session, principal, films.id, [Scope.WORKS_WRITE], valid_until=until, at=AT)
        agencies.appoint(session, studio, films.id, [Scope.WORKS_WRITE], at=AT)
        assert _shown(session, token) == [*own, ("Estate", None, "Ada Films"), ("Zoe", None, "Ada Films")]
        agencies.end_all(session, films.id, at=AT)
        assert _shown(session, token) == own


def test_a_key_acts_for_its_holder_and_principals_and_what_is_none_for_nobody(database: Database) -> None:
    with database.transaction() as session:
        agency = factories.holder(session, name="Agency")
        key = factories.key(session, agency).key
        actor = factories.actor_of(agency, Scope.HOLDER_WRITE)
        agencies.represent(session, actor, "The Estate", HolderKind.PERSON, at=AT)
        assert _shown(session, key) == [("Agency", None, None), ("The Estate", None, "Agency")]
        assert _shown(session, "cm_no_key") == []
        assert _shown(session, "cs_nobody") == []


def test_an_agent_is_named_by_id_or_by_name_however_it_is_written(database: Database) -> None:
    with database.transaction() as session:
        agency = factories.holder(session, name="Cleo & Partners")
        for said in (agency.id, f" {agency.id} ", "Cleo & Partners", "cleo  &  PARTNERS"):
            assert agencies.called(session, said).id == agency.id
        with pytest.raises(Invalid, match="Nobody here"):
            agencies.called(session, "Cleo")
        assert agencies.named(session, {agency.id, "hld_none"}) == {agency.id: agency}


def test_on_a_page_an_agency_ends_with_a_day(service: Service) -> None:
    with service.database.transaction() as session:
        principal, agent = factories.holder(session), factories.holder(session)
        browser = Browser(service, factories.key(session, principal, Scope.HOLDER_WRITE).key)
    said = {"agent_id": agent.id, "scopes[]": Scope.WORKS_WRITE.value}
    refused = browser.send("/account/agents", {**said, "valid_until": "rubbish"})
    assert refused.status_code == 422
    assert "Give a day, such as 2026-01-31." in refused.text
    assert 'value="rubbish"' in refused.text
    assert "RFC 3339" not in refused.text
    assert browser.send("/account/agents", {**said, "valid_until": "2100-01-31"}).status_code == 303
    with service.database.reading() as session:
        ends_at = session.scalars(sa.select(Agency.valid_until)).one()
        assert ends_at == datetime(2100, 2, 1, tzinfo=UTC) - timedelta.resolution
