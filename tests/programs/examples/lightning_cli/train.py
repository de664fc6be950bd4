"""LightningCLI: `fit --model.lr=0.25`, and its TensorBoard logger."""

import lightning
import torch
from lightning.pytorch.cli import LightningCLI


class Quadratic(lightning.LightningModule):
    """One weight."""

    def __init__(self, lr: float = 0.5) -> None:
        super().__init__()
        self.lr = lr
        self.weight = torch.nn.Parameter(torch.ones(()))

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        """The loss of a batch."""
        loss = (self.weight * batch[0]).square().mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def train_dataloader(self) -> torch.utils.data.DataLoader[tuple[torch.Tensor, ...]]:
        """One image, so to say."""
        return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(1)))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain gradient descent."""
        return torch.optim.SGD(self.parameters(), lr=self.lr)


if __name__ == "__main__":
    LightningCLI(Quadratic, trainer_defaults={"max_epochs": 3, "accelerator": "cpu", "enable_progress_bar": False})
