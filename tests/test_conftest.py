"""tests.conftest: what --no-skips promises to the machine that has everything."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    """A suite of one passing and one skipped test, under our own conftest."""
    pytester.makeconftest(Path(__file__).with_name("conftest.py").read_text())
    pytester.makepyfile(
        """
        import pytest

        def test_passes():
            pass

        @pytest.mark.skipif(True, reason="needs a moon")
        def test_of_the_moon():
            pass

        @pytest.mark.xfail(strict=True)
        def test_known_to_fail():
            raise AssertionError
        """
    )
    return pytester


def test_a_skip_fails_the_run_where_skips_are_forbidden(suite: pytest.Pytester) -> None:
    """The run fails, names the test and its reason, and still ends with pytest's own closing line."""
    result = suite.runpytest_subprocess("--no-skips", "-p", "no:cacheprovider")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*::test_of_the_moon: needs a moon"])
    assert "1 passed, 1 skipped, 1 xfailed" in result.outlines[-1]


def test_a_skipped_module_fails_the_run_too(suite: pytest.Pytester) -> None:
    """A module that is skipped as it is collected counts as well."""
    suite.makepyfile(test_other="import pytest\npytest.skip('no sea here', allow_module_level=True)")

    result = suite.runpytest_subprocess("--no-skips", "-p", "no:cacheprovider", "test_other.py")

    assert result.ret != pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*test_other.py: no sea here"])


def test_a_skip_is_fine_elsewhere(suite: pytest.Pytester) -> None:
    """Without the option a skip is one line."""
    result = suite.runpytest_subprocess("-p", "no:cacheprovider")

    assert result.ret == pytest.ExitCode.OK
