from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reports.figures.pareto import front

POINTS = st.lists(st.tuples(st.floats(0.1, 1e6), st.floats(0, 1)), min_size=1, max_size=30)


@given(POINTS)
def test_no_point_on_the_front_is_beaten_and_every_other_is(points) -> None:
    kept = front(points)

    def beaten(i):
        cost, score = points[i]
        return any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in points)

    assert all(not beaten(i) for i in kept)
    left_out = {points[i] for i in range(len(points))} - {points[i] for i in kept}
    assert all(beaten(points.index(point)) for point in left_out)
    assert [points[i][0] for i in kept] == sorted(points[i][0] for i in kept)
