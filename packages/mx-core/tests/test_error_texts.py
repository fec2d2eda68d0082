"""Wrong calls that users make, with the exact texts: what failed, what was expected, what came, what to do."""

from __future__ import annotations

import numpy as np
import pytest

import mxnet as mx
from mxnet import autograd, nd


def a(*shape, **kwargs):
    return nd.ones(shape, **kwargs)


def inplace():
    x = a(2, 3)
    x.attach_grad()
    with autograd.record():
        y = x * 2
        y += 1


def changed():
    x, w = a(2, 3), a(2, 3)
    x.attach_grad()
    w.attach_grad()
    with autograd.record():
        y = x * w
    w[:] = 2
    y.backward()


def twice():
    x = a(2, 3)
    x.attach_grad()
    with autograd.record():
        y = (x * x).sum()
    y.backward()
    y.backward()


def outside():
    x = a(2, 3)
    x.attach_grad()
    y = x * 2
    y.backward()


# fmt: off
WRONG = [
    (lambda: nd.dot(a(2, 3), a(2, 3)), "ShapeError",
     "[dot] lhs (2, 3) and rhs (2, 3) do not fit (transpose_a=False, transpose_b=False): the summed axes have sizes 3 and 2. Transpose one of them (transpose_a, transpose_b), or reshape it"),
    (lambda: a(2, 3) + a(3, 2), "ShapeError",
     "[broadcast_add] shapes (2, 3) and (3, 2) do not broadcast: dimensions must be equal or 1, counted from the last. Use expand_dims, reshape or transpose"),
    (lambda: nd.elemwise_add(a(2, 3), a(3)), "ShapeError",
     "[elemwise_add] rhs must have shape of lhs = (2, 3), got (3,)."),
    (lambda: nd.batch_dot(a(2, 3, 4), a(2, 3, 4)), "ShapeError",
     "[batch_dot] lhs (2, 3, 4) and rhs (2, 3, 4) do not fit (transpose_a=False, transpose_b=False): the summed axes have sizes 4 and 3. Transpose one of them (transpose_a, transpose_b)"),
    (lambda: nd.batch_dot(a(3, 4), a(3, 4)), "ShapeError",
     "[batch_dot] lhs and rhs must be (batch..., rows, columns) with one batch, got (3, 4) and (3, 4)"),
    (lambda: nd.concat(a(2, 3), a(3, 3), dim=1), "ShapeError",
     "[Concat] input 1 must agree with input 0 (2, 3) except on axis 1, got (3, 3)"),
    (lambda: a(2, 3).reshape((4, 2)), "ShapeError",
     "[reshape] cannot reshape array of size 6 into shape (4, 2)"),
    (lambda: a(2, 3).reshape((-1, -1)), "ShapeError",
     "[reshape] shape (-1, -1) must have at most one -1"),
    (lambda: nd.transpose(a(2, 3), axes=(0, 2)), "ShapeError",
     "[transpose] axis must be in [-2, 2) for 2 dimensions, got 2"),
    (lambda: nd.expand_dims(a(2, 3), axis=5), "ShapeError",
     "[expand_dims] axis must be in [-3, 3) for 3 dimensions, got 5"),
    (lambda: nd.squeeze(a(2, 3), axis=0), "ShapeError",
     "[squeeze] axis 0 must have size 1, got 2 in (2, 3)"),
    (lambda: nd.sum(a(2, 3), axis=2), "ShapeError",
     "[sum] axis must be in [-2, 2) for 2 dimensions, got 2"),
    (lambda: nd.split(a(2, 5), num_outputs=3, axis=1), "ShapeError",
     "[SliceChannel] an axis of size 5 does not split into 3 equal parts"),
    (lambda: nd.broadcast_to(a(2, 3), shape=(2, 4)), "ShapeError",
     "[broadcast_to] cannot broadcast (2, 3) to (2, 4): axis 1 has size 3, not 1 or 4"),
    (lambda: nd.slice_axis(a(2, 3), axis=1, begin=0, end=9), "ShapeError",
     "[slice_axis] begin and end must satisfy 0 <= begin < end <= 3 on axis 1, got 0, 9"),
    (lambda: nd.tile(a(2, 3)), "ParameterError",
     "[tile] parameter reps is required: tuple of int"),
    (lambda: nd.one_hot(nd.array([1, 2])), "ParameterError",
     "[one_hot] parameter depth is required: int >= 0"),
    (lambda: nd.relu(a(2, 3), axs=1), "ParameterError",
     "[relu] has no parameter axs. It takes data"),
    (lambda: nd.Activation(a(2, 3), act_type='rellu'), "ParameterError",
     "[Activation] act_type must be 'relu', 'sigmoid', 'tanh', 'softrelu' or 'softsign', got 'rellu'"),
    (lambda: nd.FullyConnected(a(2, 3), a(4, 5), a(4), num_hidden=4), "ShapeError",
     "[FullyConnected] weight must have shape (num_hidden, 3) = (4, 3), got (4, 5)."),
    (lambda: nd.FullyConnected(a(2, 3), a(4, 3), num_hidden=4), "ParameterError",
     "[FullyConnected] input bias is missing. Give it, or say no_bias=True"),
    (lambda: nd.Convolution(a(1, 3, 8, 8), a(4, 2, 3, 3), a(4), kernel=(3, 3), num_filter=4), "ShapeError",
     "[Convolution] weight must have shape (num_filter, c / num_group, *kernel) = (4, 3, 3, 3), got (4, 2, 3, 3)."),
    (lambda: nd.Convolution(a(1, 3, 2, 2), a(4, 3, 3, 3), a(4), kernel=(3, 3), num_filter=4), "ShapeError",
     "[Convolution] kernel (3, 3) spans 3 on spatial axis 0, more than the padded input: 2 + 2 * 0. Use a smaller kernel or more pad"),
    (lambda: nd.Pooling(a(1, 3, 8, 8), kernel=(2, 2), pool_type='maximum'), "ParameterError",
     "[Pooling] pool_type must be 'max', 'avg', 'sum' or 'lp', got 'maximum'"),
    (lambda: nd.BatchNorm(a(2, 3), a(4), a(4), a(4), a(4)), "ShapeError",
     "[BatchNorm] gamma must have shape (channels,) = (3,), got (4,)."),
    (lambda: nd.Dropout(a(2, 3), p=1.5), "ParameterError",
     "[Dropout] p must be in [0, 1], got 1.5"),
    (lambda: nd.Embedding(a(2), a(5, 4), input_dim=6, output_dim=4), "ShapeError",
     "[Embedding] weight must have shape (input_dim, output_dim) = (6, 4), got (5, 4)."),
    (lambda: nd.take(a(5, 3), nd.array([7]), mode='raise').asnumpy(), "MXNetError",
     "[take] index 7 is out of bounds for axis 0 with size 5"),
    (lambda: nd.pick(a(3, 4), nd.array([1, 2])), "ShapeError",
     "[pick] index must have shape (3,) or (3, 1) for data (3, 4) and axis 1, got (2,)"),
    (lambda: nd.topk(a(2, 3), k=5), "ParameterError",
     "[topk] k must be at most 3, the number of elements along axis -1 of (2, 3), got 5"),
    (lambda: nd.arange(0, 10, 0), "ParameterError",
     "[_arange] start, stop and step must be finite and step not 0, got 0.0, 10.0, 0.0"),
    (lambda: nd.zeros((2, -3)), "ShapeError",
     "[_zeros] shape must have sizes >= 0, got (2, -3)"),
    (lambda: nd.zeros((2, 3), dtype='float12'), "DTypeError",
     "element type float12 is not one NDArray can hold; use one of float32, float64, float16, uint8, int32, int8, int64, bool, bfloat16"),
    (lambda: nd.random.uniform(shape=(2, 'x')), "ParameterError",
     "[_random_uniform] shape must be tuple of int or None, got (2, 'x')"),
    (lambda: a(2, 3) + a(2, 3, dtype='float64'), "DTypeError",
     "[broadcast_add] rhs must have element type float32 (as lhs), got float64. Cast it: .astype('float32')"),
    (lambda: nd.dot(a(2, 3), a(3, 2, dtype='int32')), "DTypeError",
     "[dot] rhs must have element type float32 (as lhs), got int32. Cast it: .astype('float32')"),
    (lambda: a(2, 3).astype('complex64'), "DTypeError",
     "element type complex64 is not one NDArray can hold; use one of float32, float64, float16, uint8, int32, int8, int64, bool, bfloat16"),
    (lambda: a(2, 3)[5], "IndexError",
     "[getitem] index 5 is out of bounds for axis 0 with size 2: it must lie between -2 and 1"),
    (lambda: a(2, 3)[0, 7], "IndexOutOfRange",
     "[getitem] index 7 is out of bounds for axis 1 with size 3; valid are -3 to 2"),
    (lambda: a(2, 3)[:, :, 1], "IndexOutOfRange",
     "[getitem] too many indices (3) for array with 2 dimensions, shape (2, 3)"),
    (lambda: a(2, 3)['x'], "ParameterError",
     "[getitem] NDArray does not support slicing with key 'x' of type str. Use int, slice, ..., None, or lists and arrays of ints"),
    (lambda: a(2, 3).__setitem__(slice(None), a(4, 5)), "ShapeError",
     "[setitem] a value of shape (4, 5) cannot be broadcast to the selected shape (2, 3)"),
    (lambda: a(2, 3).asscalar(), "ValueError",
     "The current array is not a scalar: only arrays of one element have a scalar value, this one is float32 (2, 3)"),
    (lambda: bool(a(2, 3)), "ValueError",
     "The truth value of an NDArray with multiple elements is ambiguous. Compare element by element and reduce, or use .asnumpy().any() or .all()"),
    (lambda: inplace(), "MXNetError",
     "[_plus_scalar] would overwrite an array that autograd has recorded. In-place operations (out=, +=, x[:] = ...) on such arrays work only outside autograd.record(): compute a new array instead, or copy the old one with .detach().copy() first"),
    (lambda: changed(), "MXNetError",
     "[broadcast_mul] an array of type float32 (2, 3) that its gradient needs was overwritten after it was recorded. Change arrays in place only after backward, or work on a copy"),
    (lambda: twice(), "MXNetError",
     "[sum] this recorded computation was already used by a backward pass, which freed it. Pass retain_graph=True to the first backward, or record the computation again"),
    (lambda: outside(), "MXNetError",
     "[backward] this array is not the result of a recorded computation. Compute it inside `with autograd.record():` from arrays that have attach_grad(); to differentiate one computation twice, pass retain_graph=True to the first backward"),
    (lambda: autograd.grad([a(2)], [a(2)]), "MXNetError",
     "[grad] variable 0 is not part of the recorded computation. Call attach_grad() on it before recording"),
    (lambda: nd.relu(a(2, 3), out=a(3, 2)), "ShapeError",
     "[relu] out= must be float32 (2, 3), got float32 (3, 2)"),
    (lambda: nd.relu(a(2, 3), out=a(2, 3, dtype='int32')), "DTypeError",
     "[relu] out= must be float32 (2, 3), got int32 (2, 3)"),
    (lambda: nd.relu(), "TypeError",
     "[relu] needs the input data"),
    (lambda: nd.relu(np.ones((2, 3))), "DTypeError",
     "[relu] data must be an NDArray, got numpy.ndarray. Make one with mx.nd.array(...)"),
    (lambda: nd.clip(a(2, 3), a_min=0), "ParameterError",
     "[clip] parameter a_max is required: float"),
    (lambda: nd.where(a(2, 3), a(2, 3), a(3, 2)), "ShapeError",
     "[where] x and y must have one shape, got (2, 3) and (3, 2). Use broadcast_to"),
    (lambda: nd.no_such_operator(a(2)), "AttributeError",
     "module 'mxnet.ndarray' has no attribute or operator 'no_such_operator'."),
    (lambda: nd.sgd_update(a(2, 3), a(3, 2), lr=0.1), "ShapeError",
     "[sgd_update] grad must have the weight's shape (2, 3), got (3, 2)"),
    (lambda: nd.sgd_update(a(2, 3), a(2, 3)), "ParameterError",
     "[sgd_update] needs the parameter lr"),
    (lambda: nd.linalg.potrf(a(2, 3)), "ShapeError",
     "[_linalg_potrf] A must hold square matrices, got (2, 3)"),
    (lambda: nd.gather_nd(a(2, 3), a(4, 1)), "ShapeError",
     "[gather_nd] indices.shape[0] must be in [1, 2] for data (2, 3), got (4, 1)"),
    (lambda: nd.repeat(a(2, 3), repeats=-1), "ParameterError",
     "[repeat] repeats must be >= 0, got -1"),
]
# fmt: on


@pytest.mark.parametrize(("call", "error", "text"), WRONG, ids=[f"{i}-{row[1]}" for i, row in enumerate(WRONG)])
def test_the_text_of(call, error, text):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the class is compared by its name below
        result = call()
        getattr(result, "asnumpy", lambda: None)()
    assert str(caught.value) == text
    assert type(caught.value).__name__ == error


def test_there_are_fifty():
    assert len(WRONG) >= 50


def test_an_array_on_a_device_that_is_not_there():
    """The rest of the text depends on the devices that are installed."""
    with pytest.raises(mx.base.MXNetError, match=r"gpu\(77\) does not exist"):
        a(2, 3, ctx=mx.gpu(77))


def test_a_list_that_is_no_array():
    with pytest.raises(mx.base.MXNetError, match=r"\[array\] source_array must be array like object, got list"):
        nd.array([[1, 2], [3]])


def test_a_file_that_is_not_there():
    with pytest.raises(OSError, match=r"^no/such/file: cannot be read: .*\. Check the path$"):
        nd.load("no/such/file")


@pytest.mark.parametrize(
    ("create", "text"),
    [
        (lambda: mx.optimizer.create("sgdd"), "Cannot find optimizer sgdd. Registered: "),
        (lambda: mx.metric.create("acuracy"), "Cannot find metric acuracy. Registered: "),
    ],
)
def test_a_name_that_is_not_registered(create, text):
    with pytest.raises(ValueError, match=text):
        create()
