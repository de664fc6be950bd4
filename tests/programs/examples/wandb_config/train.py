"""All parameters from wandb.config, nested ones too; steps are said."""

import wandb

defaults = {"optimizer": {"lr": 0.5, "momentum": 0.0}, "epochs": 3}

with wandb.init(config=defaults) as run:
    config = wandb.config
    assert config.optimizer["momentum"] == 0.0
    weight = 1.0
    for epoch in range(config["epochs"]):
        run.log({"val": {"loss": weight**2}}, step=10 * epoch)
        weight -= config.optimizer["lr"] * 2 * weight
    run.summary["final_weight"] = weight
