"""Regions that a network proposes, Proposal and MultiProposal; pooling of regions: position-sensitive, and of turned ones."""

from __future__ import annotations

from ..dtypes import name_of
from ..errors import DTypeError, ParameterError, ShapeError
from ..op import Floats, NonNegative, Positive, Range, Shape, Tensor, op
from .spatial import require_image

# -- proposals ---------------------------------------------------------------------------------------------------------


@op(differentiable=False)
def _proposal(
    F, cls_prob: Tensor, bbox_pred: Tensor, im_info: Tensor, *, before: int, after: int, threshold: float,
    smallest: int, scales: Floats, ratios: Floats, feature_stride: int, corners: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Regions (n after, 5) and their scores (n after, 1), of checked inputs."""


@_proposal.infer
def _(t, cls_prob, bbox_pred, im_info, *, after):
    rows = cls_prob.shape[0] * after
    return t.out((rows, 5), cls_prob.dtype), t.out((rows, 1), cls_prob.dtype)


def _check_proposal(name, cls_prob, bbox_pred, im_info, scales, ratios, feature_stride):
    for what, value in (("cls_prob", cls_prob), ("bbox_pred", bbox_pred), ("im_info", im_info)):
        if name_of(value.dtype) != "float32":
            msg = f"[{name}] {what} must have element type float32, got {name_of(value.dtype)}. Cast it"
            raise DTypeError(msg)
    count = len(scales) * len(ratios)
    if not count or min(*scales, *ratios) <= 0 or max(*scales, *ratios) > 1e6:
        msg = f"[{name}] scales and ratios must be numbers above 0 and up to 1e6, got {scales} and {ratios}"
        raise ParameterError(msg)
    if cls_prob.ndim != 4 or cls_prob.shape[1] != 2 * count or 0 in cls_prob.shape[2:]:
        msg = f"[{name}] cls_prob must be (n, 2 len(scales) len(ratios) = {2 * count}, h, w), got {cls_prob.shape}"
        raise ShapeError(msg)
    n, _, h, w = cls_prob.shape
    for what, value, shape in (("bbox_pred", bbox_pred, (n, 4 * count, h, w)), ("im_info", im_info, (n, 3))):
        if value.shape != shape:
            msg = f"[{name}] {what} must have shape {shape}, got {value.shape}"
            raise ShapeError(msg)


def _proposed(
    F, name, cls_prob, bbox_pred, im_info, *, rpn_pre_nms_top_n, rpn_post_nms_top_n, threshold, rpn_min_size, scales,
    ratios, feature_stride, output_score, iou_loss,
):  # fmt: skip
    _check_proposal(name, cls_prob, bbox_pred, im_info, scales, ratios, feature_stride)
    _, channels, h, w = cls_prob.shape
    count = channels // 2 * h * w
    before = min(rpn_pre_nms_top_n, count) if rpn_pre_nms_top_n > 0 else count
    rois, scores = F._proposal(
        cls_prob, bbox_pred, im_info, before=before, after=rpn_post_nms_top_n, threshold=threshold,
        smallest=rpn_min_size, scales=scales, ratios=ratios, feature_stride=feature_stride, corners=iou_loss,
    )  # fmt: skip
    return [rois, scores] if output_score else [rois]


_Stride = Range[int, 1, 1 << 20]


@op(name="_contrib_Proposal", differentiable=False, num_outputs=lambda params: 1 + params["output_score"])
def Proposal(
    F,
    cls_prob: Tensor,
    bbox_pred: Tensor,
    im_info: Tensor,
    *,
    rpn_pre_nms_top_n: int = 6000,
    rpn_post_nms_top_n: Positive[int] = 300,
    threshold: float = 0.7,
    rpn_min_size: NonNegative[int] = 16,
    scales: Floats = (4.0, 8.0, 16.0, 32.0),
    ratios: Floats = (0.5, 1.0, 2.0),
    feature_stride: _Stride = 16,
    output_score: bool = False,
    iou_loss: bool = False,
) -> list[Tensor]:
    """The regions of one image that a region proposal network is most sure of, none overlapping a better one much.

    cls_prob: (1, 2 a, h, w), scores of background, then of objects, for the a = len(scales) len(ratios) anchors of each
    pixel.  bbox_pred: (1, 4 a, h, w), corrections of the anchors: shifts of the center in sizes and logarithms of size
    factors; with iou_loss, shifts of the corners.  im_info: (1, 3), the image's height, width and scale.
    rpn_pre_nms_top_n: how many of the best enter suppression, all if not above 0.  rpn_post_nms_top_n: how many come out;
    if fewer are left these are repeated.  threshold: the overlap from which on the worse is dropped.
    rpn_min_size: smaller regions, at the image's scale, are grown and score -1.  feature_stride: pixels of the image
    from one pixel of cls_prob to the next.  output_score: also return the scores, (rpn_post_nms_top_n, 1).
    Returns (rpn_post_nms_top_n, 5), rows of image number, x1, y1, x2, y2. No gradient.

    Source: Ren et al. 2015.
    """
    name = "_contrib_Proposal"
    if cls_prob.ndim == 4 and cls_prob.shape[0] != 1:
        msg = f"[{name}] takes one image, got cls_prob {cls_prob.shape}. Use MultiProposal"
        raise ShapeError(msg)
    return _proposed(
        F, name, cls_prob, bbox_pred, im_info, rpn_pre_nms_top_n=rpn_pre_nms_top_n,
        rpn_post_nms_top_n=rpn_post_nms_top_n, threshold=threshold, rpn_min_size=rpn_min_size, scales=scales,
        ratios=ratios, feature_stride=feature_stride, output_score=output_score, iou_loss=iou_loss,
    )  # fmt: skip


@op(name="_contrib_MultiProposal", differentiable=False, num_outputs=lambda params: 1 + params["output_score"])
def MultiProposal(
    F,
    cls_prob: Tensor,
    bbox_pred: Tensor,
    im_info: Tensor,
    *,
    rpn_pre_nms_top_n: int = 6000,
    rpn_post_nms_top_n: Positive[int] = 300,
    threshold: float = 0.7,
    rpn_min_size: NonNegative[int] = 16,
    scales: Floats = (4.0, 8.0, 16.0, 32.0),
    ratios: Floats = (0.5, 1.0, 2.0),
    feature_stride: _Stride = 16,
    output_score: bool = False,
    iou_loss: bool = False,
) -> list[Tensor]:
    """Proposal for n images at once: cls_prob (n, 2 a, h, w), bbox_pred (n, 4 a, h, w), im_info (n, 3).

    Parameters as Proposal. Returns (n rpn_post_nms_top_n, 5), image after image; with output_score also the scores.
    """
    return _proposed(
        F, "_contrib_MultiProposal", cls_prob, bbox_pred, im_info, rpn_pre_nms_top_n=rpn_pre_nms_top_n,
        rpn_post_nms_top_n=rpn_post_nms_top_n, threshold=threshold, rpn_min_size=rpn_min_size, scales=scales,
        ratios=ratios, feature_stride=feature_stride, output_score=output_score, iou_loss=iou_loss,
    )  # fmt: skip


# -- position-sensitive pooling ----------------------------------------------------------------------------------------


@op
def _ps_roi_pooling(
    F, data: Tensor, rois: Tensor, trans: Tensor | None = None, *, spatial_scale: float, output_dim: int,
    group_size: int, pooled_size: int, part_size: int, samples: int, trans_std: float,
) -> Tensor:  # fmt: skip
    """PSROIPooling of checked inputs; samples 0: means of whole pixels, else that many samples along a bin's side."""


@_ps_roi_pooling.infer
def _(t, data, rois, trans=None, *, output_dim, pooled_size):
    return t.out((rois.shape[0], output_dim, pooled_size, pooled_size), data.dtype)


@_ps_roi_pooling.grad
def _(F, dy, y, data, rois, trans, **params):
    if trans is None:
        return F._ps_roi_pooling_backward(dy, data, rois, None, has_trans=False, **params), None, None
    ddata, dtrans = F._ps_roi_pooling_backward(dy, data, rois, trans, has_trans=True, **params)
    return ddata, None, dtrans


@op(num_outputs=lambda params: 1 + params["has_trans"])
def _ps_roi_pooling_backward(
    F, dy: Tensor, data: Tensor, rois: Tensor, trans: Tensor | None = None, *, has_trans: bool, spatial_scale: float,
    output_dim: int, group_size: int, pooled_size: int, part_size: int, samples: int, trans_std: float,
) -> list[Tensor]:  # fmt: skip
    """The gradients of _ps_roi_pooling by data and, where given, trans."""


@_ps_roi_pooling_backward.infer
def _(t, dy, data, rois, trans=None):
    return [t.like(data)] if trans is None else [t.like(data), t.like(trans)]


_Side = Range[int, 1, 1024]


def _check_position_sensitive(name, data, rois, output_dim, group_size):
    require_image(name, data)
    if rois.ndim != 2 or rois.shape[1] != 5:
        msg = f"[{name}] rois must be (r, 5): image number, x1, y1, x2, y2, got {rois.shape}"
        raise ShapeError(msg)
    if rois.dtype != data.dtype:
        msg = f"[{name}] rois must have data's element type {name_of(data.dtype)}, got {name_of(rois.dtype)}"
        raise DTypeError(msg)
    if data.shape[1] != output_dim * group_size**2:
        msg = f"[{name}] data must have output_dim group_size**2 = {output_dim * group_size**2} channels, got {data.shape}"
        raise ShapeError(msg)


@op(name="_contrib_PSROIPooling")
def PSROIPooling(
    F, data: Tensor, rois: Tensor, *, spatial_scale: float, output_dim: Positive[int], pooled_size: _Side,
    group_size: Range[int, 0, 1024] = 0,
) -> Tensor:  # fmt: skip
    """The means of the bins of each region, each from channels of its own.

    data: (n, output_dim group_size**2, h, w).  rois: (r, 5), rows of image number, x1, y1, x2, y2.
    spatial_scale: factor from rois' coordinates to data's pixels.  pooled_size: bins along each side.
    group_size: groups of channels along each side, pooled_size by default.
    Returns (r, output_dim, pooled_size, pooled_size); a bin without pixels, or of an image that does not exist, is 0.

    Source: Dai et al. 2016 (R-FCN).
    """
    group_size = group_size or pooled_size
    _check_position_sensitive("_contrib_PSROIPooling", data, rois, output_dim, group_size)
    return F._ps_roi_pooling(
        data, rois, None, spatial_scale=spatial_scale, output_dim=output_dim, group_size=group_size,
        pooled_size=pooled_size, part_size=pooled_size, samples=0, trans_std=0.0,
    )  # fmt: skip


@op(name="_contrib_DeformablePSROIPooling")
def DeformablePSROIPooling(
    F, data: Tensor, rois: Tensor, trans: Tensor | None = None, *, spatial_scale: float, output_dim: Positive[int],
    group_size: _Side, pooled_size: _Side, part_size: Range[int, 0, 1024] = 0, sample_per_part: Range[int, 1, 64] = 1,
    trans_std: float = 0.0, no_trans: bool = False,
) -> Tensor:  # fmt: skip
    """PSROIPooling whose bins are moved by ``trans`` and sampled between pixels.

    trans: (r, 2 k, part_size, part_size), for k groups of the output's channels the bins' shifts to the right and down
    in region sizes, times trans_std; left out with no_trans.  part_size: pooled_size by default.
    sample_per_part: samples along each side of a bin.  data, rois and the other parameters: as PSROIPooling.
    Returns (r, output_dim, pooled_size, pooled_size).

    Source: Dai et al. 2017.
    """
    name = "_contrib_DeformablePSROIPooling"
    _check_position_sensitive(name, data, rois, output_dim, group_size)
    part_size = part_size or pooled_size
    if no_trans != (trans is None):
        msg = f"[{name}] takes trans, or no_trans=True and no trans"
        raise ParameterError(msg)
    if trans is not None:
        pairs = trans.shape[1] // 2 if trans.ndim == 4 else 0
        if not pairs or trans.shape != (rois.shape[0], 2 * pairs, part_size, part_size) or output_dim % pairs:
            msg = (
                f"[{name}] trans must be (r, 2 k, part_size, part_size) with r = {rois.shape[0]}, part_size {part_size} and "
                f"k a divisor of output_dim {output_dim}, got {trans.shape}"
            )
            raise ShapeError(msg)
        if trans.dtype != data.dtype:
            msg = f"[{name}] trans must have data's element type {name_of(data.dtype)}, got {name_of(trans.dtype)}"
            raise DTypeError(msg)
    return F._ps_roi_pooling(
        data, rois, trans, spatial_scale=spatial_scale, output_dim=output_dim, group_size=group_size,
        pooled_size=pooled_size, part_size=part_size, samples=sample_per_part, trans_std=trans_std,
    )  # fmt: skip


# -- turned regions ----------------------------------------------------------------------------------------------------


@op
def _rotated_roi_align(
    F, data: Tensor, rois: Tensor, *, shape: Shape, spatial_scale: float, sampling_ratio: int
) -> Tensor:
    """RROIAlign of checked inputs to this shape."""


@_rotated_roi_align.infer
def _(t, data, rois, *, shape):
    return t.out(shape, data.dtype)


@_rotated_roi_align.grad
def _(F, dy, y, data, rois, *, shape, **params):
    return F._rotated_roi_align_backward(dy, rois, shape=data.shape, **params), None


@op
def _rotated_roi_align_backward(
    F, dy: Tensor, rois: Tensor, *, shape: Shape, spatial_scale: float, sampling_ratio: int
) -> Tensor:
    """The gradient of RROIAlign by data of this shape."""


@_rotated_roi_align_backward.infer
def _(t, dy, rois, *, shape):
    return t.out(shape, dy.dtype)


@op(name="_contrib_RROIAlign")
def RROIAlign(
    F, data: Tensor, rois: Tensor, *, pooled_size: Positive[Shape], spatial_scale: float,
    sampling_ratio: Range[int, -(2**31), 64] = -1,
) -> Tensor:  # fmt: skip
    """ROIAlign of regions that are turned around their centers.

    data: (n, c, h', w').  rois: (r, 6), rows of image number, center x, y, width, height and angle in degrees.
    pooled_size: (h, w).  spatial_scale: factor from rois' coordinates to data's pixels.  sampling_ratio: samples along
    each side of a bin; as many as it has pixels by default.
    Returns (r, c, h, w); a region of an image that does not exist gives 0.

    Source: Ma et al. 2018.
    """
    name = "_contrib_RROIAlign"
    require_image(name, data)
    if rois.ndim != 2 or rois.shape[1] != 6:
        msg = f"[{name}] rois must be (r, 6): image number, center x, y, width, height, degrees, got {rois.shape}"
        raise ShapeError(msg)
    if rois.dtype != data.dtype:
        msg = f"[{name}] rois must have data's element type {name_of(data.dtype)}, got {name_of(rois.dtype)}"
        raise DTypeError(msg)
    if len(pooled_size) != 2:
        msg = f"[{name}] pooled_size must be (h, w), got {pooled_size}"
        raise ParameterError(msg)
    return F._rotated_roi_align(
        data, rois, shape=(rois.shape[0], data.shape[1], *pooled_size), spatial_scale=spatial_scale,
        sampling_ratio=sampling_ratio,
    )  # fmt: skip
