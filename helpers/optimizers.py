"""Adam in one kernel a table, and an Adam for large tables that touches few rows."""

from types import SimpleNamespace

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="deepfm")
class Adam(keras.optimizers.Adam):
    """Adam as published (Kingma and Ba 2015, algorithm 1), on TensorFlow in one kernel.

    Arguments as of Keras' own, from which it differs on TensorFlow alone:

    - An id that occurs more than once in a batch has the sum of its gradients, and the
      second moment takes the square of that sum. Keras 3 takes the sum of the squares.
    - One fused operation updates a variable, where Keras starts about ten.

    Clipping sees that sum, too, not the single gradients of an id. As in Keras, epsilon
    is added before the bias correction ("epsilon hat", section 2 of the paper).
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # in an object of its own, which Keras does not take for a part of the state
        self._of_step = SimpleNamespace(numbers={})

    def apply(self, grads, trainable_variables=None):
        """Keras' apply(), with the gradients of one id of a table taken together."""
        if self.clipnorm or self.global_clipnorm or self.clipvalue:
            grads = [merged(gradient) for gradient in grads]
        self._of_step.numbers.clear()
        try:
            return super().apply(grads, trainable_variables)
        finally:
            self._of_step.numbers.clear()

    def update_step(self, gradient, variable, learning_rate):
        """One step. gradient: dense like the variable, or slices: values and indices"""
        if keras.backend.backend() != "tensorflow":
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf

        if hasattr(gradient, "indices"):
            values, ids = gradient.values, gradient.indices
            gradient = tf.math.unsorted_segment_sum(values, ids, variable.shape[0])
        gradient = tf.cast(gradient, variable.dtype)
        if self.amsgrad:  # has no kernel
            return super().update_step(gradient, variable, learning_rate)
        i = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[i].value.handle,
            v=self._velocities[i].value.handle,
            lr=ops.cast(learning_rate, variable.dtype),
            grad=gradient,
            **self._numbers(variable.dtype),
        )

    def _numbers(self, dtype) -> dict:
        """What the updates of one step share, each in the graph once."""
        found = self._of_step.numbers
        if dtype not in found:
            step = ops.cast(self.iterations + 1, dtype)
            beta1, beta2, epsilon = (
                ops.convert_to_tensor(number, dtype)
                for number in (self.beta_1, self.beta_2, self.epsilon)
            )
            found[dtype] = {
                "beta1": beta1,
                "beta2": beta2,
                "epsilon": epsilon,
                "beta1_power": beta1**step,
                "beta2_power": beta2**step,
            }
        return found[dtype]


@keras.saving.register_keras_serializable(package="deepfm")
class RowAdam(Adam):
    """Adam that touches only the rows of a table that the batch looks up.

    Arguments as Adam's; training.fit takes the class: fit(..., optimizer=RowAdam).
    Dense weights take Adam's own step. In an embedding only the rows of the batch take
    it. Two things differ from Adam:

    - A row that is not in the batch does not move. Adam moves it on, by its momentum.
    - Nor do its moments decay meanwhile, so a rare value keeps its own, old ones.

    The bias correction counts all steps, as Adam's does, not the steps of a row: a row
    that comes late starts with moments of zero and gets no correction for them.

    This needs the gradient of a table as a list of rows. TensorFlow gives it; on other
    backends gradients are dense, and this is plain Adam. The lookup must not read the
    whole table either: layers.Embedding does not, keras.layers.Embedding does.
    `use_ema` works, but averages whole tables, at their cost.

    Raises ValueError for weight_decay and gradient_accumulation_steps, which would
    touch every row: for the former take the l2 of models.deepfm.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in ("weight_decay", "gradient_accumulation_steps"):
            if getattr(self, name):
                raise ValueError(f"RowAdam has no {name}: it would touch every row.")

    def update_step(self, gradient, variable, learning_rate):
        """One step. gradient: dense like the variable, or slices: values and indices"""
        if not hasattr(gradient, "indices"):
            return super().update_step(gradient, variable, learning_rate)
        ids, slices = gradient.indices, type(gradient)
        g = ops.cast(sum_of_equals(gradient.values, ids), variable.dtype)
        step = ops.cast(self.iterations + 1, variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype)
        rate *= ops.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        i = self._get_variable_index(variable)

        def moved(moment, towards, share):
            rows = moment.value.sparse_read(ids)
            rows += (towards - rows) * (1 - share)
            self.assign(moment, slices(rows, ids))
            return rows

        m = moved(self._momentums[i], g, self.beta_1)
        v = moved(self._velocities[i], ops.square(g), self.beta_2)
        if self.amsgrad:
            v = ops.maximum(self._velocity_hats[i].value.sparse_read(ids), v)
            self.assign(self._velocity_hats[i], slices(v, ids))
        rows = variable.sparse_read(ids) - rate * m / (ops.sqrt(v) + self.epsilon)
        self.assign(variable, slices(rows, ids))


def merged(gradient):
    """Slices in which each id has its sum once and zeros elsewhere; else unchanged."""
    if not hasattr(gradient, "indices"):
        return gradient
    ids = gradient.indices
    first = ops.cast(is_first(ids), gradient.values.dtype)[:, None]
    values = sum_of_equals(gradient.values, ids) * first
    return type(gradient)(values, ids, gradient.dense_shape)


def is_first(ids):
    """Marks one row of each id: (n,) bool."""
    order = ops.argsort(ids)
    new = _begins(ops.take(ids, order))
    return ops.take(new, ops.argsort(order))


def sum_of_equals(values, ids):
    """For each row, the sum of the rows that have its id.

    values (n, k), ids (n,)  ->  (n, k)

    Rows of one id come out equal, so that writing them all to one place, in any order,
    is writing once. The shapes depend on no values, as XLA wants it.
    """
    order = ops.argsort(ids)
    group = ops.cumsum(ops.cast(_begins(ops.take(ids, order)), "int32")) - 1
    values = ops.take(values, order, axis=0)
    sums = ops.segment_sum(values, group, ops.shape(ids)[0])
    back = ops.argsort(order)
    return ops.take(sums, ops.take(group, back), axis=0)


def _begins(ids):
    """Marks the first of each run of equal ids: (n,) bool."""
    first = ops.ones_like(ids[:1], dtype="bool")
    return ops.concatenate([first, ops.not_equal(ids[1:], ids[:-1])])
