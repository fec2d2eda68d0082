// Convolution and its gradients for float32 through oneDNN, in the layouts that oneDNN likes: the
// plain arrays of MXNet are reordered into the workspace and back, which costs far less than plain
// layouts do.
#include "convolution.h"

#include <algorithm>
#include <optional>

#include "families.h"
#include "in_float32.h"
#include "onednn.h"

namespace mx::cpu {
namespace {

using dnnl::memory;

constexpr auto kFloat = memory::data_type::f32;

memory::desc dense(const memory::dims& dims) {
  return memory::desc(dims, kFloat, strides_of(dims));
}

// Note [convolution layouts], measured on 1 core of a Zen 4 with AVX-512, fwd ms including
// reorders:
//                            plain nchw   blocked   channels last
//   64x20x12x12, 50 5x5         3.2         3.7         2.6
//   16x64x56x56, 64 3x3        50.6        32.5        35.5
//   16x64x56x56, 64 1x1         3.7         4.9         7.2
//   64x1x28x28,  20 5x5         0.8         1.0         1.0
// Blocked wins but where padding channels to 16 wastes arithmetic (then channels last) and for 1x1
// kernels (then plain matrix products), except for their weight gradient (6.1 plain, 5.2 blocked).
enum class Layout { plain, blocked, channels_last };

Layout choose_layout(const ConvolutionShape& s, Direction direction) {
  if (s.is_pointwise() && s.groups == 1 && direction != Direction::weight) return Layout::plain;
  if (s.groups == 1 && s.channels <= 4 && direction == Direction::data) return Layout::plain;
  if (s.groups > 1 || s.channels <= 4) return Layout::blocked;
  const auto padded = [](int64_t c) {
    return static_cast<double>((c + 15) / 16 * 16) / static_cast<double>(c);
  };
  return padded(s.channels) * padded(s.filters) > 1.2 ? Layout::channels_last : Layout::blocked;
}

memory::desc wanted(const memory::dims& dims, Layout layout) {
  using tag = memory::format_tag;
  switch (layout) {
    case Layout::plain:
      return dense(dims);
    case Layout::blocked:
      break;
    case Layout::channels_last:
      return memory::desc(dims, kFloat,
                          dims.size() == 3   ? tag::nwc
                          : dims.size() == 4 ? tag::nhwc
                                             : tag::ndhwc);
  }
  return memory::desc(dims, kFloat, tag::any);
}

// What the plans of one kernel are made from.
struct Problem {
  ConvolutionShape shape;
  Direction direction;
  Layout layout;
};

// One array of a primitive: as the user has it, and as the primitive wants it.
class Operand {
 public:
  Operand() = default;
  Operand(int argument, const memory::desc& plain, const memory::desc& inner, bool is_output,
          size_t& workspace)
      : argument_(argument), plain_(plain), inner_(inner), is_output_(is_output) {
    if (plain_ == inner_) return;
    reorder_ = is_output_ ? dnnl::reorder(dnnl::reorder::primitive_desc(dnnl_engine(), inner_,
                                                                        dnnl_engine(), plain_))
                          : dnnl::reorder(dnnl::reorder::primitive_desc(dnnl_engine(), plain_,
                                                                        dnnl_engine(), inner_));
    offset_ = workspace;
    workspace += (inner_.get_size() + 63) & ~size_t{63};
  }
  // Adds the memory that the primitive works on; an input is reordered into it.
  void begin(const void* data, char* workspace, std::unordered_map<int, memory>& arguments) const {
    if (!reorder_) {
      arguments.emplace(argument_, memory_at(inner_, data));
      return;
    }
    memory inner = memory_at(inner_, workspace + offset_);
    if (!is_output_) {
      memory plain = memory_at(plain_, data);
      reorder_->execute(dnnl_stream(), plain, inner);
    }
    arguments.emplace(argument_, inner);
  }
  // Reorders an output back.
  void end(const void* data, char* workspace) const {
    if (!reorder_ || !is_output_) return;
    memory inner = memory_at(inner_, workspace + offset_), plain = memory_at(plain_, data);
    reorder_->execute(dnnl_stream(), inner, plain);
  }

 private:
  int argument_ = 0;
  memory::desc plain_, inner_;
  bool is_output_ = false;
  std::optional<dnnl::reorder> reorder_;
  size_t offset_ = 0;
};

// The primitive of one problem with its reorders, for one number of threads.
class ConvolutionPlan {
 public:
  explicit ConvolutionPlan(const Problem& p) {
    const ConvolutionShape& s = p.shape;
    memory::dims data{s.n, s.channels}, out{s.n, s.filters},
        weight{s.filters, s.channels / s.groups};
    if (s.groups > 1) weight = {s.groups, s.filters / s.groups, s.channels / s.groups};
    data.insert(data.end(), s.size.begin(), s.size.end());
    out.insert(out.end(), s.out_size.begin(), s.out_size.end());
    weight.insert(weight.end(), s.kernel.begin(), s.kernel.end());
    Shape dilation = s.dilate;
    for (int64_t& d : dilation) --d;

    const memory::desc wanted_data = wanted(data, p.layout), wanted_out = wanted(out, p.layout);
    const memory::desc wanted_weight(weight, kFloat, memory::format_tag::any);
    const memory::desc bias({s.filters}, kFloat, memory::format_tag::a);
    const memory::desc no_bias;
    const auto kind = dnnl::algorithm::convolution_direct;
    const auto training = p.direction == Direction::forward ? dnnl::prop_kind::forward_inference
                                                            : dnnl::prop_kind::forward_training;
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    const dnnl::convolution_forward::primitive_desc forward(
        dnnl_engine(), training, kind, wanted_data, wanted_weight,
        p.direction == Direction::forward && s.has_bias ? bias : no_bias, wanted_out, s.stride,
        dilation, s.pad, s.pad, attributes);
    const auto set = [&](const dnnl::primitive_desc& pd, const memory::desc& inner_data,
                         int data_argument, const memory::desc& inner_weight, int weight_argument,
                         const memory::desc& inner_out, int out_argument) {
      data_ = Operand(data_argument, dense(data), inner_data, p.direction == Direction::data,
                      workspace_);
      weight_ = Operand(weight_argument, dense(weight), inner_weight,
                        p.direction == Direction::weight, workspace_);
      out_ = Operand(out_argument, dense(out), inner_out, p.direction == Direction::forward,
                     workspace_);
      scratchpad_ = pd.scratchpad_desc();
    };
    switch (p.direction) {
      case Direction::forward:
        primitive_ = dnnl::convolution_forward(forward);
        set(forward, forward.src_desc(), DNNL_ARG_SRC, forward.weights_desc(), DNNL_ARG_WEIGHTS,
            forward.dst_desc(), DNNL_ARG_DST);
        if (s.has_bias) bias_ = Operand(DNNL_ARG_BIAS, bias, bias, false, workspace_);
        break;
      case Direction::data: {
        const dnnl::convolution_backward_data::primitive_desc pd(
            dnnl_engine(), kind, wanted_data, wanted_weight, wanted_out, s.stride, dilation, s.pad,
            s.pad, forward, attributes);
        primitive_ = dnnl::convolution_backward_data(pd);
        set(pd, pd.diff_src_desc(), DNNL_ARG_DIFF_SRC, pd.weights_desc(), DNNL_ARG_WEIGHTS,
            pd.diff_dst_desc(), DNNL_ARG_DIFF_DST);
        break;
      }
      case Direction::weight: {
        const dnnl::convolution_backward_weights::primitive_desc pd(
            dnnl_engine(), kind, wanted_data, wanted_weight, s.has_bias ? bias : no_bias,
            wanted_out, s.stride, dilation, s.pad, s.pad, forward, attributes);
        primitive_ = dnnl::convolution_backward_weights(pd);
        set(pd, pd.src_desc(), DNNL_ARG_SRC, pd.diff_weights_desc(), DNNL_ARG_DIFF_WEIGHTS,
            pd.diff_dst_desc(), DNNL_ARG_DIFF_DST);
        if (s.has_bias) bias_ = Operand(DNNL_ARG_DIFF_BIAS, bias, bias, true, workspace_);
        break;
      }
    }
    scratchpad_offset_ = workspace_;
    workspace_ += scratchpad_.get_size();
  }

  size_t workspace_bytes() const { return workspace_; }

  void execute(const void* data, const void* weight, const void* bias, const void* out,
               char* workspace) const {
    std::unordered_map<int, memory> arguments;
    data_.begin(data, workspace, arguments);
    weight_.begin(weight, workspace, arguments);
    out_.begin(out, workspace, arguments);
    if (bias_) bias_->begin(bias, workspace, arguments);
    arguments.emplace(DNNL_ARG_SCRATCHPAD, memory_at(scratchpad_, workspace + scratchpad_offset_));
    primitive_.execute(dnnl_stream(), arguments);
    data_.end(data, workspace);
    weight_.end(weight, workspace);
    out_.end(out, workspace);
  }

 private:
  dnnl::primitive primitive_;
  Operand data_, weight_, out_;
  std::optional<Operand> bias_;
  memory::desc scratchpad_;
  size_t workspace_ = 0, scratchpad_offset_ = 0;
};

// forward: data, weight [, bias] -> out.  data: dy, weight -> dx.  weight: dy, data -> dweight [,
// dbias].
template <Direction direction>
struct Convolution {
  Problem problem;
  PerThreads<ConvolutionPlan> plans;
  size_t workspace_bytes = 0;

  Convolution(const mx_signature& sig, mx_prepared& plan)
      : problem{ConvolutionShape(sig, direction), direction, Layout::blocked} {
    require_dtype(sig, MX_FLOAT32);
    const ConvolutionShape& s = problem.shape;
    problem.layout = choose_layout(s, direction);
    if (!s.is_empty())
      plan.workspace_bytes = workspace_bytes =
          or_unsupported([&] { return plans.get(problem).workspace_bytes(); });
    plan.cost_ns =
        1000 + s.flops() / 80.0 + static_cast<double>(s.data_numel() + s.out_numel()) / 2.0;
  }
  void operator()(const mx_call& call) const {
    const ConvolutionShape& s = problem.shape;
    if (s.is_empty()) {
      fill_empty_convolution<float>(s, direction, call);
      if (direction == Direction::weight && s.has_bias)
        sum_bias_gradient(s, static_cast<const float*>(call.in[0]),
                          static_cast<float*>(call.out[1]));
      return;
    }
    const ConvolutionPlan& plan = plans.get(problem);
    std::unique_ptr<char[]> own;
    char* workspace = static_cast<char*>(call.workspace);
    if (plan.workspace_bytes() >
        workspace_bytes) {  // made for another number of threads than at prepare()
      own = std::make_unique_for_overwrite<char[]>(plan.workspace_bytes() + 64);
      workspace =
          reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(own.get()) + 63) & ~uintptr_t{63});
    }
    switch (direction) {
      case Direction::forward:
        plan.execute(call.in[0], call.in[1], s.has_bias ? call.in[2] : nullptr, call.out[0],
                     workspace);
        break;
      case Direction::data:
        plan.execute(call.out[0], call.in[1], nullptr, call.in[0], workspace);
        break;
      case Direction::weight:
        plan.execute(call.in[1], call.out[0], s.has_bias ? call.out[1] : nullptr, call.in[0],
                     workspace);
        break;
    }
  }
};

// Two entries: oneDNN (float64: the direct kernel), and the direct kernel for what oneDNN refuses.
template <Direction direction>
void add(std::vector<mx_kernel>& kernels, const char* op) {
  kernels.push_back(
      {op, prepare_float<Convolution<direction>, DirectConvolution<double, direction>>, 0});
  kernels.push_back(
      {op, prepare_float<DirectConvolution<float, direction>, DirectConvolution<double, direction>>,
       -1});
}

}  // namespace

std::vector<mx_kernel> convolution_kernels() {
  std::vector<mx_kernel> kernels;
  add<Direction::forward>(kernels, "Convolution");
  add<Direction::data>(kernels, "_convolution_backward_data");
  add<Direction::weight>(kernels, "_convolution_backward_weight");
  return kernels;
}

}  // namespace mx::cpu
