import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.errors import ProblemsError
from eval.samples import Sample, append_samples, check_complete, read_samples, resume_samples

TASKS = ["T/0", "T/1"]
BATCHES = [[("T/0", 0), ("T/0", 1)], [("T/1", 0)], [("T/1", 1)]]


def samples_of(batch):
    return [Sample(task_id=task, completion=f"é\n{task}", sample=i, tokens=3) for task, i in batch]


def test_written_samples_are_read_back(tmp_path):
    path = tmp_path / "s.jsonl"
    for batch in BATCHES:
        append_samples(path, samples_of(batch))
    assert read_samples(path, TASKS) == [one for batch in BATCHES for one in samples_of(batch)]


@given(cut_at=st.integers(0, 400))
def test_a_file_cut_anywhere_resumes_to_the_same_bytes(tmp_path_factory, cut_at):
    path = tmp_path_factory.mktemp("cut") / "s.jsonl"
    for batch in BATCHES:
        append_samples(path, samples_of(batch))
    whole = path.read_bytes()
    path.write_bytes(whole[:cut_at])
    done = resume_samples(path, BATCHES)
    assert whole.startswith(path.read_bytes())
    for batch in BATCHES[done:]:
        append_samples(path, samples_of(batch))
    assert path.read_bytes() == whole


def test_whole_batches_are_not_sampled_again(tmp_path):
    path = tmp_path / "s.jsonl"
    assert resume_samples(path, BATCHES) == 0
    for done, batch in enumerate(BATCHES, start=1):
        append_samples(path, samples_of(batch))
        assert resume_samples(path, BATCHES) == done


def test_samples_of_another_plan_are_refused_and_kept(tmp_path):
    path = tmp_path / "s.jsonl"
    append_samples(path, samples_of([("T/1", 0), ("T/0", 0)]))
    before = path.read_bytes()
    with pytest.raises(ProblemsError, match="holds other samples"):
        resume_samples(path, BATCHES)
    assert path.read_bytes() == before


def test_samples_without_numbers_are_numbered_as_they_come(tmp_path):
    path = tmp_path / "s.jsonl"
    lines = [{"task_id": task, "completion": "x"} for task in ("T/1", "T/0", "T/1")]
    path.write_text("\n".join(map(json.dumps, lines)))
    assert [(s.task_id, s.sample) for s in read_samples(path, TASKS)] == [
        ("T/1", 0),
        ("T/0", 0),
        ("T/1", 1),
    ]


@pytest.mark.parametrize(
    "text, complaint",
    [
        ('{"task_id": "T/9", "completion": ""}', r"line 1: unknown task 'T/9'; did you mean 'T/"),
        ('{"task_id": "T/0"}', r"line 1: has no 'completion'"),
        ('{"task_id": "T/0", "completion": null}', r"line 1: NoneType for 'completion'"),
        ('\n{"task_id": "T/0", "comple', r"line 2: not JSON, or cut off"),
        ('{"task_id": "T/0", "completion": "", "sample": 0}\n' * 2, r"line 2: sample 0 of T/0 is"),
        ('{"task_id": "T/0", "completion": "", "sample": "a"}', r"must be whole numbers"),
        ("", "holds no sample"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, complaint):
    path = tmp_path / "s.jsonl"
    path.write_text(text)
    with pytest.raises(ProblemsError, match=complaint):
        read_samples(path, TASKS)


def test_broken_utf8_is_named(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"task_id": "T/0", "completion": "\xe9"}\n')
    with pytest.raises(ProblemsError, match="line 1: not UTF-8 at byte 34"):
        read_samples(path, TASKS)


def test_tasks_without_samples_are_counted(tmp_path):
    path = tmp_path / "s.jsonl"
    samples = samples_of([("T/0", 0)])
    with pytest.raises(ProblemsError, match=r"no sample for 1 of 2 tasks, such as T/1"):
        check_complete(path, samples, TASKS)
    check_complete(path, samples, ["T/0"])
