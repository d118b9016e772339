"""A data set in numbers, by hand."""

from factories.datasets import make_record

from rnaformer_cli.dataset.stats import compute_stats


def test_counts_by_hand():
    stats = compute_stats(
        [
            make_record("a", "GGGAAACCC", [(0, 8), (1, 7)], "pdb", family="F", clan="C", cluster=1),
            make_record("b", "GGANACACC", [(0, 5), (2, 8)], "pdb", family="F"),  # crossing, A-C
            make_record("c", "GGAAACC", [(0, 5), (0, 6)], "lab", cluster=1),  # a multiplet
        ]
    )
    assert (stats.records, stats.bases, stats.pairs) == (3, 25, 6)
    assert (stats.families, stats.clans, stats.clusters) == (1, 1, 1)
    assert stats.sources == {"pdb": 2, "lab": 1}
    assert stats.length_quantiles == (7, 8, 9, 9, 9, 9)
    assert (stats.pseudoknot_fraction, stats.multiplet_fraction) == (1 / 3, 1 / 3)
    assert (stats.noncanonical_fraction, stats.unknown_fraction) == (1 / 6, 1 / 25)


def test_a_pair_that_is_listed_twice_counts_once():
    stats = compute_stats([make_record("a", "GGGAAACCC", [(0, 8), (0, 8), (1, 7)])])
    assert stats.pairs == 2


def test_an_empty_set_has_no_fractions():
    stats = compute_stats([])
    assert (stats.records, stats.noncanonical_fraction, stats.pseudoknot_fraction) == (0, 0.0, 0.0)
