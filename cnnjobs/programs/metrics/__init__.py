"""Metrics of any program, found by themselves. Nouns: Collector, Source, Channel, Tail, FoundFiles.

In this order, where several carry one metric: `collect:` of the sweep file, wandb, cnnjobs.log and $CNNJOBS_METRICS,
trainer_state.json, TensorBoard, CSV, MLflow.
"""
