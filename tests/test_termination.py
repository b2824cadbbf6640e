"""SIGTERM is a request: noted where work has to be finished first, obeyed at once elsewhere."""

import os
import signal
import threading

import pytest

from biosig.termination import sigterm


def _terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def test_the_first_signal_is_noted_and_obeyed_when_asked():
    with pytest.raises(SystemExit, match="143"), sigterm() as terminating:  # noqa: PT012
        terminating.obey()
        _terminate()
        assert terminating.asked
        terminating.obey()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_second_signal_ends_at_once():
    with pytest.raises(SystemExit, match="143"), sigterm():  # noqa: PT012
        _terminate()
        _terminate()
        pytest.fail("went on")


def test_where_nothing_has_to_be_finished_the_first_ends_at_once():
    with pytest.raises(SystemExit, match="143"), sigterm(at_once=True):  # noqa: PT012
        _terminate()
        pytest.fail("went on")


def test_a_handler_of_others_stays_and_other_threads_have_none():
    def theirs(*_):
        pass

    signal.signal(signal.SIGTERM, theirs)
    try:
        with sigterm():
            assert signal.getsignal(signal.SIGTERM) is theirs
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def run():
        with sigterm() as terminating:
            assert not terminating.asked

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
