"""The migrations and the models say the same, whichever way one goes."""

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import migrations
from api.service import alembic_config, upgrade_database
from registry import feed
from registry.database import Database
from registry.models import (
    ApiKey,
    Base,
    Domain,
    Holder,
    IndexLogRow,
    Letter,
    Match,
    OutboxMessage,
    WebhookEndpoint,
    Work,
)
from tests.factories import AT

pytestmark = pytest.mark.both_databases
_REPOSITORY = Path(__file__).parents[2]
# What `upgrade_database` does, without the seconds that importing the rest of the service takes.
_MIGRATE = """
import sys
from alembic import command
from alembic.config import Config

config = Config()
config.set_main_option("script_location", sys.argv[1])
config.attributes["url"] = sys.argv[2]
command.upgrade(config, "head")
"""


def _tables(url: str) -> set[str]:
    database = Database(url)
    try:
        return set(sa.inspect(database.engine).get_table_names())
    finally:
        database.dispose()


def _differences(url: str) -> list[object]:
    database = Database(url)
    try:
        with database.engine.connect() as connection:
            options = {"compare_type": True, "compare_server_default": True, "user_module_prefix": "models."}
            return list(compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata))
    finally:
        database.dispose()


def test_the_migrations_go_up_down_and_up_again(empty_database_url: str) -> None:
    every_table = set(Base.metadata.tables) | {"alembic_version"}
    upgrade_database(empty_database_url)
    assert _tables(empty_database_url) == every_table
    command.downgrade(alembic_config(empty_database_url), "base")
    assert _tables(empty_database_url) == {"alembic_version"}
    upgrade_database(empty_database_url)
    assert _tables(empty_database_url) == every_table


def test_the_migrations_build_what_the_models_say(database_url: str) -> None:
    assert _differences(database_url) == []


def test_a_migrated_database_has_the_ends_of_all_empty_logs(database: Database) -> None:
    with database.reading() as session:
        assert session.execute(sa.text("SELECT index_sequence, ledger_size, feed_sequence FROM heads")).all() == [
            (0, 0, 0)
        ]


def test_migrating_again_changes_nothing(database: Database, database_url: str) -> None:
    with database.transaction() as session:
        session.execute(sa.text("UPDATE heads SET ledger_size = 7"))
    upgrade_database(database_url)
    with database.reading() as session:
        assert session.execute(sa.text("SELECT ledger_size FROM heads")).scalar_one() == 7


def test_processes_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    program = [sys.executable, "-c", _MIGRATE, str(Path(migrations.__file__).parent), empty_database_url]
    started = [subprocess.Popen(program, cwd=_REPOSITORY, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    assert _differences(empty_database_url) == []


def test_what_was_stored_before_the_defences_keeps_its_meaning(empty_database_url: str) -> None:
    config = alembic_config(empty_database_url)
    command.upgrade(config, "0001")
    database = Database(empty_database_url)
    try:
        with database.transaction() as session:
            for statement in _BEFORE_THE_DEFENCES:
                session.execute(sa.text(statement))
        command.upgrade(config, "0002")
        with database.transaction() as session:
            [match] = session.scalars(sa.select(Match)).all()
            assert (match.confirmed, match.doubts, match.no_weight) == (True, [], None)
            assert session.scalars(sa.select(Work.shows_frames)).all() == [False]
            negative = {"at": AT, "corpus": "negatives", "algorithm": "video-phash-v1", "item_number": 9}
            session.execute(sa.insert(IndexLogRow).values(sequence=1, operation="add", **negative))
        command.downgrade(config, "0001")
        with database.reading() as session:
            rows = session.execute(sa.text("SELECT sequence, operation, corpus FROM index_log")).all()
            assert rows == [(1, "remove", "works")], "the log keeps its numbers"
            assert session.execute(sa.text("SELECT count(*) FROM matches")).scalar_one() == 1
    finally:
        database.dispose()


def test_webhooks_keep_their_address_and_secret_both_ways(empty_database_url: str) -> None:
    config = alembic_config(empty_database_url)
    command.upgrade(config, "0010")
    database = Database(empty_database_url)
    try:
        with database.transaction() as session:
            for statement in _BEFORE_ENDPOINTS:
                session.execute(sa.text(statement))
        command.upgrade(config, "0011")
        with database.transaction() as session:
            endpoint = session.scalars(sa.select(WebhookEndpoint)).one()
            assert (endpoint.holder_id, endpoint.url, endpoint.secret, endpoint.set_by, endpoint.disabled_at) == (
                "hld_1", "http://10.0.0.1/", "whsec_1", "operator", None,
            )  # fmt: skip
            told = session.scalars(sa.select(OutboxMessage).order_by(OutboxMessage.id)).all()
            assert [(message.status, message.attempts) for message in told] == [
                ("delivered", 1), ("failed", 0), ("pending", 0),
            ]  # fmt: skip
            stranger = {"url": "https://a.example", "secret": "whsec_2", "set_by": "holder", "created_at": AT}
            session.execute(sa.insert(WebhookEndpoint).values(holder_id="hld_2", **stranger))
        command.downgrade(config, "0010")
        with database.reading() as session:
            rows = session.execute(sa.text("SELECT id, webhook_url, webhook_secret FROM holders ORDER BY id")).all()
            assert rows == [("hld_1", "http://10.0.0.1/", "whsec_1"), ("hld_2", None, None)]
    finally:
        database.dispose()


_BEFORE_ENDPOINTS = (
    "INSERT INTO holders (id, name, assurance, created_at, webhook_url, webhook_secret)"
    " VALUES ('hld_1', 'A', 'vetted', '2026-01-01 00:00:00', 'http://10.0.0.1/', 'whsec_1')",
    "INSERT INTO holders (id, name, assurance, created_at) VALUES ('hld_2', 'B', 'vetted', '2026-01-01 00:00:00')",
    *(
        "INSERT INTO outbox (id, holder_id, event, payload, created_at, delivered_at, last_error)"
        f" VALUES ('wbh_{number}', 'hld_1', 'check.done', '{{}}', '2026-01-01 00:00:00', {delivered}, {error})"
        for number, delivered, error in (
            (1, "'2026-01-01 00:00:01'", "NULL"), (2, "NULL", "'503'"), (3, "NULL", "NULL"),
        )
    ),
)  # fmt: skip
_BEFORE_THE_DEFENCES = (
    "INSERT INTO holders (id, name, assurance, created_at) VALUES ('hld_1', 'A', 'vetted', '2026-01-01 00:00:00')",
    "INSERT INTO works (id, holder_id, title, kind, identifiers, creators, policy, created_at, updated_at)"
    " VALUES ('wrk_1', 'hld_1', 'T', 'clip', '{}', '[]', 'block', '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
    "INSERT INTO assets (id, work_id, status, progress, warnings, created_at)"
    " VALUES ('ast_1', 'wrk_1', 'indexed', 1, '[]', '2026-01-01 00:00:00')",
    "INSERT INTO checks (id, holder_id, status, progress, context, reasons, engine, timings_ms, created_at, expires_at)"
    " VALUES ('chk_1', 'hld_1', 'done', 1, '{}', '[]', '{}', '{}', '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
    "INSERT INTO matches (check_id, position, work_id, asset_id, title, modality, algorithm, query_start_s,"
    " query_end_s, reference_start_s, reference_end_s, score, policy, own) VALUES ('chk_1', 0, 'wrk_1', 'ast_1', 'T',"
    " 'video', 'video-phash-v1', 0, 1, 0, 1, 1, 'block', false)",
)


def test_what_was_on_record_before_the_feed_is_in_it(empty_database_url: str) -> None:
    config = alembic_config(empty_database_url)
    command.upgrade(config, "0004")
    database = Database(empty_database_url)
    try:
        with database.transaction() as session:
            for statement in (*_BEFORE_THE_DEFENCES[:3], *_BEFORE_THE_FEED):
                session.execute(sa.text(statement))
        command.upgrade(config, "head")
        with database.transaction() as session:
            page = feed.page(session, issuer="here", since=0, limit=1000, at=AT)
            told = [(fact.kind, fact.id) for fact in page.items]
            assert told == [
                ("holder", "hld_1"), ("holder", "hld_2"), ("work", "wrk_1"), ("asset", "ast_1"), ("asset", "ast_2"),
                ("reservation", "rsv_1"), ("conflict", "cfl_1"),
            ]  # fmt: skip
            assert (page.head, page.next, page.since_mark) == (7, 7, None)
            assert page.next_mark
            session.get_one(Holder, "hld_1").assurance = "email"
        with database.reading() as session:
            assert feed.page(session, issuer="here", since=7, limit=1000, at=AT).head == 8
        command.downgrade(config, "0004")
        command.upgrade(config, "head")
    finally:
        database.dispose()


def test_holders_whose_names_were_the_same_keep_working(empty_database_url: str) -> None:
    config = alembic_config(empty_database_url)
    command.upgrade(config, "0013")
    database = Database(empty_database_url)
    try:
        with database.transaction() as session:
            for number, name in enumerate(("Éditions", "ÉDITIONS", "Edi\u200btions", "Editions", "Other")):
                row = {"id": f"hld_{number}", "name": name}
                session.execute(sa.text(_A_HOLDER), row)
            for statement in (_A_LETTER, _TO_CONFIRM, *_SIGNED_UP):
                session.execute(sa.text(statement))
        command.upgrade(config, "head")
        with database.transaction() as session:
            rows = session.execute(sa.select(Holder.id, Holder.name_key))
            assert {row.id: row.name_key for row in rows} == {
                "hld_0": "éditions", "hld_1": "éditions hld_1", "hld_2": "editions", "hld_3": "editions hld_3",
                "hld_4": "other",
            }  # fmt: skip
            assert session.scalars(sa.select(Letter.id)).all() == ["ltr_abc"]
            made = session.execute(sa.select(ApiKey.id, ApiKey.made_by))
            assert {row.id: row.made_by for row in made} == {"key_0": "acc_0", "key_1": None}  # who never confirmed
            later = session.get_one(Holder, "hld_1")
            later.assurance = "email"
            session.flush()
            assert later.name == "ÉDITIONS"
        command.downgrade(config, "0013")
        command.upgrade(config, "head")
    finally:
        database.dispose()


_A_HOLDER = (
    "INSERT INTO holders (id, name, kind, assurance, granted_assurance, created_at)"
    " VALUES (:id, :name, 'person', 'unverified', 'unverified', '2026-01-01 00:00:00')"
)
_SIGNED_UP = tuple(
    statement.format(number=number, confirmed=confirmed)
    for number, confirmed in ((0, "NULL"), (1, "'2026-01-01 00:00:00'"))
    for statement in (
        "INSERT INTO accounts (id, email, name, created_at, email_confirmed_at)"
        " VALUES ('acc_{number}', 'a{number}@b.example', 'A', '2026-01-01 00:00:00', {confirmed})",
        "INSERT INTO memberships (holder_id, account_id, role, added_at)"
        " VALUES ('hld_{number}', 'acc_{number}', 'owner', '2026-01-01 00:00:00')",
        "INSERT INTO api_keys (id, holder_id, prefix, secret_sha256, scopes, created_at)"
        " VALUES ('key_{number}', 'hld_{number}', 'p{number}', 'x', '[]', '2026-01-01 00:00:00')",
    )
)
_A_LETTER = (
    "INSERT INTO letters (code_sha256, purpose, email, created_at, expires_at)"
    " VALUES ('abc', 'invitation', 'a@b.example', '2026-01-01 00:00:00', '2026-01-02 00:00:00')"
)
_TO_CONFIRM = _A_LETTER.replace("abc", "abd").replace("invitation", "confirm")
_BEFORE_THE_FEED = (
    "INSERT INTO holders (id, name, assurance, created_at) VALUES ('hld_2', 'B', 'email', '2026-01-01 00:00:00')",
    "INSERT INTO assets (id, work_id, status, progress, warnings, created_at)"
    " VALUES ('ast_2', 'wrk_1', 'indexed', 1, '[]', '2026-01-01 00:00:00')",
    "INSERT INTO reservations (id, holder_id, scope, use, value, territory, declared_at, valid_from)"
    " VALUES ('rsv_1', 'hld_1', 'catalogue', 'tdm', 'reserved', 'EU', '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
    "INSERT INTO conflicts (id, asset_id, rival_asset_id, seconds, opened_at)"
    " VALUES ('cfl_1', 'ast_2', 'ast_1', 9, '2026-01-01 00:00:00')",
)


def test_silences_that_were_counted_as_failures_do_not_end_a_domain_sooner(empty_database_url: str) -> None:
    config = alembic_config(empty_database_url)
    command.upgrade(config, "0013")
    database = Database(empty_database_url)
    counted = sa.text("SELECT failures FROM domains ORDER BY id")
    try:
        with database.transaction() as session:
            session.execute(sa.text(_A_HOLDER), {"id": "hld_1", "name": "A"})
            for number, (failures, lapsed) in enumerate(((2, None), (6, None), (3, AT.isoformat()))):
                row = {"id": f"dmn_{number}", "failures": failures, "lapsed": lapsed, "at": AT.isoformat()}
                session.execute(sa.text(_A_DOMAIN), row)
        upgrade_database(empty_database_url)
        with database.reading() as session:
            rows = session.execute(sa.select(Domain.failures, Domain.silences).order_by(Domain.id)).all()
            assert rows == [(2, 0), (0, 6), (3, 0)]
        command.downgrade(config, "0015")
        with database.reading() as session:
            assert session.scalars(counted).all() == [2, 6, 3]
    finally:
        database.dispose()


_A_DOMAIN = (
    "INSERT INTO domains (id, holder_id, name, proof, created_at, verified_at, failures, lapsed_at)"
    " VALUES (:id, 'hld_1', :id, 'x', :at, :at, :failures, :lapsed)"
)


def test_hosts_of_old_locations_are_found_as_new_ones_are(empty_database_url: str) -> None:
    config = alembic_config(empty_database_url)
    command.upgrade(config, "0013")
    hosts = {"rsv_1": "studio.example:443", "rsv_2": "bücher.example", "rsv_3": "studio.example:8080", "rsv_4": None}
    database = Database(empty_database_url)
    try:
        with database.transaction() as session:
            session.execute(
                sa.text("INSERT INTO holders (id, name, assurance, created_at) VALUES ('hld_1', 'A', 'email', :at)"),
                {"at": AT.isoformat()},
            )
            for name, host in hosts.items():
                session.execute(
                    sa.text(
                        "INSERT INTO reservations (id, holder_id, scope, location, location_host, use, value,"
                        " territory, declared_at, valid_from) VALUES (:id, 'hld_1', 'location', :location, :host,"
                        " 'tdm', 'reserved', 'worldwide', :at, :at)"
                    ),
                    {"id": name, "location": f"http://{host}", "host": host, "at": AT.isoformat()},
                )
        upgrade_database(empty_database_url)
        with database.reading() as session:
            found = session.execute(sa.text("SELECT location_host, location FROM reservations ORDER BY id")).all()
    finally:
        database.dispose()
    assert [host for host, _ in found] == ["studio.example", "xn--bcher-kva.example", "studio.example:8080", None]
    assert [location for _, location in found] == [f"http://{host}" for host in hosts.values()]


def test_what_was_registered_before_is_found_by_its_titles(empty_database_url: str) -> None:
    config = alembic_config(empty_database_url)
    command.upgrade(config, "0018")
    database = Database(empty_database_url)
    try:
        with database.transaction() as session:
            key = _A_HOLDER.replace("(id, name,", "(id, name, name_key,").replace(":id, :name,", ":id, :name, :name,")
            session.execute(sa.text(key), {"id": "hld_1", "name": "Éditions Łódź"})
            session.execute(sa.text(_A_WORK))
        upgrade_database(empty_database_url)
        with database.reading() as session:
            assert session.scalars(sa.select(Holder.search_text)).all() == ["editions lodz"]
            assert session.scalars(sa.select(Work.search_text)).all() == ["night train trem noturno"]
        command.downgrade(config, "0018")
        upgrade_database(empty_database_url)
    finally:
        database.dispose()


_A_WORK = (
    "INSERT INTO works (id, holder_id, title, kind, identifiers, creators, contributors, shares, alternative_titles,"
    " policy, created_at, updated_at) VALUES ('wrk_1', 'hld_1', 'Night-Train', 'clip', '{}', '[]', '[]', '[]',"
    """ '[{"title": "Trem Noturno"}]', 'block', '2026-01-01 00:00:00', '2026-01-01 00:00:00')"""
)
