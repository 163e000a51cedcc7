"""What the notebooks of the course have built once, for the notebooks that follow.

Importing it costs nothing: each module imports what it needs. Those that need Keras are
layers, history_layers, models, optimizers, feeding, progress, training, recommend,
best, predictor and plots.
"""
