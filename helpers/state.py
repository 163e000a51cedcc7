"""What fields and targets have in common: settings, and what rows have taught them."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from helpers import values


class Learned:
    """A dataclass whose fields are settings; what it learned ends in "_".

    Settings are never changed by learning. state() has both, as JSON can hold them.
    """

    kind: str

    def fresh(self):
        """The same settings, nothing learned."""
        return dataclasses.replace(self)

    @property
    def learned(self) -> dict:
        """What rows have taught, by name."""
        return {k: v for k, v in vars(self).items() if k.endswith("_")}

    def state(self) -> dict:
        """kind, settings and learned, of plain Python values."""
        settings, learned = (
            {name: _plain(value) for name, value in part.items()}
            for part in (dataclasses.asdict(self), self.learned)
        )
        return {"kind": self.kind, "settings": settings, "learned": learned}

    def restore(self, learned: dict) -> None:
        """Take what state() says was learned."""
        vars(self).update(learned)

    def check_learned(self) -> None:
        """Raise ValueError where no rows were seen yet."""
        if not self.learned:
            raise ValueError(
                f"{type(self).__name__} has learned nothing yet: call fit."
            )

    def _finite(self, *settings: str) -> None:
        """Make settings floats, None aside. Raises ValueError for what is none."""
        for setting in settings:
            if (given := getattr(self, setting)) is not None:
                setattr(self, setting, values.finite(setting, given))


def restored(state: Mapping, kinds: Mapping[str, type[Learned]]) -> Learned:
    """The inverse of state(). Raises ValueError for a kind or setting it does not know.

    kinds: kind -> class
    """
    try:
        settings = {
            # JSON makes a list of the label of a column with several levels.
            k: tuple(v) if isinstance(v, list) else v
            for k, v in state["settings"].items()
        }
        found = kinds[state["kind"]](**settings)
        found.restore(state["learned"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"This is no state of {', '.join(kinds)}: {error!r}. Was it written by "
            "another version, or changed by hand?"
        ) from error
    return found


def _plain(value):
    if isinstance(value, tuple):
        return [*map(_plain, value)]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
