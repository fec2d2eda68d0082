"""Sentences as training data: words to numbers, sentences of about one length to batches."""

from __future__ import annotations

import bisect
import random
from typing import Any

import numpy as np

from mx_core import ndarray
from mx_core.data import DataBatch, DataDesc, DataIter

__all__ = ["BucketSentenceIter", "DataBatch", "DataDesc", "DataIter", "encode_sentences"]


def encode_sentences(
    sentences: Any,
    vocab: dict[Any, int] | None = None,
    invalid_label: int = -1,
    invalid_key: Any = "\n",
    start_label: int = 0,
    unknown_token: Any = None,
) -> tuple[list[list[int]], dict[Any, int]]:
    """(sentences as lists of numbers, the vocabulary).

    sentences: lists of words. vocab: word -> number; None makes one from start_label on, with invalid_key for
    invalid_label. unknown_token: stands for words that a given vocab lacks; without it such a word is an AssertionError.

    >>> encode_sentences([["a", "b"], ["b", "c"]])
    ([[0, 1], [1, 2]], {'\\n': -1, 'a': 0, 'b': 1, 'c': 2})
    """
    number = start_label
    is_new = vocab is None
    if vocab is None:
        vocab = {invalid_key: invalid_label}
    encoded = []
    for sentence in sentences:
        numbers = []
        for given in sentence:
            word = given
            if word not in vocab:
                if not is_new and not unknown_token:
                    msg = f"Unknown token {word}: it is not in vocab. Give unknown_token, the word that stands for such words"
                    raise AssertionError(msg)
                if unknown_token:
                    word = unknown_token
                if word not in vocab:
                    if number == invalid_label:
                        number += 1
                    vocab[word] = number
                    number += 1
            numbers.append(vocab[word])
        encoded.append(numbers)
    return encoded, vocab


class BucketSentenceIter(DataIter):
    """Batches of sentences of about one length, for BucketingModule; the label of each word is the next one.

    sentences: lists of numbers (see encode_sentences). buckets: lengths; a sentence goes into the smallest that holds it,
    one that is longer than all is left out; None takes every length that fills a batch. invalid_label: fills sentences
    up. layout: "NT" (batch first) or "TN". The order changes with each reset, by `random` and `numpy.random`.
    """

    def __init__(
        self,
        sentences: Any,
        batch_size: int,
        buckets: list[int] | None = None,
        invalid_label: float = -1,
        data_name: str = "data",
        label_name: str = "softmax_label",
        dtype: Any = "float32",
        layout: str = "NT",
    ) -> None:
        super().__init__(batch_size)
        if not buckets:
            counts = np.bincount([len(sentence) for sentence in sentences])
            buckets = [length for length, count in enumerate(counts) if count >= batch_size]
        if not buckets:
            msg = f"no length has {batch_size} sentences to fill a batch: give buckets, or a smaller batch_size"
            raise ValueError(msg)
        if layout not in ("NT", "TN"):
            msg = f"Invalid layout {layout}: Must by NT (batch major) or TN (time major)"
            raise ValueError(msg)
        buckets = sorted(buckets)
        filled: list[list[Any]] = [[] for _ in buckets]
        discarded = 0
        for sentence in sentences:
            place = bisect.bisect_left(buckets, len(sentence))
            if place == len(buckets):
                discarded += 1
                continue
            row = np.full((buckets[place],), invalid_label, dtype=dtype)
            row[: len(sentence)] = sentence
            filled[place].append(row)
        print(f"WARNING: discarded {discarded} sentences longer than the largest bucket.")  # as MXNet, programs read it
        self.data = [
            np.asarray(rows, dtype=dtype).reshape(len(rows), size) for rows, size in zip(filled, buckets, strict=True)
        ]
        self.buckets = buckets
        self.data_name = data_name
        self.label_name = label_name
        self.dtype = dtype
        self.invalid_label = invalid_label
        self.layout = layout
        self.major_axis = layout.find("N")
        self.default_bucket_key = max(buckets)
        self.nddata: list[Any] = []
        self.ndlabel: list[Any] = []
        self.provide_data = [self._description(data_name, self.default_bucket_key)]
        self.provide_label = [self._description(label_name, self.default_bucket_key)]
        self.idx = [
            (number, first)
            for number, rows in enumerate(self.data)
            for first in range(0, len(rows) - batch_size + 1, batch_size)
        ]
        self.curr_idx = 0
        self.reset()

    def _description(self, name: str, length: int) -> DataDesc:
        shape = (self.batch_size, length) if self.major_axis == 0 else (length, self.batch_size)
        return DataDesc(name=name, shape=shape, dtype=self.dtype, layout=self.layout)

    def reset(self) -> None:
        """Starts again, in another order."""
        self.curr_idx = 0
        random.shuffle(self.idx)
        self.nddata, self.ndlabel = [], []
        for rows in self.data:
            np.random.shuffle(rows)  # noqa: NPY002 - programs seed numpy.random, as with MXNet
            label = np.empty_like(rows)
            label[:, :-1] = rows[:, 1:]
            label[:, -1] = self.invalid_label
            self.nddata.append(ndarray.array(rows, dtype=self.dtype))
            self.ndlabel.append(ndarray.array(label, dtype=self.dtype))

    def next(self) -> DataBatch:
        """The next batch; its bucket_key is the length."""
        if self.curr_idx == len(self.idx):
            raise StopIteration
        number, first = self.idx[self.curr_idx]
        self.curr_idx += 1
        data = self.nddata[number][first : first + self.batch_size]
        label = self.ndlabel[number][first : first + self.batch_size]
        if self.major_axis == 1:
            data, label = data.T, label.T
        length = self.buckets[number]
        return DataBatch(
            [data],
            [label],
            pad=0,
            bucket_key=length,
            provide_data=[self._description(self.data_name, length)],
            provide_label=[self._description(self.label_name, length)],
        )
