"""The conformance kit: whether a scenario or a strategy keeps the promises that plugins make.

`streamsim check NAME` prints what `check` finds; in a plugin's own tests one line is enough:

    from streamsim.testing import assert_conforms

    def test_my_part_conforms() -> None:
        assert_conforms("my-part")

Strategies are trained many times on `Toy`, a stream of seconds; scenarios are drawn, looked at and
given to the strategy `naive` for a little while.
"""

from streamsim.testing.results import Result, failures
from streamsim.testing.running import assert_conforms, check
from streamsim.testing.scenarios import check_scenario
from streamsim.testing.strategies import check_strategy
from streamsim.testing.toys import Toy

__all__ = [
    "Result",
    "Toy",
    "assert_conforms",
    "check",
    "check_scenario",
    "check_strategy",
    "failures",
]
