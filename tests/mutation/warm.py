"""mutmut's command with the tests collected once: a planted error is tried in a fork that finds them there.

    python tests/mutation/warm.py run --max-children 1 'weight_mapping.packing.x*'

mutmut has pytest collect them anew for every error, which takes longer than most errors take to show.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import mutmut.__main__ as program
import pytest
from _pytest.config import _prepareconfig
from mutmut.runners.harness import PytestRunner, change_cwd
from mutmut.workers.isolation import ForkRunner


class Collected(PytestRunner):
    """Tests in the session in which they were collected, the first failure being the last that runs."""

    session: pytest.Session | None = None

    def collect(self) -> None:
        with change_cwd("mutants"):
            options = ["--rootdir=.", "--tb=no", "-qq", "--capture=no", *self._pytest_add_cli_args]
            config = _prepareconfig([*options, *self._pytest_add_cli_args_test_selection])
            config._do_configure()
            self.session = pytest.Session.from_config(config)
            config.hook.pytest_sessionstart(session=self.session)
            config.hook.pytest_collection(session=self.session)

    def run_tests(self, *, mutant_name: str | None, tests: Iterable[str]) -> int:
        if self.session is None:
            return int(super().run_tests(mutant_name=mutant_name, tests=tests))
        known = {item.nodeid: item for item in self.session.items}
        items = [known[name] for name in tests if name in known]
        self.session.config.hook.pytest_collection_modifyitems(
            session=self.session, config=self.session.config, items=items
        )
        with change_cwd("mutants"):
            for item, following in zip(items, [*items[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if self.session.testsfailed:
                    return int(pytest.ExitCode.TESTS_FAILED)
        return int(pytest.ExitCode.OK)


class Warm(ForkRunner):
    """Forks of this process, after one of them has shown that without an error the tests hold there as well."""

    test_runner: Collected

    def startup(self) -> None:
        self.test_runner.collect()
        super().startup()
        assert self.test_runner.session is not None
        everything = [item.nodeid for item in self.test_runner.session.items]
        child = os.fork()
        if child == 0:
            os._exit(self.test_runner.run_tests(mutant_name=None, tests=everything))
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise SystemExit("the tests fail without any error planted")


def main() -> None:
    program.get_mutant_runner = lambda most: Warm(most, Collected())
    program.cli()


if __name__ == "__main__":
    main()
