"""The plain DeepFM in PyTorch is ours with other words. Runs where PyTorch is."""

from types import SimpleNamespace

import numpy as np
import pytest

from helpers import synthetic
from helpers.fields import FieldEncoder
from helpers.targets import Stars

torch = pytest.importorskip("torch", reason="PyTorch is a rival: make bench has it.")

from benchmarks import rivals_torch  # noqa: E402

K, UNITS = 3, [5, 4]


@pytest.fixture
def task() -> SimpleNamespace:
    rows = synthetic.planted_fm(50, n_users=5, n_movies=6, seed=1).rows
    encoder = FieldEncoder(synthetic.KINDS).fit(rows)
    target = Stars().fit(rows)
    torch.manual_seed(0)
    return SimpleNamespace(
        x=encoder.transform(rows),
        y=target.encode(rows),
        target=target,
        specs=encoder.specs,
        k=K,
        units=UNITS,
        batch=16,
        rate=0.01,
    )


def outputs(model, task) -> np.ndarray:
    x = {name: torch.from_numpy(array) for name, array in task.x.items()}
    return model(x).detach().numpy()


def test_it_is_our_model_with_the_same_weights(task):
    from helpers import models

    model = rivals_torch.DeepFM(task)
    ours = models.deepfm(task.specs, K, UNITS, intercept=task.target.intercept, seed=0)
    count = sum(p.numel() for p in model.parameters())
    assert count == ours.count_params()
    rng = np.random.default_rng(0)
    for p in model.parameters():
        p.data = torch.from_numpy(rng.normal(0, 0.3, p.shape).astype("float32"))
    for tables, name in ((model.weights, "weight"), (model.vectors, "embedding")):
        for field, table in tables.items():
            rows = table.weight.detach().numpy()
            layer = ours.get_layer(f"{name}_{field}")
            layer.set_weights([rows.T if field == "year" else rows])
    ours.get_layer("first_order").set_weights([model.w0.detach().numpy()[None]])
    linear = [layer for layer in model.deep if isinstance(layer, torch.nn.Linear)]
    for layer, name in zip(linear, ("deep_1", "deep_2", "deep"), strict=True):
        weights = [p.detach().numpy() for p in layer.parameters()]
        ours.get_layer(name).set_weights([weights[0].T, *weights[1:]])
    expected = ours.predict(dict(task.x), verbose=0)[:, 0]
    np.testing.assert_allclose(outputs(model, task), expected, atol=1e-4)
    assert expected.std() > 0.1


def test_it_starts_at_the_mean_with_small_rows(task):
    model = rivals_torch.DeepFM(task)
    assert float(model.w0.detach()) == pytest.approx(task.target.intercept)
    for tables in (model.weights, model.vectors):
        rows = np.concatenate([p.detach().numpy().ravel() for p in tables.parameters()])
        assert rows.std() == pytest.approx(0.02, rel=0.3)
    np.testing.assert_allclose(outputs(model, task), task.target.intercept, atol=0.3)


def test_an_epoch_gives_the_error_of_its_rows_and_takes_a_step_a_batch(task):
    task.rate = 0.0
    model = rivals_torch.DeepFM(task)
    before = outputs(model, task)
    rmse = rivals_torch.trainer(model, task)()
    assert rmse == pytest.approx(np.sqrt(((before - task.y[:, 0]) ** 2).mean()), 1e-5)
    np.testing.assert_array_equal(outputs(model, task), before)

    task.rate, steps = 0.001, []
    step = torch.optim.Adam.step
    w0 = float(model.w0.detach())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            torch.optim.Adam, "step", lambda self: steps.append(1) or step(self)
        )
        rivals_torch.trainer(model, task)()
    assert len(steps) == 4
    assert 0 < abs(float(model.w0.detach()) - w0) < 0.0041


def test_it_learns_and_sees_the_rows_in_another_order_each_epoch(task, monkeypatch):
    model, orders = rivals_torch.DeepFM(task), []
    draw = torch.randperm

    def kept(n):
        orders.append(draw(n))
        return orders[-1]

    monkeypatch.setattr(torch, "randperm", kept)
    epoch = rivals_torch.trainer(model, task)
    curve = [epoch() for _ in range(30)]
    assert curve[-1] < 0.7 * curve[0]
    assert sorted(orders[0].tolist()) == [*range(50)]
    assert orders[0].tolist() != orders[1].tolist()
