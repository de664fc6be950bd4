"""A Hugging Face Trainer, with its arguments from the command line."""

import torch
from transformers import HfArgumentParser, Trainer, TrainingArguments


class Quadratic(torch.nn.Module):
    """One weight."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Loss and prediction."""
        outputs = self.weight * inputs
        return {"loss": (outputs - labels).square().mean(), "logits": outputs}


data = [{"inputs": torch.ones(()), "labels": torch.zeros(())}]
(arguments,) = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses()
trainer = Trainer(Quadratic(), arguments, train_dataset=data, eval_dataset=data)
trainer.train()
trainer.save_state()
