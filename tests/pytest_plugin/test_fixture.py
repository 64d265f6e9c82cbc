"""`init_check` and `init_policy`: one model inside an ordinary test; a test that checks nothing fails."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]
HEAD = "import pytest, models, rnninit_hooks as ri\nfrom torch import nn\n"
MARK = '@pytest.mark.init_policy("init.rules.yaml")\n'


def ran(suite, text, *words):
    suite.write("test_it.py", HEAD + text)
    return suite("--strict-markers", *words)


def test_a_model_that_obeys_passes_and_gives_its_report(suite):
    ran(suite, MARK + "def test_it(init_check):\n    assert len(init_check(models.good()).rows) == 12\n").assert_outcomes(passed=1)


def test_a_model_that_does_not_fails_at_the_users_line_with_the_report(suite):
    result = ran(suite, MARK + "def test_it(init_check):\n    init_check(models.shut())\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([
        ">*init_check(models.shut())",
        "E*the model does not obey its initialisation policy",
        "E*init.rules.yaml:9:5: RNN202 *",
        "E*check: 11 slots obey, 1 slot breaks, 1 error, 0 warnings",
    ])  # fmt: skip
    assert "fixtures.py" not in result.stdout.str()


def test_the_argument_wins_over_the_marker_and_the_marker_over_the_configuration(suite):
    suite.configure("models.py:good", more="")
    body = """
def test_configured(init_check):
    init_check(models.good())
@pytest.mark.init_policy("gru-classic")
def test_marked(init_check):
    gru = nn.GRU(8, 8)
    ri.apply(gru, "gru-classic")
    init_check(gru)
@pytest.mark.init_policy("gru-classic")
def test_given(init_check):
    init_check(models.good(), ri.load("init.rules.yaml"))
@pytest.mark.init_policy("gru-classic")
class TestMarked:
    def test_closest(self, init_check):
        with pytest.raises(pytest.fail.Exception, match="RNN101"):
            init_check(models.good())
    def test_without_model(self):
        pass
"""
    ran(suite, body).assert_outcomes(passed=5)


def test_a_relative_file_is_one_of_the_root_wherever_the_test_goes(suite):
    body = MARK + "def test_it(init_check, monkeypatch, tmp_path):\n    model = models.good()\n    monkeypatch.chdir(tmp_path)\n    init_check(model)\n"
    ran(suite, body).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def test_it(init_check): pass\n", "*asks for init_check and never calls it*"),
        (MARK + "def test_it(): pass\n", "*marked init_policy and asks for no init_check*"),
        ("def test_it(init_check):\n    init_check(models.good())\n", "*called without a policy, and the configuration names 0*"),
        ("@pytest.mark.init_policy\ndef test_it(init_check):\n    init_check(models.good())\n", "*0 arguments and 0 keywords*"),
        (MARK + "def test_it(init_check):\n    init_check(models.good)\n", "*takes a torch.nn.Module, found function*"),
        ("def test_it(init_check):\n    init_check(models.good(), 'gone.yaml')\n", "*gone.yaml:1:1: RNN001*"),
    ],
)
def test_misuse_never_passes(suite, text, said):
    result = ran(suite, text)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([said])


def test_a_skipped_or_failed_test_is_not_blamed_for_the_call_it_did_not_reach(suite):
    body = "def test_skip(init_check):\n    pytest.skip('later')\ndef test_fail(init_check):\n    assert 1 == 2\n"
    result = ran(suite, body)
    result.assert_outcomes(skipped=1, failed=1)
    assert "never calls it" not in result.stdout.str()
