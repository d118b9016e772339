"""General maximum-weight matching: rustworkx against networkx on candidate graphs.

    python benches/matching.py

The graphs resemble those of decoding: each pair of L bases is a candidate with probability 3 / L.
"""

import random
import time

import networkx
import rustworkx


def candidate_edges(length: int, seed: int) -> list[tuple[int, int, int]]:
    """Random candidate pairs (left, right, gain), with integer gains."""
    source = random.Random(seed)
    pairs = ((i, j) for i in range(length) for j in range(i + 4, length))
    return [(i, j, source.randint(1, 700_000)) for i, j in pairs if source.random() < 3 / length]


def match_with_rustworkx(edges: list[tuple[int, int, int]], length: int) -> tuple[float, int]:
    """The seconds that rustworkx takes, and the total gain of its matching."""
    start = time.perf_counter()
    graph: rustworkx.PyGraph[int, int] = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from(list(range(length)))
    graph.add_edges_from(edges)
    matched = rustworkx.max_weight_matching(graph, weight_fn=int)
    spent = time.perf_counter() - start
    gains = {(i, j): gain for i, j, gain in edges}
    return spent, sum(gains[min(pair), max(pair)] for pair in matched)


def match_with_networkx(edges: list[tuple[int, int, int]], length: int) -> tuple[float, int]:
    """The seconds that networkx takes, and the total gain of its matching."""
    start = time.perf_counter()
    graph = networkx.Graph()
    graph.add_nodes_from(range(length))
    graph.add_weighted_edges_from(edges)
    matched = networkx.max_weight_matching(graph)
    spent = time.perf_counter() - start
    return spent, sum(graph.edges[pair]["weight"] for pair in matched)


def main() -> None:
    """Print the median of five graphs for each length."""
    print("bases  candidates  rustworkx s  networkx s  ratio")
    for length in (100, 300, 1000):
        rows = []
        for seed in range(5):
            edges = candidate_edges(length, seed)
            ours, gain = match_with_rustworkx(edges, length)
            other, expected = match_with_networkx(edges, length)
            assert gain == expected
            rows.append((len(edges), ours, other))
        count, ours, other = sorted(rows, key=lambda row: row[1])[2]
        print(f"{length:5}  {count:10}  {ours:11.4f}  {other:10.4f}  {other / ours:5.1f}")


if __name__ == "__main__":
    main()
