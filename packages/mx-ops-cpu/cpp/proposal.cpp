// _proposal: the regions that a network proposes, from its scores and corrections of anchors.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "families.h"
#include "in_float32.h"

namespace mx::cpu {
namespace {

struct Box {
  float x1, y1, x2, y2;
  float area() const { return (x2 - x1 + 1) * (y2 - y1 + 1); }
};

float overlap(const Box& a, const Box& b) {
  const float w = std::max(0.0f, std::min(a.x2, b.x2) - std::max(a.x1, b.x1) + 1);
  const float h = std::max(0.0f, std::min(a.y2, b.y2) - std::max(a.y1, b.y1) + 1);
  return w * h / (a.area() + b.area() - w * h);
}

// The anchors of the first cell, for every ratio all scales, as Faster R-CNN rounds them.
std::vector<Box> anchors_of(std::span<const double> scales, std::span<const double> ratios,
                            int64_t stride) {
  std::vector<Box> anchors;
  const double size = static_cast<double>(stride), center = 0.5 * (size - 1);
  for (double ratio : ratios) {
    const double width = std::floor(std::sqrt(std::floor(size * size / ratio)) + 0.5);
    const double height = std::floor(width * ratio + 0.5);
    for (double scale : scales) {
      const double x = 0.5 * (width * scale - 1), y = 0.5 * (height * scale - 1);
      anchors.push_back({static_cast<float>(center - x), static_cast<float>(center - y),
                         static_cast<float>(center + x), static_cast<float>(center + y)});
    }
  }
  return anchors;
}

// scores (n, 2 a, h, w), deltas (n, 4 a, h, w), info (n, 3: height, width, scale of the image)
// -> (n rois, 5), (n rois, 1)
struct Proposal {
  int64_t n, a, h, w, before, after, stride;
  float threshold, smallest;
  bool corners;  // deltas move the corners, not the center and the size
  std::vector<Box> anchors;
  Proposal(const mx_signature& sig, mx_prepared& plan) {
    require_dtype(sig, MX_FLOAT32);
    const auto shape = shape_of(sig.in[0]);
    n = shape[0], a = shape[1] / 2, h = shape[2], w = shape[3];
    const Params p(sig);
    stride = p.integer("feature_stride");
    anchors = anchors_of(p.floats("scales"), p.floats("ratios"), stride);
    before = p.integer("before");
    after = p.integer("after");
    threshold = static_cast<float>(p.number("threshold"));
    smallest = static_cast<float>(p.integer("smallest"));
    corners = p.boolean("corners");
    const double count = static_cast<double>(a * h * w);
    const double kept = std::min(static_cast<double>(before), count);
    plan.cost_ns =
        50 + static_cast<double>(n) * (count * 50 + kept * static_cast<double>(after) * 4);
  }
  void operator()(const mx_call& call) const {
    const float *scores = static_cast<const float*>(call.in[0]),
                *deltas = static_cast<const float*>(call.in[1]),
                *info = static_cast<const float*>(call.in[2]);
    float *rois = static_cast<float*>(call.out[0]), *kept = static_cast<float*>(call.out[1]);
    const int64_t count = a * h * w;
    std::vector<Box> boxes(static_cast<size_t>(count));
    std::vector<float> score(static_cast<size_t>(count));
    for (int64_t image = 0; image < n; ++image) {
      read(scores + (2 * image + 1) * count, deltas + image * 4 * count, info + 3 * image, boxes,
           score);
      write(chosen(boxes, score), boxes, score, image, rois + image * after * 5,
            kept + image * after);
    }
  }

 private:
  // Boxes and scores in the order y, x, anchor.
  void read(const float* scores, const float* deltas, const float* info, std::vector<Box>& boxes,
            std::vector<float>& score) const {
    const float rows = std::trunc(info[0] / static_cast<float>(stride));
    const float columns = std::trunc(info[1] / static_cast<float>(stride));
    const float least = smallest * info[2];
    size_t i = 0;
    for (int64_t y = 0; y < h; ++y)
      for (int64_t x = 0; x < w; ++x)
        for (int64_t k = 0; k < a; ++k, ++i) {
          const float* delta = deltas + (4 * k * h + y) * w + x;
          Box box = moved(anchors[static_cast<size_t>(k)], static_cast<float>(x * stride),
                          static_cast<float>(y * stride), delta, info);
          score[i] = scores[(k * h + y) * w + x];
          if (static_cast<float>(y) >= rows || static_cast<float>(x) >= columns) score[i] = -1;
          if (box.x2 - box.x1 + 1 < least || box.y2 - box.y1 + 1 < least) {
            const float half = least / 2;
            box = {box.x1 - half, box.y1 - half, box.x2 + half, box.y2 + half};
            score[i] = -1;
          }
          boxes[i] = box;
        }
  }

  Box moved(const Box& anchor, float x, float y, const float* delta, const float* info) const {
    const int64_t step = h * w;
    Box box{anchor.x1 + x, anchor.y1 + y, anchor.x2 + x, anchor.y2 + y};
    if (corners) {
      box = {box.x1 + delta[0], box.y1 + delta[step], box.x2 + delta[2 * step],
             box.y2 + delta[3 * step]};
    } else {
      const float width = box.x2 - box.x1 + 1, height = box.y2 - box.y1 + 1;
      const float center_x = delta[0] * width + box.x1 + 0.5f * (width - 1);
      const float center_y = delta[step] * height + box.y1 + 0.5f * (height - 1);
      const float half_x = 0.5f * (std::exp(delta[2 * step]) * width - 1);
      const float half_y = 0.5f * (std::exp(delta[3 * step]) * height - 1);
      box = {center_x - half_x, center_y - half_y, center_x + half_x, center_y + half_y};
    }
    const auto inside = [](float v, float size) { return std::max(std::min(v, size - 1), 0.0f); };
    return {inside(box.x1, info[1]), inside(box.y1, info[0]), inside(box.x2, info[1]),
            inside(box.y2, info[0])};
  }

  // The best boxes that no better one overlaps, the best first.
  std::vector<int64_t> chosen(const std::vector<Box>& boxes,
                              const std::vector<float>& score) const {
    std::vector<int64_t> order(boxes.size());
    std::iota(order.begin(), order.end(), int64_t{0});
    const auto rank = [&](int64_t i) {  // NaN is the worst
      const float s = score[static_cast<size_t>(i)];
      return std::isnan(s) ? -std::numeric_limits<float>::infinity() : s;
    };
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t i, int64_t j) { return rank(i) > rank(j); });
    order.resize(std::min(order.size(), static_cast<size_t>(before)));
    std::vector<int64_t> kept;
    for (int64_t i : order) {
      if (static_cast<int64_t>(kept.size()) >= after) break;
      const Box& box = boxes[static_cast<size_t>(i)];
      if (std::ranges::none_of(kept, [&](int64_t k) {
            return overlap(boxes[static_cast<size_t>(k)], box) > threshold;
          }))
        kept.push_back(i);
    }
    return kept;
  }

  // As many rows as asked for: the chosen again from the first when they are too few.
  void write(const std::vector<int64_t>& kept, const std::vector<Box>& boxes,
             const std::vector<float>& score, int64_t image, float* rois, float* scores) const {
    for (int64_t i = 0; i < after; ++i, rois += 5) {
      const auto at = static_cast<size_t>(kept[static_cast<size_t>(i) % kept.size()]);
      rois[0] = static_cast<float>(image);
      rois[1] = boxes[at].x1;
      rois[2] = boxes[at].y1;
      rois[3] = boxes[at].x2;
      rois[4] = boxes[at].y2;
      scores[i] = score[at];
    }
  }
};

}  // namespace

std::vector<mx_kernel> proposal_kernels() {
  return {mx_kernel{"_proposal", prepare_state<Proposal>, 0}};
}

}  // namespace mx::cpu
