"""What a run in either kernel must agree on: packets, verdicts, maps. Per-CPU values are summed, since runs may move."""
import json
import sys


def total(value):
    """The sum of all numbers in a value, however deep."""
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(total, value)) if isinstance(value, list) else value


report = json.load(sys.stdin)
print(report["packets"], report["verdicts"])
for table in report["maps"]:
    rows = {json.dumps(element["key"]): total(element["value"]) for element in table["elements"]}
    print(table["name"], table["entries"], sorted(rows.items()))
