"""cnnjobs: from one YAML file to a finished report.

sweeps/x.yaml --read--> Sweep --expand--> [RunConfig] --plan against what is on disk--> Plan
   --submit with a JobProfile--> jobs --on the node--> Trainer --append--> results/<sweep>/<run_id>/
   --collect--> ResultsTable --build--> results/<sweep>/report/
"""
