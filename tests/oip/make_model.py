"""Writes the logistic model of tests/cli/small/model.json as scikit-learn's: make_model.py FILE."""

import sys

import joblib
import numpy as np
from sklearn.linear_model import LogisticRegression

model = LogisticRegression()
model.classes_ = np.array([0, 1])
model.coef_ = np.array([[0.5, -0.25, 1.0]])
model.intercept_ = np.array([0.125])
model.n_features_in_ = 3
joblib.dump(model, sys.argv[1])
