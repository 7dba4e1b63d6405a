"""The morning message: right numbers, once for each snapshot, harmless whatever a title holds."""

import re
from html.parser import HTMLParser

import duckdb
import pytest
from conftest import CHAIN, Pipeline, catalogue, title
from test_alerts import Receiver, nothing_tells, receiver, spooled  # noqa: F401 - a fixture

from config import load_settings
from errors import SettingsError
from operations import alerts, digest

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")  # of apprise
NIGHT = (*CHAIN, "08_build_analytics", "09_publish")
FRESH = {"FRESHNESS_DAYS": "36500", "NEWEST_TITLE_DAYS": "36500"}
HOSTILE = (
    "<script>alert(1)</script>",
    '=HYPERLINK("http://x.example","x")',
    "\u202egnp.exe",
    "<!channel> @everyone [x](http://x.example) *a*\x1b[2J",
    "+1\t=2",
)
FIRST = [title(number) for number in range(1, 41)]
SECOND = [title(1, rating="R", date_added=""), *(title(number) for number in range(3, 41))]
SECOND += [title(100 + number, title=text) for number, text in enumerate(HOSTILE)]
SECOND += [title(200 + number, title=f"\uff5eZoo {number}") for number in range(8)]


def run_night(pipeline: Pipeline, rows: list, day: str) -> None:
    settings = {"NETFLIX_CSV": pipeline.put(catalogue(*rows)), "SNAPSHOT_AT": day}
    done = pipeline.steps(*NIGHT, **settings, **FRESH)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def nights(tmp_path_factory) -> Pipeline:
    pipeline = Pipeline(tmp_path_factory.mktemp("nights"))
    told = settings_of(pipeline, DIGEST_URLS="json://127.0.0.1:1/x")
    digest.queue_digest(told)  # nothing is published
    for rows, day in ((FIRST, "2019-11-19"), (FIRST[::-1], "2019-11-20")):
        run_night(pipeline, rows, day)
        digest.queue_digest(told)
        assert spooled(pipeline) == [], "all of it is new, or nothing is"
    run_night(pipeline, SECOND, "2019-11-21T03:00")
    return pipeline


def settings_of(pipeline: Pipeline, **settings: str):
    return load_settings({**pipeline.environment, **settings})


@pytest.mark.slow
def test_the_headline_counts_and_ten_of_each_are_shown_with_what_changed(nights):
    made = digest.compare_snapshots(settings_of(nights))
    assert made.headline == "+13 new, 1 changed, 1 gone since 20 Nov; 52 titles"
    assert made.counts == {"new": 13, "changed": 1, "filled": 0, "gone": 1}
    assert (len(made.sections["new"]), made.sections["new"][-1]) == (11, "and 3 more")
    (change,) = made.sections["changed"]
    assert re.fullmatch(
        r"Title 1 \(Movie, \d+\): date_added: 20.+ -> \(none\); rating: PG -> R", change
    )
    assert made.text().endswith("data/published/dashboard.html")
    shown = nights.python("-m", "operations.digest", "--until", "2019-11-21")
    assert (shown.returncode, shown.stderr, shown.stdout) == (0, "", made.text() + "\n")


@pytest.mark.slow
def test_two_snapshots_are_named_by_id_or_by_day_and_the_first_has_nothing_before(nights):
    settings = settings_of(nights)
    ids = [batch["batch_id"] for batch in nights.batches()]
    expected = digest.compare_snapshots(settings)
    assert digest.compare_snapshots(settings, *ids[1:]) == expected
    assert digest.compare_snapshots(settings, "2019-11-20", "2019-12-31T00:00Z") == expected
    withdrawn = "20191120T120000Z-0123456789ab"  # told before, and not there any more
    assert digest.compare_snapshots(settings, withdrawn, ids[2]).counts == expected.counts
    assert digest.compare_snapshots(settings, "", "2019-11-19").headline == (
        "first snapshot: 40 titles"
    )


@pytest.mark.slow
def test_the_catalogue_as_of_since_is_compared_with_that_as_of_until(nights):
    """As `changes_between` does it; without SINCE the snapshot before is meant."""
    settings, changed = settings_of(nights), "+13 new, 1 changed, 1 gone since "
    all_new = "+40 new, 0 changed, 0 gone since the beginning; 40 titles"
    nothing = "nothing changed: both are the snapshot of "
    table = [
        ("2019-11-20T01:00", "2019-12-01T00:00", changed + "20 Nov; 52 titles"),
        ("2019-11-19T01:00", "2019-12-01T00:00", changed + "19 Nov; 52 titles"),
        ("2019-11-22T00:00", "2019-12-01T00:00", nothing + "21 Nov 2019; 52 titles"),
        ("2019-11-20T01:00", "2019-11-20T02:00", nothing + "20 Nov 2019; 40 titles"),
        ("2019-11-18T00:00", "2019-11-19T01:00", all_new),
        ("2019-11-18T00:00", "2019-11-20T01:00", all_new),
        (
            "2019-11-19T01:00",
            "2019-11-20T01:00",
            "+0 new, 0 changed, 0 gone since 19 Nov; 40 titles",
        ),
    ]
    made = [digest.compare_snapshots(settings, since, until) for since, until, _ in table]
    assert [one.headline for one in made] == [headline for *_, headline in table]
    with duckdb.connect(str(nights.root / "data/published/netflix.duckdb"), read_only=True) as con:
        question = "SELECT count(DISTINCT title_id) FROM changes_between(?, ?)"
        expected = [con.execute(question, times).fetchone()[0] for *times, _ in table]
    assert [sum(one.counts.values()) for one in made] == expected


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        ("", "2001-01-01", "no snapshot was there by '2001-01-01'; the first is 20191119T"),
        (
            "yesterday",
            "",
            "'yesterday' is no snapshot, and no date or time; the first is 20191119T",
        ),
        ("", "2019-11-20x", "'2019-11-20x' is no snapshot, and no date or time; the first is 2019"),
        ("2019-11-21", "2019-11-20", "SINCE='2019-11-21' is after UNTIL='2019-11-20'"),
    ],
)
def test_naming_fewer_than_two_snapshots_is_an_error(nights, since, until, message):
    with pytest.raises(SettingsError, match=re.escape(message)):
        digest.compare_snapshots(settings_of(nights), since, until)


def test_no_title_is_markup_a_formula_a_mention_or_changes_direction(nights):
    made = digest.compare_snapshots(settings_of(nights))
    forms = {"text": made.text(), "html": made.html(), "short": made.short()}
    for text in forms.values():
        assert all(sign.isprintable() or sign == "\n" for sign in text)
        assert "\\u202egnp.exe" in text or text == forms["short"]
    assert "  '=HYPERLINK" in forms["text"] and "  '+1 =2" in forms["text"]
    tags = set()
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, given: tags.add((tag, *given))
    parser.feed(forms["html"])
    assert tags == {("p",), ("b",), ("h3",), ("ul",), ("li",)}
    assert not set("<>@[]") & set(forms["short"])
    assert len(forms["short"]) < 1_000


def test_a_snapshot_is_reported_once_even_if_the_receiver_was_down(nights, tmp_path, receiver):  # noqa: F811
    pipeline = Pipeline(tmp_path).copy_of(nights)
    settings = settings_of(pipeline, DIGEST_URLS=receiver.url)
    receiver.mood = "500"
    for _ in range(2):  # the second time as by a run that found nothing new
        digest.queue_digest(settings)
        alerts.send_spooled(settings)
    assert len(spooled(pipeline)) == 1
    receiver.mood = "well"
    for _ in range(2):
        digest.queue_digest(settings)
        alerts.send_spooled(settings)
    (body,) = receiver.bodies
    assert body["title"] == "netflix-elt-pipeline: +13 new, 1 changed, 1 gone"
    assert body["message"].startswith("+13 new, 1 changed, 1 gone since 20 Nov; 52 titles")
    assert "and 3 more" in body["message"]
    told = pipeline.root / "data/alerts/digest"  # another one was told, and then withdrawn
    told.write_text(f"{told.read_text()}\n20191122T000000Z-0123456789ab")
    digest.queue_digest(settings)
    assert spooled(pipeline) == []
    nothing_tells(pipeline)


def test_a_snapshot_without_a_receiver_is_not_reported_later(nights, tmp_path):
    pipeline = Pipeline(tmp_path).copy_of(nights)
    digest.queue_digest(settings_of(pipeline))
    digest.queue_digest(settings_of(pipeline, DIGEST_URLS="json://127.0.0.1:1/x"))
    assert spooled(pipeline) == []


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("json://h/x", ("body", "text")),
        ("mailto://user:password@example.com", ("html", "html")),
        ("mailgun://u@example.com/abcdefghijklmnopqrstuvwxyz/a@example.com", ("html", "html")),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#c", ("short", "text")),
        ("tgram://123456789:abcdefg_hijklmnop/12315544", ("short", "text")),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", ("short", "text")),
    ],
)
def test_mail_gets_html_a_web_service_the_text_and_a_chat_the_short_form(url, form):
    apprise = pytest.importorskip("apprise")
    service = apprise.Apprise()
    assert service.add(url)
    assert alerts.choose_form(url, next(iter(service))) == form


@pytest.mark.slow
def test_the_real_pair_is_one_message_with_the_right_numbers(pipeline, real_data, receiver):  # noqa: F811
    told = {"DIGEST_URLS": receiver.url, **FRESH}
    nights = (("2019-11", "2019-11-20"), ("2020-01", "2020-01-18"), ("2020-01", "2020-01-18"))
    for name, day in nights:
        source = {"NETFLIX_CSV": str(real_data / f"netflix_titles_{name}.csv"), "SNAPSHOT_AT": day}
        assert pipeline.process("run_all", **source, **told).returncode == 0
    (body,) = receiver.bodies
    first = "+397 new, 631 changed, 0 gone since 20 Nov 2019; 6,234 titles"
    assert body["message"].startswith(first)
    assert "date_added: (none) -> " in body["message"]
