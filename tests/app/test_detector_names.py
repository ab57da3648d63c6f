"""What clusters are called in the fleet, and who is told of no more."""

from __future__ import annotations

import pytest

from gateway.app.detector_names import Names
from gateway.campaigns.ruling import Ruled, Ruling
from gateway.campaigns.verdict import Level, Verdict
from gateway.detect.told import Cluster, Edge, Told


def cluster(name: str, *accounts: str) -> Cluster:
    members = tuple((account, 1.0) for account in accounts)
    edges = tuple(Edge(account, "t1", "content", 1.0) for account in accounts)
    return Cluster(name, 1.0, 1.0, len(accounts), 9.0, (), (), Level.VERIFY, 10, members=members, edges=edges)


def test_the_same_number_of_two_states_is_two_names() -> None:
    """A detector that has lost its state never tells of a cluster by the name of an older one."""
    told = Told((Verdict("a", "c1", 9.0),), (cluster("c1", "a"),), ("c2",))
    one, other = Names().told(told), Names().told(told)
    assert one.verdicts[0].cluster == one.clusters[0].id
    assert one.clusters[0].id != other.clusters[0].id
    assert not {one.gone[0], other.gone[0]} & {one.clusters[0].id, other.clusters[0].id}


@pytest.mark.parametrize(
    ("named", "own"),
    [
        pytest.param("c7-5f0a9c", "c7", id="its-own"),
        pytest.param("c7-abcdef", "c3", id="of-another-with-the-same-accounts"),
        pytest.param("c8-abcdef", "", id="of-another-with-other-accounts"),
        pytest.param("c9-abcdef", "", id="that-nobody-knows"),
        pytest.param("", "", id="of-none"),
    ],
)
def test_whose_cluster_a_person_has_judged(named: str, own: str) -> None:
    """What was said of one detector's cluster is never heeded of another one that happens to have its number."""
    names = Names("5f0a9c")
    told = names.told(Told(clusters=(cluster("c7", "x", "y"), cluster("c3", "a", "b", "c"))))
    of = {"c7-abcdef": ["a", "b", "c", "d"], "c8-abcdef": ["a", "q", "r", "s"]}
    found = names.ruling(
        Ruling(1, 1.0, Ruled.REJECTED, named), lambda name: of.get(name, []), {one.id: one for one in told.clusters}
    )
    assert found.cluster == own


def test_who_was_erased_is_told_of_no_more() -> None:
    """Neither in a verdict, nor in a case, nor in its picture: an erasure would be undone by the next look."""
    names = Names()
    names.erase(["b"])
    told = names.told(Told((Verdict("b", "c1", 9.0), Verdict("a", "c1", 9.0)), (cluster("c1", "a", "b"),)))
    assert [verdict.account for verdict in told.verdicts] == ["a"]
    assert "'b'" not in repr(told)
    assert told.clusters[0].accounts == 1
    assert "b" not in Names(names.state, names.erased).erased, "kept as a hash"
    names.back(["b"])
    assert len(names.told(Told((Verdict("b", "c1", 9.0),))).verdicts) == 1
