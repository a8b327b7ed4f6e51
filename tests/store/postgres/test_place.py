import pytest

from orchestrion.store.postgres.place import OPERATOR, READER, WRITER, Place

SECRET = "s3cr3t"


def test_what_is_shown_of_an_address_holds_no_secret() -> None:
    place = Place(url=f"postgresql://me:{SECRET}@one,two:5433/name?sslpassword={SECRET}")

    assert place.shown == "postgresql://me@one,two:5433/name"
    assert SECRET not in repr(place)


def test_an_address_of_several_hosts_is_tried_host_by_host() -> None:
    place = Place(url="postgresql://me:a%40b@one,[::1]:5433/name?sslmode=require")

    assert place.addresses() == (
        "postgresql://me:a%40b@one/name?sslmode=require",
        "postgresql://me:a%40b@[::1]:5433/name?sslmode=require",
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///name?host=/var/run/postgresql",
        "postgresql://me@/name?host=one",
        "postgresql://host/name",
        "postgresql://",
    ],
)
def test_an_address_without_a_list_of_hosts_stays_as_it_is(url: str) -> None:
    assert Place(url=url).addresses() == (url,)


def test_behind_a_pooler_the_limits_travel_with_the_transaction() -> None:
    direct = Place(url="postgresql://host/name")
    pooled = Place(url="postgresql://host/name", pooler="transaction")

    assert direct.begin(WRITER) == "begin isolation level read committed"
    assert direct.start_up(WRITER)["statement_timeout"] == "5000"
    assert "set local statement_timeout = 5000" in pooled.begin(WRITER)
    assert "set local lock_timeout = 2000" in pooled.begin(WRITER)
    assert set(pooled.start_up(WRITER)) == {"application_name"}


def test_a_client_waits_a_little_longer_than_the_statement_may_take() -> None:
    place = Place(url="postgresql://host/name")

    assert place.command_seconds(READER) == READER.statement_seconds + place.answer_seconds
    assert place.command_seconds(OPERATOR) is None


@pytest.mark.parametrize(
    ("url", "points"),
    [
        ("postgresql://me:a@one,two:5433/name", ("one:5432", "two:5433")),
        ("postgresql://[::1],[::2]:5433/name", ("[::1]:5432", "[::2]:5433")),
        ("postgresql:///name?host=/run/pg&port=9", ("/run/pg/.s.PGSQL.9",)),
        ("postgresql://%2Frun%2Fpg/name", ("/run/pg/.s.PGSQL.5432",)),
        ("postgresql:///name?host=one", ("one:5432",)),
        ("postgresql:///name", ("the default address",)),
    ],
)
def test_what_an_address_leads_to_is_named(url: str, points: tuple[str, ...]) -> None:
    place = Place(url=url)

    assert place.points() == points
    assert len(place.addresses()) == len(points)
