"""A pass over the batches of a sampler that knows where it is, and can be taken up again there."""

from __future__ import annotations

from collections import deque
from typing import Any

from . import _seeds

__all__ = ["Epoch"]


class Epoch:
    """The lists of samples that a batch sampler gives, one after another.

    sampler: the batch sampler.  number: how many passes there were before.  resumed: the state of a pass to go on with.

    >>> epoch = Epoch([[0, 1], [2, 3], [4]], 0)
    >>> epoch.draw(), epoch.draw()  # two are being made
    ([0, 1], [2, 3])
    >>> epoch.hand_out()
    >>> again = Epoch([[0, 1], [2, 3], [4]], 0, epoch.state())
    >>> again.draw(), again.draw(), again.draw()
    ([2, 3], [4], None)
    """

    def __init__(self, sampler: Any, number: int, resumed: dict[str, Any] | None = None) -> None:
        self._sampler = sampler
        self.number = number
        self._handed_out = 0
        self._ahead: deque[Any] = deque()  # drawn from the sampler, not yet handed out
        self._again: deque[Any] = deque()  # those of the pass that this one goes on with
        self.has_ended = False
        self._resumed = resumed
        self._indices: Any = None  # the sampler is asked when the first batch is wanted
        self.seeds: _seeds.Seeds = (0, 0, 0)  # of the batches, from the first draw on; see Note [Seeds of batches]

    def _start(self) -> None:
        state = self._resumed
        if state is None:
            self._keep_beginning()
            self.seeds = _seeds.pass_seeds()
            self._indices = iter(self._sampler)
            return
        # The sampler draws again what it drew; then the generators go where they were when the state was taken.
        self._generators, self._sampler_state = state["generators"], state["sampler"]
        self.number, self._handed_out = state["epoch"], state["batches"]
        _seeds.restore(self._generators)
        if self._sampler_state is not None:
            self._sampler.load_state_dict(self._sampler_state)
        self.seeds = _seeds.pass_seeds()
        self._indices = iter(self._sampler)
        self._again.extend(state["ahead"])
        skipped = self._handed_out + len(self._again)
        for _ in range(skipped):
            next(self._indices, None)
        if skipped:
            _seeds.restore(state["generators_now"])

    def _keep_beginning(self) -> None:
        self._generators = _seeds.snapshot()
        self._sampler_state = self._sampler.state_dict() if hasattr(self._sampler, "state_dict") else None

    def draw(self) -> Any:
        """The samples of the next batch to be made; None after the last."""
        if self._indices is None:
            self._start()
        indices = self._again.popleft() if self._again else next(self._indices, None)
        if indices is not None:
            self._ahead.append(indices)
        return indices

    @property
    def last_drawn(self) -> int:
        """The number in the pass of the batch drawn last."""
        return self._handed_out + len(self._ahead) - 1

    def hand_out(self) -> None:
        """The oldest drawn batch goes to the program."""
        self._ahead.popleft()
        self._handed_out += 1

    def finish(self) -> None:
        """The program was told that there are no more batches."""
        self.has_ended = True

    def state(self) -> dict[str, Any]:
        """Where the pass is, in lists and numbers; after the last batch, the beginning of the next pass."""
        if self._indices is None and self._resumed is not None:
            return self._resumed
        if self.has_ended or self._indices is None:
            self._keep_beginning()
            return self._described(self.number + self.has_ended, 0, [])
        return self._described(self.number, self._handed_out, [*self._ahead, *self._again])

    def _described(self, number: int, batches: int, ahead: list[Any]) -> dict[str, Any]:
        return {
            "epoch": number, "batches": batches, "ahead": ahead,
            "sampler": self._sampler_state, "generators": self._generators, "generators_now": _seeds.snapshot(),
        }  # fmt: skip
