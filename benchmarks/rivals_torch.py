"""A plain DeepFM in PyTorch, with the fields and shapes of ours."""

from collections.abc import Callable

import torch
from torch import nn

from helpers.fields import MULTI, NUMERIC, PADDING


class DeepFM(nn.Module):
    """First order, second order by Rendle's identity (2010, lemma 3.1), and an MLP.

    task: speed_worker.Task.  dict of (batch, 1) or (batch, L)  ->  (batch,)
    """

    def __init__(self, task):
        super().__init__()
        self.kinds = {s.name: s.kind for s in task.specs}
        self.w0 = nn.Parameter(torch.tensor(task.target.intercept))
        self.weights, self.vectors = self._tables(task, 1), self._tables(task, task.k)
        sizes = [len(task.specs) * task.k, *task.units]
        layers = []
        for n, m in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(n, m), nn.ReLU()]
        self.deep = nn.Sequential(*layers, nn.Linear(sizes[-1], 1, bias=False))

    @staticmethod
    def _tables(task, k: int) -> nn.ModuleDict:
        tables = nn.ModuleDict()
        for s in task.specs:
            if s.kind == NUMERIC:
                table = nn.Linear(1, k, bias=False)
            else:
                table = nn.Embedding(s.size, k)
            nn.init.normal_(table.weight, std=0.02)
            tables[s.name] = table
        return tables

    def _rows(self, tables: nn.ModuleDict, x: dict) -> torch.Tensor:
        rows = []
        for name, kind in self.kinds.items():
            found = tables[name](x[name])
            if kind == NUMERIC:
                found = found[:, None]
            elif kind == MULTI:
                present = (x[name] != PADDING)[..., None].float()
                number = present.sum(1, keepdim=True).clamp(min=1)
                found = (found * present).sum(1, keepdim=True) / number
            rows.append(found)
        return torch.cat(rows, 1)

    def forward(self, x: dict[str, torch.Tensor]) -> torch.Tensor:
        """Ratings in stars."""
        e = self._rows(self.vectors, x)
        first = self.w0 + self._rows(self.weights, x).sum((1, 2))
        second = 0.5 * (e.sum(1).square() - e.square().sum(1)).sum(1)
        return first + second + self.deep(e.flatten(1))[:, 0]


def trainer(model: DeepFM, task) -> Callable[[], float]:
    """A function that trains one epoch and gives its RMSE in stars.

    Batches are rows of shuffled tensors: no DataLoader, which would be slower.
    """
    x = {name: torch.from_numpy(array) for name, array in task.x.items()}
    y = torch.from_numpy(task.y[:, 0])
    adam = torch.optim.Adam(model.parameters(), lr=task.rate)

    def epoch() -> float:
        total = torch.zeros(())
        for rows in torch.randperm(len(y)).split(task.batch):
            adam.zero_grad()
            batch = {name: values[rows] for name, values in x.items()}
            loss = nn.functional.mse_loss(model(batch), y[rows])
            loss.backward()
            adam.step()
            total += loss.detach() * len(rows)
        return float(total / len(y)) ** 0.5

    return epoch
