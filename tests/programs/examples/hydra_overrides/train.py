"""A Hydra application: overrides `optimizer.lr=0.25`."""

import hydra
from omegaconf import DictConfig
from torch.utils.tensorboard import SummaryWriter


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config: DictConfig) -> None:
    """Train."""
    weight = 1.0
    with SummaryWriter(hydra.core.hydra_config.HydraConfig.get().runtime.output_dir) as writer:
        for epoch in range(config.epochs):
            writer.add_scalar("loss", weight**2, epoch)
            weight -= config.optimizer.lr * 2 * weight


main()
