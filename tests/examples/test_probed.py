"""The probed RNA is predicted with its data, which agree with the structure."""

import json

from conftest import ROOT

EXAMPLES = ROOT / "examples"


def predict(run_cli, *options):
    [line] = run_cli("predict", EXAMPLES / "probed.fasta", "-f", "jsonl", *options).out.splitlines()
    return json.loads(line)


def test_a_reactive_hairpin_is_not_predicted_with_the_data(run_cli):
    plain = predict(run_cli)
    guided = predict(run_cli, "--reactivities", EXAMPLES / "probed.rdat")
    assert plain["structure"].count("(") == 13
    assert guided["structure"] == "." * 68 + "(((((((....)))))))" + "." * 21
    data = guided["reactivities"]
    assert (data["reagent"], data["used"], data["missing"]) == ("1M7", 79, 28)
    assert data["auc"] > 0.8
    assert data["spearman"] > 0.6
