"""A LightningModule with the CSVLogger."""

import argparse

import lightning
import torch
from lightning.pytorch.loggers import CSVLogger


class Quadratic(lightning.LightningModule):
    """One weight."""

    def __init__(self, lr: float) -> None:
        super().__init__()
        self.lr = lr
        self.weight = torch.nn.Parameter(torch.ones(()))

    def training_step(self, batch: list[torch.Tensor], _: int) -> torch.Tensor:
        """The loss of a batch."""
        loss = (self.weight * batch[0]).square().mean()
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor], _: int) -> None:
        """The loss after an epoch."""
        self.log("val_loss", (self.weight * batch[0]).square().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain gradient descent."""
        return torch.optim.SGD(self.parameters(), lr=self.lr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, required=True)
    args = parser.parse_args()
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(1)))
    trainer = lightning.Trainer(
        max_epochs=3, logger=CSVLogger("."), accelerator="cpu", num_sanity_val_steps=0, enable_progress_bar=False,
        log_every_n_steps=1,
    )  # fmt: skip
    trainer.fit(Quadratic(args.lr), data, data)
