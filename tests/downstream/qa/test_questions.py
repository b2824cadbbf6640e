import json
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from biosig import config as configuration
from biosig.downstream.qa.answer_vocabulary import AnswerSet
from biosig.downstream.qa.clinical_facts import AXES, FINDINGS, axis_class, heart_axis
from biosig.downstream.qa.config import GeneratedQuestions, QaConfig, QuestionFiles
from biosig.downstream.qa.questions import QUESTION_TYPES, Question, read_questions
from biosig.downstream.qa.templates import generate
from biosig.errors import UnreadableError, UsageError
from biosig.recording import Channel, Recording, Stream

# As ECG-QA's README shows one, and one of its comparisons.
ENTRY = {
    "template_id": 1,
    "question_id": 0,
    "sample_id": 0,
    "question_type": "single-verify",
    "attribute_type": "scp_code",
    "question": "Is there evidence of non-diagnostic t abnormalities on this ECG?",
    "answer": ["yes"],
    "ecg_id": [12662],
    "attribute": ["non-diagnostic t abnormalities"],
}
COMPARISON = ENTRY | {
    "template_id": 68,
    "question_type": "comparison_irrelevant-query",
    "answer": ["qt interval", "p duration"],
    "ecg_id": [3076, 3426],
    "attribute": None,
}


def test_files_of_ecgqa_are_read(tmp_path):
    (tmp_path / "10000.json").write_text(json.dumps([COMPARISON]))
    (tmp_path / "0.json").write_text(json.dumps([ENTRY]))
    single, comparison = read_questions(tmp_path)
    assert single == Question(1, 0, "single-verify", "scp_code", ENTRY["question"], ("yes",), ("12662_hr",))
    assert comparison.answer == ("p duration", "qt interval")
    assert comparison.recordings == ("03076_hr", "03426_hr")
    assert read_questions(tmp_path / "0.json", "s{}")[0].recordings == ("s12662",)


@pytest.mark.parametrize("change", [{"ecg_id": [1, 2]}, {"question_type": "single-guess"}, {"answer": None}])
def test_other_files_are_refused(tmp_path, change):
    path = tmp_path / "questions.json"
    path.write_text(json.dumps([ENTRY | change]))
    with pytest.raises(UnreadableError, match=r"questions\.json holds no questions of ECG-QA"):
        read_questions(path)
    with pytest.raises(UsageError, match="no questions in"):
        read_questions(tmp_path / "absent.json")


@pytest.mark.parametrize("degrees", [-150.0, -60.0, 0.0, 45.0, 80.0, 120.0])
def test_the_axis_of_a_made_heart_is_found(degrees):
    times = np.arange(0, 10, 0.004)
    beat = np.exp(-(((times % 0.8) - 0.4) ** 2) / (2 * 0.012**2))
    toward = np.cos(np.radians(degrees - np.array([0.0, 90.0]))) * [1.0, np.sqrt(3) / 2]  # aVF is augmented
    channels = tuple(Channel(name, name, "ecg", "mV") for name in ("I", "aVF"))
    samples = (toward[:, None] * beat).astype(np.float32)
    stream = Stream(250.0, channels, samples, np.ones(2), np.zeros(2))
    assert heart_axis(Recording("made", [stream])) == pytest.approx(degrees, abs=5)


def test_axis_classes_meet_at_their_limits():
    assert [axis_class(d) for d in (-30, 90, -31, -90, 91, 180, -91)] == [AXES[i] for i in (0, 0, 1, 1, 2, 2, 3)]


def test_the_same_facts_and_seed_give_the_same_questions(coded_facts):
    questions = generate(coded_facts, 3, seed=1)
    assert questions == generate(coded_facts, 3, seed=1)
    assert questions != generate(coded_facts, 3, seed=2)
    assert {q.question_type for q in questions} == set(QUESTION_TYPES)


def test_answers_are_true(coded_facts):
    facts_of_recording = {facts.recording: facts for facts in coded_facts}
    asked = generate(coded_facts, 5, seed=0)
    for name, code in ((name, code) for code, name in FINDINGS.items()):
        for q in (q for q in asked if q.question == f"Does this ECG show {name}?"):
            assert q.answer == (("yes",) if code in facts_of_recording[q.recordings[0]].codes else ("no",))
        for q in (q for q in asked if q.question == f"Does the second ECG show {name} that the first does not show?"):
            first, second = (facts_of_recording[r].codes for r in q.recordings)
            assert q.answer == (("yes",) if code in second and code not in first else ("no",))
    for q in (q for q in asked if q.question_type.startswith("comparison")):
        first, second = (facts_of_recording[r] for r in q.recordings)
        assert (first.subject == second.subject) == ("consecutive" in q.question_type)


def test_no_answer_stands_for_more_than_half_of_a_question(coded_facts):
    given = defaultdict(Counter)
    for q in generate(coded_facts, 5, seed=0):
        given[q.question_id][q.answer] += 1
    assert all(max(counts.values()) * 2 <= counts.total() for counts in given.values())


def test_the_answers_of_a_template_are_those_of_the_training_part():
    def question(template, *answer):
        return Question(template, 0, "single-query", "x", "?", answer, ("a",))

    answers = AnswerSet.of([question(1, "yes"), question(1, "no"), question(1, "no"), question(2, "a", "b")])
    assert answers.answers == ("a", "b", "no", "yes")
    new = [question(1, "yes"), question(2, "b"), question(3, "yes")]
    nan = np.nan
    np.testing.assert_array_equal(answers.truth(new), [[nan, nan, 0, 1], [0, 1, nan, nan], [nan] * 4])
    np.testing.assert_array_equal(answers.most_frequent(new), [[0, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 0]])
    assert answers.chosen(answers.truth(new), answers.most_frequent(new)) == [("no",), ("a", "b"), ()]


def test_shipped_configurations_are_valid():
    folder = Path(__file__).parents[3] / "configs" / "qa"
    kinds = {path.stem: type(configuration.load(QaConfig, path).questions) for path in folder.glob("*.yaml")}
    assert kinds == {"ptbxl-made": GeneratedQuestions, "ecgqa-ptbxl": QuestionFiles}
