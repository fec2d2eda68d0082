// Kernels of object detectors: _box_nms, _bipartite_matching, _multibox_target,
// _multibox_detection.
//
// Boxes and scores are data: NaN and any number may come. A NaN score is no detection, and NaN
// sorts last.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "families.h"
#include "in_float32.h"
#include "parallel.h"

namespace mx::cpu {
namespace {

template <class T>
struct Box {  // corners
  T x1, y1, x2, y2;
};

template <class T>
Box<T> box_at(const T* at, bool center) {
  if (!center) return {at[0], at[1], at[2], at[3]};
  return {at[0] - at[2] / 2, at[1] - at[3] / 2, at[0] + at[2] / 2, at[1] + at[3] / 2};
}

template <class T>
T area(const Box<T>& b) {
  const T w = b.x2 - b.x1, h = b.y2 - b.y1;
  return w < 0 || h < 0 ? T(0) : w * h;
}

// Intersection over union.
template <class T>
T overlap(const Box<T>& a, const Box<T>& b) {
  const T w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1),
          h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (!(w > 0 && h > 0)) return T(0);
  const T both = w * h, all = area(a) + area(b) - both;
  return all > 0 ? both / all : T(0);
}

// Numbers 0 ... n - 1 of which wanted(i) is true, from the greatest value to the least; equals keep
// their order.
template <class Value, class Wanted>
std::vector<int64_t> descending(int64_t n, Value&& value, Wanted&& wanted) {
  std::vector<int64_t> order;
  for (int64_t i = 0; i < n; ++i)
    if (wanted(i)) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return value(a) > value(b); });
  return order;
}

// data (batch, n, width) -> the boxes that stay, from the best down, then -1; and the int32 row
// each came from.
template <class T>
struct BoxNms {
  int64_t batch, n, width, topk, coordinates, score, id, background;
  T overlap_limit, valid_limit;
  bool force, center_in, center_out;
  BoxNms(const mx_signature& sig, mx_prepared& plan) {
    const auto shape = shape_of(sig.in[0]);
    batch = shape[0], n = shape[1], width = shape[2];
    const Params p(sig);
    topk = p.integer("topk"), coordinates = p.integer("coord_start"),
    score = p.integer("score_index");
    id = p.integer("id_index"), background = p.integer("background_id");
    overlap_limit = static_cast<T>(p.number("overlap_thresh"));
    valid_limit = static_cast<T>(p.number("valid_thresh"));
    force = p.boolean("force_suppress");
    center_in = p.text("in_format") == "center";
    center_out = p.text("out_format") == "center";
    plan.cost_ns = 50 + cost_ns();
  }
  double cost_ns() const {
    return static_cast<double>(batch) * static_cast<double>(n) * (60 + static_cast<double>(n));
  }
  void operator()(const mx_call& call) const {
    const T* data = static_cast<const T*>(call.in[0]);
    T* y = static_cast<T*>(call.out[0]);
    auto* rows = static_cast<int32_t*>(call.out[1]);
    parallel_for(batch, 1, cost_ns(), [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b)
        one(data + b * n * width, y + b * n * width, rows + b * n);
    });
  }
  void one(const T* data, T* y, int32_t* rows) const {
    std::fill_n(y, n * width, T(-1));
    std::fill_n(rows, n, -1);
    auto order = descending(
        n, [&](int64_t i) { return data[i * width + score]; },
        [&](int64_t i) {
          const bool is_background =
              id >= 0 && background >= 0 && data[i * width + id] == static_cast<T>(background);
          return data[i * width + score] > valid_limit && !is_background;
        });
    if (topk > 0 && topk < static_cast<int64_t>(order.size()))
      order.resize(static_cast<size_t>(topk));
    std::vector<Box<T>> kept;
    std::vector<T> classes;
    for (const int64_t i : order) {
      const Box<T> box = box_at(data + i * width + coordinates, center_in);
      const T class_of = id >= 0 ? data[i * width + id] : T(0);
      bool suppressed = false;
      for (size_t k = 0; k < kept.size() && !suppressed; ++k)
        suppressed = (force || classes[k] == class_of) && overlap(kept[k], box) > overlap_limit;
      if (suppressed) continue;
      const auto to = static_cast<int64_t>(kept.size());
      kept.push_back(box);
      classes.push_back(class_of);
      std::copy_n(data + i * width, width, y + to * width);
      rows[to] = static_cast<int32_t>(i);
      if (center_in == center_out) continue;
      T* c = y + to * width + coordinates;
      if (center_out) {
        c[0] = (box.x1 + box.x2) / 2, c[1] = (box.y1 + box.y2) / 2, c[2] = box.x2 - box.x1,
        c[3] = box.y2 - box.y1;
      } else {
        c[0] = box.x1, c[1] = box.y1, c[2] = box.x2, c[3] = box.y2;
      }
    }
  }
};

// dy (batch, n, width), rows -> by data
template <class T>
struct BoxNmsBackward {
  int64_t batch, n, width;
  BoxNmsBackward(const mx_signature& sig, mx_prepared& plan)
      : batch(sig.in[0].shape[0]), n(sig.in[0].shape[1]), width(sig.in[0].shape[2]) {
    plan.cost_ns = 50 + static_cast<double>(batch * n * width) / 2;
  }
  void operator()(const mx_call& call) const {
    const T* dy = static_cast<const T*>(call.in[0]);
    const auto* rows = static_cast<const int32_t*>(call.in[1]);
    T* dx = static_cast<T*>(call.out[0]);
    std::fill_n(dx, batch * n * width, T(0));
    for (int64_t i = 0; i < batch * n; ++i)
      if (rows[i] >= 0 && rows[i] < n)
        std::copy_n(dy + i * width, width, dx + (i / n * n + rows[i]) * width);
  }
};

// scores (batch, n, m) -> for each row its column, for each column its row, -1 where there is none
template <class T>
struct BipartiteMatching {
  int64_t batch, n, m, topk;
  T threshold;
  bool ascend;
  BipartiteMatching(const mx_signature& sig, mx_prepared& plan)
      : batch(sig.in[0].shape[0]), n(sig.in[0].shape[1]), m(sig.in[0].shape[2]) {
    const Params p(sig);
    topk = p.integer("topk");
    threshold = static_cast<T>(p.number("threshold"));
    ascend = p.boolean("is_ascend");
    plan.cost_ns = 50 + 100.0 * static_cast<double>(batch * n * m);
  }
  void operator()(const mx_call& call) const {
    for (int64_t b = 0; b < batch; ++b) {
      const T* scores = static_cast<const T*>(call.in[0]) + b * n * m;
      T *rows = static_cast<T*>(call.out[0]) + b * n,
        *columns = static_cast<T*>(call.out[1]) + b * m;
      std::fill_n(rows, n, T(-1));
      std::fill_n(columns, m, T(-1));
      const T sign = ascend ? T(-1) : T(1);
      int64_t found = 0;
      // Past the first pair that is not good enough none is.
      for (const int64_t at : descending(
               n * m, [&](int64_t i) { return sign * scores[i]; },
               [&](int64_t i) { return sign * scores[i] > sign * threshold; })) {
        const int64_t row = at / m, column = at % m;
        if (rows[row] >= 0 || columns[column] >= 0) continue;
        rows[row] = static_cast<T>(column);
        columns[column] = static_cast<T>(row);
        if (topk > 0 && ++found > topk) break;  // one more than topk, as MXNet 1.x does it
      }
    }
  }
};

// anchors (1, a, 4), labels (batch, m, 5+) of class and corners, predictions (batch, k, a) ->
// (batch, 4 a) targets, (batch, 4 a) mask, (batch, a) classes: 0 background, 1 + class, or
// ignore_label
template <class T>
struct MultiBoxTarget {
  int64_t batch, a, m, width, k, least_negative;
  double ratio;
  T limit, negative_limit, ignore;
  std::vector<double> variances;
  MultiBoxTarget(const mx_signature& sig, mx_prepared& plan) {
    a = sig.in[0].shape[1];
    batch = sig.in[1].shape[0], m = sig.in[1].shape[1], width = sig.in[1].shape[2];
    k = sig.in[2].shape[1];
    const Params p(sig);
    limit = static_cast<T>(p.number("overlap_threshold"));
    ignore = static_cast<T>(p.number("ignore_label"));
    ratio = p.number("negative_mining_ratio");
    negative_limit = static_cast<T>(p.number("negative_mining_thresh"));
    least_negative = p.integer("minimum_negative_samples");
    variances = p.floats("variances");
    plan.cost_ns = 50 + cost_ns();
  }
  double cost_ns() const {
    return static_cast<double>(batch * a) *
           (20.0 * static_cast<double>(m) + 10.0 * static_cast<double>(k) + 50);
  }
  void operator()(const mx_call& call) const {
    const T *anchors = static_cast<const T*>(call.in[0]),
            *labels = static_cast<const T*>(call.in[1]),
            *predictions = static_cast<const T*>(call.in[2]);
    T *targets = static_cast<T*>(call.out[0]), *mask = static_cast<T*>(call.out[1]),
      *classes = static_cast<T*>(call.out[2]);
    parallel_for(batch, 1, cost_ns(), [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b)
        one(anchors, labels + b * m * width, predictions + b * k * a, targets + b * 4 * a,
            mask + b * 4 * a, classes + b * a);
    });
  }

 private:
  struct Match {
    T overlap = T(-1);
    int64_t truth = -1;
    int state = -1;  // 1: positive, 0: negative, -1: ignored
  };

  void one(const T* anchors, const T* labels, const T* predictions, T* targets, T* mask,
           T* classes) const {
    std::fill_n(targets, 4 * a, T(0));
    std::fill_n(mask, 4 * a, T(0));
    std::fill_n(classes, a, ignore);
    int64_t truths = 0;
    while (truths < m && labels[truths * width] != T(-1)) ++truths;
    if (truths == 0) return;
    std::vector<T> overlaps(static_cast<size_t>(a * truths));
    for (int64_t i = 0; i < a * truths; ++i)
      overlaps[static_cast<size_t>(i)] = overlap(box_at(anchors + i / truths * 4, false),
                                                 box_at(labels + i % truths * width + 1, false));
    std::vector<Match> matches(static_cast<size_t>(a));
    int64_t positive = match_truths(overlaps, truths, matches);
    positive += match_anchors(overlaps, truths, matches);
    choose_negatives(predictions, positive, matches);
    for (int64_t i = 0; i < a; ++i) {
      const Match& match = matches[static_cast<size_t>(i)];
      if (match.state == 0) classes[i] = T(0);
      if (match.state != 1) continue;
      const T* truth = labels + match.truth * width;
      classes[i] = truth[0] + T(1);
      std::fill_n(mask + 4 * i, 4, T(1));
      encode(anchors + 4 * i, truth + 1, targets + 4 * i);
    }
  }
  // Every truth, the best overlap first, takes the anchor that it overlaps most.
  int64_t match_truths(const std::vector<T>& overlaps, int64_t truths,
                       std::vector<Match>& matches) const {
    std::vector<char> done(static_cast<size_t>(truths));
    for (int64_t found = 0; found < truths; ++found) {
      T best = T(1e-6);
      int64_t at = -1;
      for (int64_t i = 0; i < a * truths; ++i)
        if (matches[static_cast<size_t>(i / truths)].state != 1 &&
            !done[static_cast<size_t>(i % truths)] && overlaps[static_cast<size_t>(i)] > best) {
          best = overlaps[static_cast<size_t>(i)];
          at = i;
        }
      if (at < 0) return found;
      matches[static_cast<size_t>(at / truths)] = {best, at % truths, 1};
      done[static_cast<size_t>(at % truths)] = 1;
    }
    return truths;
  }
  // The other anchors take the truth that they overlap most, if that is enough.
  int64_t match_anchors(const std::vector<T>& overlaps, int64_t truths,
                        std::vector<Match>& matches) const {
    int64_t found = 0;
    for (int64_t i = 0; limit > 0 && i < a; ++i) {
      Match& match = matches[static_cast<size_t>(i)];
      if (match.state == 1) continue;
      for (int64_t j = 0; j < truths; ++j) {
        const T value = overlaps[static_cast<size_t>(i * truths + j)];
        if (value > match.overlap) match.overlap = value, match.truth = j;
      }
      if (match.overlap > limit) {
        match.state = 1;
        ++found;
      }
    }
    return found;
  }
  // Background: all the others, or those least taken for it, ratio for each positive.
  void choose_negatives(const T* predictions, int64_t positive, std::vector<Match>& matches) const {
    if (!(ratio > 0)) {
      for (Match& match : matches)
        if (match.state != 1) match.state = 0;
      return;
    }
    const double wanted =
        std::min(static_cast<double>(positive) * ratio, static_cast<double>(a - positive));
    const int64_t count =
        std::min(std::max(static_cast<int64_t>(wanted), least_negative), a - positive);
    if (count <= 0) return;
    std::vector<double> background(static_cast<size_t>(a), 0.0);
    for (int64_t i = 0; i < a; ++i) {
      double greatest = -HUGE_VAL, sum = 0;
      for (int64_t j = 0; j < k; ++j)
        greatest = std::max(greatest, static_cast<double>(predictions[j * a + i]));
      for (int64_t j = 0; j < k; ++j)
        sum += std::exp(static_cast<double>(predictions[j * a + i]) - greatest);
      const double value =
          k > 0 ? -std::exp(static_cast<double>(predictions[i]) - greatest) / sum : 0.0;
      background[static_cast<size_t>(i)] = std::isnan(value) ? -2.0 : value;
    }
    const auto order = descending(
        a, [&](int64_t i) { return background[static_cast<size_t>(i)]; },
        [&](int64_t i) {
          const Match& match = matches[static_cast<size_t>(i)];
          return match.state == -1 && match.overlap < negative_limit;
        });
    for (size_t i = 0; i < order.size() && static_cast<int64_t>(i) < count; ++i)
      matches[static_cast<size_t>(order[i])].state = 0;
  }
  void encode(const T* anchor, const T* truth, T* out) const {
    const T aw = anchor[2] - anchor[0], ah = anchor[3] - anchor[1];
    const T w = truth[2] - truth[0], h = truth[3] - truth[1];
    out[0] =
        ((truth[0] + truth[2]) - (anchor[0] + anchor[2])) / 2 / aw / static_cast<T>(variances[0]);
    out[1] =
        ((truth[1] + truth[3]) - (anchor[1] + anchor[3])) / 2 / ah / static_cast<T>(variances[1]);
    out[2] = std::log(w / aw) / static_cast<T>(variances[2]);
    out[3] = std::log(h / ah) / static_cast<T>(variances[3]);
  }
};

// probabilities (batch, k, a), offsets (batch, 4 a), anchors (1, a, 4) -> (batch, a, 6): class,
// score, corners
template <class T>
struct MultiBoxDetection {
  int64_t batch, k, a, topk;
  T threshold, nms_threshold;
  bool clip, force;
  std::vector<double> variances;
  MultiBoxDetection(const mx_signature& sig, mx_prepared& plan)
      : batch(sig.in[0].shape[0]), k(sig.in[0].shape[1]), a(sig.in[0].shape[2]) {
    const Params p(sig);
    topk = p.integer("nms_topk");
    threshold = static_cast<T>(p.number("threshold"));
    nms_threshold = static_cast<T>(p.number("nms_threshold"));
    clip = p.boolean("clip");
    force = p.boolean("force_suppress");
    variances = p.floats("variances");
    plan.cost_ns = 50 + cost_ns();
  }
  double cost_ns() const {
    return static_cast<double>(batch * a) *
           (100.0 + static_cast<double>(k) + static_cast<double>(a) / 4);
  }
  void operator()(const mx_call& call) const {
    const T *scores = static_cast<const T*>(call.in[0]),
            *offsets = static_cast<const T*>(call.in[1]),
            *anchors = static_cast<const T*>(call.in[2]);
    T* y = static_cast<T*>(call.out[0]);
    parallel_for(batch, 1, cost_ns(), [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b)
        one(scores + b * k * a, offsets + b * 4 * a, anchors, y + b * 6 * a);
    });
  }

 private:
  void one(const T* scores, const T* offsets, const T* anchors, T* y) const {
    std::fill_n(y, 6 * a, T(-1));
    int64_t valid = 0;
    for (int64_t i = 0; i < a; ++i) {
      T best = T(-1);
      int64_t class_of = 0;
      for (int64_t j = 1; j < k; ++j)
        if (scores[j * a + i] > best) best = scores[j * a + i], class_of = j;
      if (class_of == 0 || best < threshold) continue;
      T* row = y + 6 * valid++;
      row[0] = static_cast<T>(class_of - 1);
      row[1] = best;
      decode(anchors + 4 * i, offsets + 4 * i, row + 2);
    }
    if (!(nms_threshold > 0 && nms_threshold <= 1) || valid == 0) return;
    // Rows beyond topk stay where they were, without a class, as in MXNet 1.x.
    const std::vector<T> found(y, y + 6 * valid);
    const auto order = descending(
        valid, [&](int64_t i) { return found[static_cast<size_t>(6 * i + 1)]; },
        [](int64_t) { return true; });
    const int64_t kept = topk > 0 ? std::min(topk, valid) : valid;
    for (int64_t i = 0; i < kept; ++i)
      std::copy_n(found.data() + 6 * order[static_cast<size_t>(i)], 6, y + 6 * i);
    for (int64_t i = kept; i < valid; ++i) y[6 * i] = T(-1);
    for (int64_t i = 0; i < kept; ++i) {
      if (y[6 * i] < 0) continue;
      const Box<T> box = box_at(y + 6 * i + 2, false);
      for (int64_t j = i + 1; j < kept; ++j)
        if (y[6 * j] >= 0 && (force || y[6 * j] == y[6 * i]) &&
            overlap(box, box_at(y + 6 * j + 2, false)) >= nms_threshold)
          y[6 * j] = T(-1);
    }
  }
  void decode(const T* anchor, const T* offset, T* out) const {
    const T w = anchor[2] - anchor[0], h = anchor[3] - anchor[1];
    const T x = offset[0] * static_cast<T>(variances[0]) * w + (anchor[0] + anchor[2]) / 2;
    const T y = offset[1] * static_cast<T>(variances[1]) * h + (anchor[1] + anchor[3]) / 2;
    const T half_w = std::exp(offset[2] * static_cast<T>(variances[2])) * w / 2;
    const T half_h = std::exp(offset[3] * static_cast<T>(variances[3])) * h / 2;
    const T corners[4] = {x - half_w, y - half_h, x + half_w, y + half_h};
    for (int i = 0; i < 4; ++i)
      out[i] = clip ? std::max(T(0), std::min(T(1), corners[i])) : corners[i];
  }
};

}  // namespace

std::vector<mx_kernel> detection_kernels() {
  return {
      mx_kernel{"_box_nms", prepare_float<BoxNms<float>, BoxNms<double>>, 0},
      mx_kernel{"_box_nms_backward", prepare_float<BoxNmsBackward<float>, BoxNmsBackward<double>>,
                0},
      mx_kernel{"_bipartite_matching",
                prepare_float<BipartiteMatching<float>, BipartiteMatching<double>>, 0},
      mx_kernel{"_multibox_target", prepare_float<MultiBoxTarget<float>, MultiBoxTarget<double>>,
                0},
      mx_kernel{"_multibox_detection",
                prepare_float<MultiBoxDetection<float>, MultiBoxDetection<double>>, 0},
  };
}

}  // namespace mx::cpu
