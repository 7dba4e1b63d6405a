"""A late file is judged like any other, and by its effect on the next one."""

from pathlib import Path

import pytest
from conftest import title
from histories import History

from errors import Refused


def titles(count: int, **values: str) -> list[dict[str, str]]:
    return [title(number, **values) for number in range(1, count + 1)]


OLD = [row | {"show_id": f"{n:05}"} for n, row in enumerate(titles(60), 1)]
MORE = [*titles(60), *[title(number) for number in range(101, 141)]]
# name: (the day before, the late file, the day after it, what the run stops with or "")
TABLE = {
    "it says little else": (titles(60), titles(61), titles(62), ""),
    "it lacks titles": (titles(60), titles(1), titles(60), "the file deletes 59 of 60 titles"),
    "the one after it lacks titles": (
        titles(60),
        MORE,
        titles(60),
        "is refused: the file deletes 40 of 100 titles",
    ),
    "it is renumbered": (titles(60), OLD, titles(60), "renumbered: 60 of 60 titles came"),
    "it is the first, and all are renumbered": (
        None,
        OLD,
        titles(60),
        "is refused: show_id was renumbered: 60 of 60 titles came under another id",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_late_file(tmp_path: Path, name: str):
    before, late, after, expected = TABLE[name]
    history = History(tmp_path)
    if before:
        history.take(before, 1)
    history.take(after, 3)
    content = history.content()
    batch = history.land(late, 2)
    asked = {"SNAPSHOT_AT": "2020-01-02"}
    if not expected:
        assert "rebuilt" in history.merge(**asked).message
        return
    for _ in range(2):  # asked for again, it is judged again
        with pytest.raises(Refused, match=expected):
            history.merge(**asked)
        assert history.content() == content
    assert "merged already" in history.merge().message, "the next night goes on without it"
    history.take([*after, title(200)], 4)
    assert len(history.content()["ops_merges"]) == (3 if before else 2)
    accepted = history.merge(ACCEPT=batch.source_sha256[:12])
    assert "rebuilt" in accepted.message
    assert len(history.content()["ops_merges"]) == (4 if before else 3)
    assert history.query("SELECT batch_id FROM ops_merges WHERE accepted") == [(batch.batch_id,)]


@pytest.mark.slow
def test_a_late_file_that_only_waits_is_left_out_and_the_run_goes_on(tmp_path: Path):
    """Days 2 and 4 wait; day 5 is what the run takes. MORE makes day 3 implausible."""
    history = History(tmp_path)
    history.take(titles(60), 1)
    history.take(titles(60), 3)
    history.land(MORE, 2)
    step = history.take(titles(62), 5)
    assert "rebuilt from 3 snapshots" in step.message
    assert history.query("SELECT day(snapshot_at) FROM ops_merges ORDER BY 1") == [(1,), (3,), (5,)]
    assert "merged already" in history.merge().message


@pytest.mark.slow
def test_a_late_file_is_not_blamed_for_the_accepted_snapshot_after_it(tmp_path: Path):
    history = History(tmp_path)
    history.take(titles(60), 1)
    accepted = history.land(titles(20), 3)
    history.merge(ACCEPT=accepted.source_sha256[:12])
    history.land(titles(61), 2)
    assert "rebuilt from 3" in history.merge(SNAPSHOT_AT="2020-01-02").message


@pytest.mark.slow
def test_the_plan_of_a_late_file_names_its_own_fault_before_that_of_the_next(tmp_path: Path):
    history = History(tmp_path)
    history.take(titles(60), 1)
    history.take(titles(60), 3)
    history.land(titles(1), 2)  # 59 are deleted, and inserted by the next one
    code, planned = history.plan(MAX_INSERTED_ROWS="1")
    with pytest.raises(Refused, match="the file deletes 59 of 60 titles"):
        history.merge(MAX_INSERTED_ROWS="1")
    assert (code, "would stop it: the file deletes 59 of 60" in planned) == (20, True)


@pytest.mark.slow
def test_the_plan_of_a_late_file_names_the_newest_one_that_stops_the_run(tmp_path: Path):
    """Both are asked for: the late one would pass, the newest is refused each night."""
    history = History(tmp_path)
    history.take(titles(60), 1)
    history.land(titles(1), 3)
    history.land(titles(61), 2)
    code, planned = history.plan()
    with pytest.raises(Refused, match="the file deletes 60 of 61 titles"):
        history.merge()
    assert (code, "the guard would stop it: the file deletes 60 of 61" in planned) == (20, True)
