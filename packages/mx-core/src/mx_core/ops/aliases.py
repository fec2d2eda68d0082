"""The names that MXNet gives its operators for sparse arrays, ``_sparse_*``, and its NumPy interface, ``_npx_*``, ``_npi_*``.

They are the dense operators themselves: files and programs of 1.x hold these names. All other aliases stand beside the
definitions. Names whose operator no module here defines (yet, or at all) are left out.
"""

from __future__ import annotations

from ..op.definition import find_registered, register

# _sparse_<name> -> <name>
_SPARSE = """
    BlockGrad Concat ElementWiseSum Embedding FullyConnected LinearRegressionOutput LogisticRegressionOutput
    MAERegressionOutput _contrib_round_ste _contrib_sign_ste abs adam_update add_n arccos arccosh arcsin arcsinh arctan
    arctanh broadcast_add broadcast_div broadcast_minus broadcast_mul broadcast_plus broadcast_sub cast_storage cbrt ceil
    clip concat cos cosh degrees dot elemwise_add elemwise_div elemwise_mul elemwise_sub exp expm1 fix floor ftrl_update
    gamma gammaln log log10 log1p log2 make_loss mean negative norm radians relu rint round rsqrt sgd_mom_update
    sgd_update sigmoid sign sin sinh slice sqrt square stop_gradient sum tan tanh trunc where zeros_like
""".split()

# _npx_<name> -> <name>
_NPX = """
    batch_dot erf erfinv gamma gammaln gather_nd log_softmax one_hot pick reshape_like shape_array slice smooth_l1
    softmax topk
""".split()

# _npi_<name> -> <name>
_NPI = "argsort clip expand_dims gather_nd slice sort take tile".split()

# _npi_<name> -> _<name>
_NPI_INTERNAL = """
    copyto cvimdecode cvimread cvimresize full histogram hypot_scalar linspace maximum_scalar minimum_scalar
    random_randint rnn_param_concat scatter_set_nd shuffle slice_assign slice_assign_scalar
""".split()

_IMAGE = """
    adjust_lighting crop flip_left_right flip_top_bottom normalize random_brightness random_color_jitter random_contrast
    random_flip_left_right random_flip_top_bottom random_hue random_lighting random_saturation resize to_tensor
""".split()

_OTHERS = {
    "_np_repeat": "repeat",
    "_npi_Custom": "Custom",
    "_npi_boolean_mask": "_contrib_boolean_mask",
    "_npi_cast": "Cast",
    "_npi_det": "_linalg_det",
    "_npi_inv": "_linalg_inverse",
    "_npi_maximum": "broadcast_maximum",
    "_npi_minimum": "broadcast_minimum",
    "_npi_slogdet": "_linalg_slogdet",
    "_npi_split": "_split_v2",
    "_npi_swapaxes": "SwapAxis",
    "_npx_activation": "Activation",
    "_npx_arange_like": "_contrib_arange_like",
    "_npx_batch_flatten": "Flatten",
    "_npx_batch_norm": "BatchNorm",
    "_npx_cast": "Cast",
    "_npx_convolution": "Convolution",
    "_npx_deconvolution": "Deconvolution",
    "_npx_dropout": "Dropout",
    "_npx_embedding": "Embedding",
    "_npx_fully_connected": "FullyConnected",
    "_npx_layer_norm": "LayerNorm",
    "_npx_leaky_relu": "LeakyReLU",
    "_npx_multibox_detection": "_contrib_MultiBoxDetection",
    "_npx_multibox_prior": "_contrib_MultiBoxPrior",
    "_npx_multibox_target": "_contrib_MultiBoxTarget",
    "_npx_pooling": "Pooling",
    "_npx_rnn": "RNN",
    "_npx_roi_pooling": "ROIPooling",
    "_npx_sequence_mask": "SequenceMask",
}

ALIASES = {
    **{f"_sparse_{name}": name for name in _SPARSE},
    **{f"_npx_{name}": name for name in _NPX},
    **{f"_npi_{name}": name for name in _NPI},
    **{f"_npi_{name}": f"_{name}" for name in _NPI_INTERNAL},
    **{f"_npx__image_{name}": f"_image_{name}" for name in _IMAGE},
    **_OTHERS,
}


def add_aliases() -> None:
    """Gives the operators that are defined their names of the list above."""
    for alias, name in ALIASES.items():
        opdef = find_registered(name)
        if opdef is not None and alias not in opdef.aliases:
            opdef.aliases = (*opdef.aliases, alias)
            register(opdef)


add_aliases()
