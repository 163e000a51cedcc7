"""From three CSV files to the scores of the test rows, with the course's helpers."""

import json
import sys

import pandas as pd

from helpers.fields import Categorical, Numeric
from helpers.predictor import Predictor
from helpers.splits import Split
from helpers.targets import Clicks

train, valid, test = (pd.read_csv(path) for path in sys.argv[1:])
numbers = train.select_dtypes("number").columns
fields = {
    name: Numeric() if name in numbers else Categorical(missing="value")
    for name in train.columns.drop("over_50k")
}
found = Predictor.train(Split(train, valid, test), fields, Clicks("over_50k"))
print(json.dumps(found.evaluate(test)))
