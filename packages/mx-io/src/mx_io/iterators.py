"""NDArrayIter: batches of arrays in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from mx_core import autograd
from mx_core import ndarray as nd
from mx_core.context import cpu
from mx_core.data import DataDesc, DataIter
from mx_core.errors import MXNetError, ParameterError, ShapeError

__all__ = ["NDArrayIter"]

_NDArray = nd.NDArray


def _named_arrays(data: Any, allow_empty: bool, default_name: str) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """(name, NumPy array) pairs of an array, a list of arrays or a dict by name, sorted by name as in MXNet."""
    if data is None:
        data = []
    if isinstance(data, (list, tuple)):
        if not allow_empty and not data:
            msg = "[NDArrayIter] data is empty: give at least one array"
            raise ParameterError(msg)
        names = [default_name] if len(data) == 1 else [f"_{i}_{default_name}" for i in range(len(data))]
        data = dict(zip(names, data, strict=True))
    elif not isinstance(data, dict) and hasattr(data, "shape") and hasattr(data, "__getitem__"):
        data = {default_name: data}
    if not isinstance(data, dict):
        msg = (
            "Input must be NDArray, numpy.ndarray, a list of them or dict with them as values: "
            f"[NDArrayIter] got {type(data).__name__}"
        )
        raise ParameterError(msg)
    return [(name, _as_numpy(name, array)) for name, array in sorted(data.items())]


def _as_numpy(name: str, array: Any) -> np.ndarray[Any, Any]:
    if isinstance(array, _NDArray) or hasattr(array, "asnumpy"):
        return array.asnumpy()  # type: ignore[no-any-return]
    if hasattr(array, "toarray"):  # SciPy's sparse matrices
        array = array.toarray()
    try:
        # NumPy arrays become float32 whatever they hold, as in MXNet; NDArrays keep their element type.
        values = np.asarray(array).astype(np.float32, copy=False)
    except (TypeError, ValueError):
        values = np.zeros(())
    if values.ndim == 0:
        msg = f"Invalid type '{type(array)}' for {name}, should be NDArray or numpy.ndarray"
        raise ParameterError(msg)
    return np.ascontiguousarray(values)


class _Rows:
    """One array of the data, and how its batches are made.

    Batches in order are views of ``array``, without a copy. MXNet's are copies, which a program may overwrite; so
    ``were_written`` tells at the start of an epoch whether that happened, and from then on batches are copies here too.
    """

    def __init__(self, name: str, values: np.ndarray[Any, Any], may_share: bool) -> None:
        self.name = name
        self.original = values
        self._take_in(may_share and values.dtype == np.float32 and values.size > 0)

    def _take_in(self, shares: bool) -> None:
        self.shares = shares
        self.array = nd.array(self.original, cpu(), self.original.dtype)
        self.values = np.asarray(memoryview(self.array))
        self._watch: Any = None
        if shares:
            # The tape refuses to go back over an array that was overwritten since it was recorded.
            row = self.array[0:1]
            row.attach_grad()
            with autograd.record():
                self._watch = nd.square(row)

    def check(self) -> None:
        """Gives the rows their first values back, and stops sharing, when a program has written to a batch."""
        if self.shares:
            try:
                self._watch.backward(retain_graph=True)
            except MXNetError:
                self._take_in(shares=False)

    def part(self, begin: int, end: int) -> Any:
        """The rows from begin to end."""
        if self.shares:
            return self.array[begin:end]
        return nd.array(self.values[begin:end], cpu(), self.values.dtype)

    def take(self, indices: np.ndarray[Any, Any]) -> Any:
        """The rows with these numbers."""
        source = self.original if self.shares else self.values  # what is shared, a program may be writing to
        batch = nd.empty((len(indices), *source.shape[1:]), cpu(), source.dtype)
        np.take(source, indices, axis=0, out=np.asarray(memoryview(batch)), mode="clip")
        return batch


class NDArrayIter(DataIter):
    """Batches of arrays in memory.

    data, label: an array, a list, or a dict by name, of arrays of one length (NumPy, as float32, or NDArray).
    batch_size: examples per batch.  shuffle: a new random order at construction and each reset (``np.random.seed``).
    last_batch_handle: "pad" the last batch from the start of the data (``batch.pad`` of them), "discard" it, or
    "roll_over" its examples into the next epoch.  data_name, label_name: names of single arrays.  layout: of
    provide_data. SciPy's and MXNet's sparse matrices become dense.

    >>> batches = NDArrayIter(np.arange(6).reshape(3, 2), np.arange(3), batch_size=2)
    >>> [(batch.data[0].shape, batch.pad) for batch in batches]
    [((2, 2), 0), ((2, 2), 1)]
    """

    def __init__(
        self,
        data: Any,
        label: Any = None,
        batch_size: int = 1,
        shuffle: bool = False,
        last_batch_handle: str = "pad",
        data_name: str = "data",
        label_name: str = "softmax_label",
        layout: str = "NCHW",
    ) -> None:
        super().__init__(batch_size)
        if last_batch_handle not in ("pad", "discard", "roll_over"):
            msg = f"[NDArrayIter] last_batch_handle must be 'pad', 'discard' or 'roll_over', got {last_batch_handle!r}"
            raise ParameterError(msg)
        if batch_size < 1:
            msg = f"[NDArrayIter] batch_size must be at least 1, got {batch_size}"
            raise ParameterError(msg)
        named, labels = _named_arrays(data, False, data_name), _named_arrays(label, True, label_name)
        self.num_data = named[0][1].shape[0]
        for name, array in named + labels:
            if array.shape[0] != self.num_data:
                msg = f"[NDArrayIter] {name} has {array.shape[0]} examples, {named[0][0]} has {self.num_data}"
                raise ShapeError(msg)
        if not self.num_data:
            msg = f"[NDArrayIter] {named[0][0]} has no examples, shape {named[0][1].shape}"
            raise ShapeError(msg)
        self._data = [_Rows(name, array, not shuffle) for name, array in named]
        self._label = [_Rows(name, array, not shuffle) for name, array in labels]
        self.num_source = len(self._data)
        self.shuffle = shuffle
        self.last_batch_handle = last_batch_handle
        self.layout = layout
        self.idx = np.arange(self.num_data)
        self._held: np.ndarray[Any, Any] = self.idx[:0]  # examples rolled over from the epoch before
        self.cursor = 0
        self._begin_epoch()

    def _descriptions(self, rows: list[_Rows]) -> list[DataDesc]:
        return [
            DataDesc(r.name, (self.batch_size, *r.values.shape[1:]), r.values.dtype.type, self.layout) for r in rows
        ]

    @property
    def data(self) -> list[tuple[str, Any]]:
        """(name, NDArray) pairs of all the data."""
        return [(rows.name, nd.array(rows.original, dtype=rows.original.dtype)) for rows in self._data]

    @property
    def label(self) -> list[tuple[str, Any]]:
        """(name, NDArray) pairs of all the labels."""
        return [(rows.name, nd.array(rows.original, dtype=rows.original.dtype)) for rows in self._label]

    @property
    def provide_data(self) -> list[DataDesc]:
        """Names, shapes, element types and layout of the data."""
        return self._descriptions(self._data)

    @property
    def provide_label(self) -> list[DataDesc]:
        """Names, shapes, element types and layout of the labels."""
        return self._descriptions(self._label)

    def _begin_epoch(self) -> None:
        if self.shuffle:
            np.random.shuffle(self.idx)  # noqa: NPY002 - np.random.seed decides, as MXNet
        for rows in (*self._data, *self._label):
            rows.check()
        self._order_epoch(self._held)
        self._held = self.idx[:0]
        self.cursor = -self.batch_size

    def _order_epoch(self, rolled: np.ndarray[Any, Any]) -> None:
        self._order = np.concatenate([rolled, self.idx]) if rolled.size else self.idx
        self._n_rolled = rolled.size
        self._total = len(self._order)
        self._in_order = not self.shuffle and not rolled.size

    def hard_reset(self) -> None:
        """Back to the first example, forgetting what was rolled over."""
        self._held = self.idx[:0]
        self._begin_epoch()

    def reset(self) -> None:
        """Begins the next epoch."""
        if self.last_batch_handle == "roll_over" and 0 <= self.cursor < self._total:
            rest = self._order[self.cursor :]
            if len(rest) < self.batch_size:
                self._held = rest.copy()
        self._begin_epoch()

    def iter_next(self) -> bool:
        """Moves to the next batch; False when there is none."""
        self.cursor += self.batch_size
        if self.last_batch_handle == "pad":
            return self.cursor < self._total
        return self.cursor + self.batch_size <= self._total

    def _take(self, rows: list[_Rows]) -> list[Any]:
        end = self.cursor + self.batch_size
        if end <= self._total and self._in_order:
            return [r.part(self.cursor, end) for r in rows]
        chosen = self._order[self.cursor : end]
        if len(chosen) < self.batch_size:
            chosen = np.concatenate([chosen, np.resize(self._order, self.batch_size - len(chosen))])
        return [r.take(chosen) for r in rows]

    def getdata(self) -> list[Any]:
        """The current batch's data."""
        return self._take(self._data)

    def getlabel(self) -> list[Any]:
        """The current batch's labels."""
        return self._take(self._label)

    def getpad(self) -> int:
        """How many examples of the current batch do not count: those from the start of the data again, at the end of
        the last batch; or, of a first batch that begins with examples rolled over, those, as in MXNet."""
        if self.last_batch_handle == "roll_over":
            return self._n_rolled if self.cursor == 0 else 0
        return max(0, self.cursor + self.batch_size - self._total)

    def state_dict(self) -> dict[str, Any]:
        """Where the iterator is, in plain values: ``load_state_dict`` of an equal iterator goes on from there.

        >>> first, second = (NDArrayIter(np.arange(6), batch_size=2, shuffle=True) for _ in range(2))
        >>> _ = next(first)
        >>> second.load_state_dict(first.state_dict())
        >>> next(first).data[0].asnumpy().tolist() == next(second).data[0].asnumpy().tolist()
        True
        """
        rolled = self._order[: self._n_rolled].tolist()
        order = self.idx.tolist() if self.shuffle else None
        return {"cursor": self.cursor, "order": order, "rolled": rolled, "examples": self.num_data}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to where ``state_dict`` of an equal iterator was. Raises ParameterError for a state of other data."""
        order, rolled = state["order"], np.array(state["rolled"], dtype=self.idx.dtype)
        known = state["examples"] == self.num_data and (order is not None) == self.shuffle
        if not known or (order is not None and sorted(order) != list(range(self.num_data))):
            msg = (
                f"[NDArrayIter] the state is of {state['examples']} examples, {'un' * (order is None)}shuffled; "
                f"this iterator has {self.num_data}, {'un' * (not self.shuffle)}shuffled"
            )
            raise ParameterError(msg)
        if order is not None:
            self.idx = np.array(order, dtype=self.idx.dtype)
        self._order_epoch(rolled)
        self._held = self.idx[:0]
        self.cursor = state["cursor"]
