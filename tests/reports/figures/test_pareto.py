from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bench.results.run import Run
from reports.inputs.entry import Entry
from reports.inputs.pareto import CostPoint, front

ENTRY = Entry("c1", Run(Path()), "run", None, None)
POINTS = st.lists(st.builds(CostPoint, st.just(ENTRY), st.floats(0.1, 1e6), st.floats(0, 1)), min_size=1, max_size=30)


@given(POINTS)
def test_no_point_on_the_front_is_beaten_and_every_other_is(points: list[CostPoint]) -> None:
    kept = front(points)

    def beaten(point: CostPoint) -> bool:
        others = (p for p in points if p != point)
        return any(other.cost <= point.cost and other.accuracy >= point.accuracy for other in others)

    assert kept
    assert not any(beaten(point) for point in kept)
    assert all(beaten(point) for point in points if point not in kept)
    assert [point.cost for point in kept] == sorted(point.cost for point in kept)
