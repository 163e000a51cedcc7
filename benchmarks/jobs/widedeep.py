"""From three CSV files to the scores of the test rows, with pytorch-widedeep."""

import json
import sys

import pandas as pd
import torch
from pytorch_widedeep import Trainer
from pytorch_widedeep.callbacks import EarlyStopping
from pytorch_widedeep.models import TabMlp, Wide, WideDeep
from pytorch_widedeep.preprocessing import TabPreprocessor, WidePreprocessor
from sklearn.metrics import log_loss, roc_auc_score

train, valid, test = (pd.read_csv(path) for path in sys.argv[1:])
numbers = train.select_dtypes("number").columns.drop("over_50k").tolist()
words = train.columns.drop(["over_50k", *numbers]).tolist()
for rows in (train, valid, test):
    rows[words] = rows[words].astype(object).fillna("missing")
torch.manual_seed(0)
wide_rows = WidePreprocessor(wide_cols=words)
tab_rows = TabPreprocessor(
    cat_embed_cols=words, continuous_cols=numbers, cols_to_scale=numbers
)
x = {"X_wide": wide_rows.fit_transform(train), "X_tab": tab_rows.fit_transform(train)}
x_valid = {"X_wide": wide_rows.transform(valid), "X_tab": tab_rows.transform(valid)}
x_test = {"X_wide": wide_rows.transform(test), "X_tab": tab_rows.transform(test)}
deep = TabMlp(
    column_idx=tab_rows.column_idx,
    cat_embed_input=tab_rows.cat_embed_input,
    continuous_cols=numbers,
)
model = WideDeep(wide=Wide(wide_rows.wide_dim), deeptabular=deep)
stop = EarlyStopping(patience=2, restore_best_weights=True)
trainer = Trainer(model, "binary", callbacks=[stop], verbose=0, num_workers=0)
trainer.fit(
    X_train={**x, "target": train.over_50k.to_numpy()},
    X_val={**x_valid, "target": valid.over_50k.to_numpy()},
    n_epochs=30,
    batch_size=256,
)
p = trainer.predict_proba(**x_test, batch_size=256)[:, 1].astype("float64")
scores = {
    "log loss": log_loss(test.over_50k, p),
    "AUC": roc_auc_score(test.over_50k, p),
}
print(json.dumps(scores))
