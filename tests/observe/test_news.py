"""What the log says of the way to the database."""

from orchestrion.observe.logs import LogOptions
from orchestrion.observe.news import DatabaseNews
from tests.observe.conftest import OpenLogs, Pipe


def test_a_database_that_goes_and_comes_is_one_line_each(open_logs: OpenLogs, pipe: Pipe) -> None:
    logs = open_logs(LogOptions(format="json"))
    news = DatabaseNews(logs)

    news.back()
    for _ in range(3):
        news.away("nobody answers")
    for _ in range(3):
        news.back()
    news.away("again")
    logs.close()

    lines = pipe.lines()
    assert [line["event"] for line in lines] == ["database away", "database back", "database away"]
    assert lines[0]["message"] == "nobody answers"
    assert lines[1]["away_seconds"] >= 0


def test_a_start_that_waits_says_why_and_how_long(open_logs: OpenLogs, pipe: Pipe) -> None:
    logs = open_logs(LogOptions(format="json"))

    DatabaseNews(logs).awaited("nobody answers", 20)
    logs.close()

    (line,) = pipe.lines()
    assert line["event"] == "waiting for the database"
    assert (line["message"], line["up_to_seconds"]) == ("nobody answers", 20)
