// float16 and bfloat16 by way of float32: kernels with heavy arithmetic convert their arrays as a
// whole.
#pragma once

#include <vector>

#include "array_convert.h"
#include "mx/kernel.h"

namespace mx::cpu {

inline bool is_16_bit_float(int32_t dtype) { return dtype == MX_FLOAT16 || dtype == MX_BFLOAT16; }

// The float32 kernel `State` for signatures with 16-bit floats: copies of those arrays as float32
// lie in the workspace, after them State's own workspace.
template <class State>
class InFloat32 {
 public:
  InFloat32(const mx_signature& sig, mx_prepared& plan)
      : inputs_(widened(sig.in, sig.n_in)),
        outputs_(widened(sig.out, sig.n_out)),
        state_(in_float32(sig), plan) {
    plan.run = nullptr;
    for (uint32_t& mask : plan.inplace) mask = 0;
    plan.workspace_bytes += bytes_;
    plan.cost_ns += static_cast<double>(bytes_) / 8.0;
  }

  void operator()(const mx_call& call) const {
    char* at = static_cast<char*>(call.workspace);
    std::vector<void*> in(call.in, call.in + inputs_.size()),
        out(call.out, call.out + outputs_.size());
    for (size_t i = 0; i < in.size(); ++i) {
      if (!inputs_[i].narrow) continue;
      converter(inputs_[i].dtype, MX_FLOAT32)(in[i], at, inputs_[i].n);
      in[i] = at;
      at += inputs_[i].bytes();
    }
    for (size_t j = 0; j < out.size(); ++j) {
      if (!outputs_[j].narrow) continue;
      out[j] = at;
      at += outputs_[j].bytes();
    }
    mx_call inner = call;
    inner.in = in.data();
    inner.out = out.data();
    inner.workspace = at;
    state_(inner);
    for (size_t j = 0; j < out.size(); ++j)
      if (outputs_[j].narrow)
        converter(MX_FLOAT32, outputs_[j].dtype)(out[j], call.out[j], outputs_[j].n);
  }

 private:
  struct Array {
    int32_t dtype;
    bool narrow;
    int64_t n;
    size_t bytes() const { return (static_cast<size_t>(n) * sizeof(float) + 63) & ~size_t{63}; }
  };

  std::vector<Array> widened(const mx_tensor_type* types, int32_t count) {
    std::vector<Array> arrays;
    for (int32_t i = 0; i < count; ++i) {
      arrays.push_back({types[i].dtype, is_16_bit_float(types[i].dtype), numel(types[i])});
      if (arrays.back().narrow) bytes_ += arrays.back().bytes();
    }
    return arrays;
  }
  mx_signature in_float32(const mx_signature& sig) {
    types_.assign(sig.in, sig.in + sig.n_in);
    types_.insert(types_.end(), sig.out, sig.out + sig.n_out);
    for (mx_tensor_type& type : types_)
      if (is_16_bit_float(type.dtype)) type.dtype = MX_FLOAT32;
    mx_signature wide = sig;
    wide.in = types_.data();
    wide.out = types_.data() + sig.n_in;
    return wide;
  }

  size_t bytes_ = 0;
  std::vector<mx_tensor_type> types_;  // only while the constructor runs
  std::vector<Array> inputs_, outputs_;
  State state_;
};

// prepare() of a kernel that exists for float32 and float64: chooses by the dtype of the first
// output.
template <class Float, class Double>
int prepare_float(const mx_signature* sig, mx_prepared* plan, char* message, size_t size) {
  switch (sig->out[0].dtype) {
    case MX_FLOAT32:
      return prepare_state<Float>(sig, plan, message, size);
    case MX_FLOAT64:
      return prepare_state<Double>(sig, plan, message, size);
    case MX_FLOAT16:
    case MX_BFLOAT16:
      return prepare_state<InFloat32<Float>>(sig, plan, message, size);
  }
  write_message(message, size, "only float32, float64, float16 and bfloat16");
  return MX_UNSUPPORTED;
}

// Every input and output must have this dtype.
inline void require_dtype(const mx_signature& sig, int32_t dtype) {
  for (int32_t i = 0; i < sig.n_in + sig.n_out; ++i) {
    const int32_t came = i < sig.n_in ? sig.in[i].dtype : sig.out[i - sig.n_in].dtype;
    if (came != dtype)
      throw Unsupported(std::string("mixes ") + dtype_name(dtype) + " and " + dtype_name(came));
  }
}

}  // namespace mx::cpu
