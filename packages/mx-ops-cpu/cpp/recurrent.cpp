// _recurrent and its gradient: one layer of a recurrent network in one direction, over all time
// steps.
//
// The part of the gates that comes from the layer's input is computed before, in one product for
// all steps; here each step adds its product with the state. Gates lie as cuDNN packs them: LSTM
// input, forget, cell, output; GRU reset, update, new. With lengths, a sequence that is over keeps
// its state.
#include <algorithm>
#include <cmath>

#include "families.h"
#include "gemm.h"
#include "in_float32.h"
#include "parallel.h"
#include "vecmath.h"

namespace mx::cpu {
namespace {

MX_INLINE float sigmoid_of(float x) { return vec::sigmoid(x); }
MX_INLINE double sigmoid_of(double x) { return 1.0 / (1.0 + std::exp(-x)); }
MX_INLINE float tanh_of(float x) { return vec::tanh(x); }
MX_INLINE double tanh_of(double x) { return std::tanh(x); }

enum class Mode { relu, tanh, lstm, gru };

template <class T>
struct Clip {  // of the LSTM's cells
  T low, high;
};

// ---- one row of one step: h units
// ------------------------------------------------------------------

#define MX_LOOP _Pragma("GCC ivdep") for (int64_t j = 0; j < h; ++j)

template <class T>
MX_INLINE void lstm_row(int64_t h, T* __restrict gates, const T* c_before, T* c, T* __restrict out,
                        Clip<T> clip) {
  T *i = gates, *f = gates + h, *u = gates + 2 * h, *o = gates + 3 * h;
  MX_LOOP {
    i[j] = sigmoid_of(i[j]);
    f[j] = sigmoid_of(f[j]);
    u[j] = tanh_of(u[j]);
    o[j] = sigmoid_of(o[j]);
    T cell = f[j] * c_before[j] + i[j] * u[j];
    cell = cell < clip.low ? clip.low : cell;
    cell = cell > clip.high ? clip.high : cell;
    c[j] = cell;
    out[j] = o[j] * tanh_of(cell);
  }
}

template <class T>
MX_INLINE void gru_row(int64_t h, T* __restrict gates, const T* __restrict state_part,
                       const T* before, T* __restrict hidden_new, T* __restrict out) {
  T *r = gates, *z = gates + h, *n = gates + 2 * h;
  MX_LOOP {
    r[j] = sigmoid_of(r[j] + state_part[j]);
    z[j] = sigmoid_of(z[j] + state_part[h + j]);
    hidden_new[j] = state_part[2 * h + j];
    n[j] = tanh_of(n[j] + r[j] * hidden_new[j]);
    out[j] = n[j] + z[j] * (before[j] - n[j]);
  }
}

template <class T>
MX_INLINE void plain_row(int64_t h, const T* __restrict gates, T* __restrict out, bool relu) {
  if (relu) {
    MX_LOOP out[j] = gates[j] > T(0) ? gates[j] : T(0);
  } else {
    MX_LOOP out[j] = tanh_of(gates[j]);
  }
}

// The gradients by the gates before activation (da) from that by the output (dh, of the unprojected
// state), and that by the cells before (dc, in place).
template <class T>
MX_INLINE void lstm_row_backward(int64_t h, const T* __restrict dh, T* __restrict dc,
                                 const T* __restrict gates, const T* c_before,
                                 const T* __restrict c, T* __restrict da, Clip<T> clip) {
  const T *i = gates, *f = gates + h, *u = gates + 2 * h, *o = gates + 3 * h;
  MX_LOOP {
    const T squashed = tanh_of(c[j]);
    const bool inside = (c[j] > clip.low) & (c[j] < clip.high);
    const T d = inside ? dc[j] + dh[j] * o[j] * (T(1) - squashed * squashed) : T(0);
    da[j] = d * u[j] * i[j] * (T(1) - i[j]);
    da[h + j] = d * c_before[j] * f[j] * (T(1) - f[j]);
    da[2 * h + j] = d * i[j] * (T(1) - u[j] * u[j]);
    da[3 * h + j] = dh[j] * squashed * o[j] * (T(1) - o[j]);
    dc[j] = d * f[j];
  }
}

// As above; ds: the gradient by the state's part of the gates; dh becomes what goes straight to the
// state before.
template <class T>
MX_INLINE void gru_row_backward(int64_t h, T* __restrict dh, const T* __restrict gates,
                                const T* __restrict hidden_new, const T* __restrict before,
                                T* __restrict da, T* __restrict ds) {
  const T *r = gates, *z = gates + h, *n = gates + 2 * h;
  MX_LOOP {
    const T dn = dh[j] * (T(1) - z[j]) * (T(1) - n[j] * n[j]);
    const T dz = dh[j] * (before[j] - n[j]) * z[j] * (T(1) - z[j]);
    const T dr = dn * hidden_new[j] * r[j] * (T(1) - r[j]);
    da[j] = ds[j] = dr;
    da[h + j] = ds[h + j] = dz;
    da[2 * h + j] = dn;
    ds[2 * h + j] = dn * r[j];
    dh[j] *= z[j];
  }
}

template <class T>
MX_INLINE void plain_row_backward(int64_t h, T* __restrict dh, const T* __restrict out,
                                  T* __restrict da, bool relu) {
  if (relu) {
    MX_LOOP da[j] = out[j] > T(0) ? dh[j] : T(0);
  } else {
    MX_LOOP da[j] = dh[j] * (T(1) - out[j] * out[j]);
  }
  MX_LOOP dh[j] = T(0);
}

// The same over rows [begin, end) that are not over yet, compiled for each instruction set.
#define MX_ROWS(T)                                                                               \
  MX_CLONES void lstm_step(int64_t h, T* gates, const T* c_before, T* c, T* out, Clip<T> clip) { \
    lstm_row(h, gates, c_before, c, out, clip);                                                  \
  }                                                                                              \
  MX_CLONES void gru_step(int64_t h, T* gates, const T* state_part, const T* before,             \
                          T* hidden_new, T* out) {                                               \
    gru_row(h, gates, state_part, before, hidden_new, out);                                      \
  }                                                                                              \
  MX_CLONES void plain_step(int64_t h, const T* gates, T* out, bool relu) {                      \
    plain_row(h, gates, out, relu);                                                              \
  }                                                                                              \
  MX_CLONES void lstm_step_backward(int64_t h, const T* dh, T* dc, const T* gates,               \
                                    const T* c_before, const T* c, T* da, Clip<T> clip) {        \
    lstm_row_backward(h, dh, dc, gates, c_before, c, da, clip);                                  \
  }                                                                                              \
  MX_CLONES void gru_step_backward(int64_t h, T* dh, const T* gates, const T* hidden_new,        \
                                   const T* before, T* da, T* ds) {                              \
    gru_row_backward(h, dh, gates, hidden_new, before, da, ds);                                  \
  }                                                                                              \
  MX_CLONES void plain_step_backward(int64_t h, T* dh, const T* out, T* da, bool relu) {         \
    plain_row_backward(h, dh, out, da, relu);                                                    \
  }
MX_ROWS(float)
MX_ROWS(double)
#undef MX_ROWS
#undef MX_LOOP

// ---- both kernels
// ----------------------------------------------------------------------------------

// The sizes: steps t, rows n, units h, size p of the state (h without projection), gates g.
template <class T>
struct Layer {
  Mode mode;
  bool reverse, projected, has_lengths;
  Clip<T> clip;
  int64_t t, n, h, p, g;

  // gates: (t, n, g h); weight: (g h, p).
  Layer(const mx_signature& sig, const mx_tensor_type& gates, const mx_tensor_type& weight) {
    const Params params(sig);
    const auto text = params.text("mode");
    mode = text == "lstm"       ? Mode::lstm
           : text == "gru"      ? Mode::gru
           : text == "rnn_relu" ? Mode::relu
                                : Mode::tanh;
    g = mode == Mode::lstm ? 4 : mode == Mode::gru ? 3 : 1;
    reverse = params.boolean("reverse");
    projected = params.boolean("projected");
    has_lengths = params.boolean("has_lengths");
    clip = {static_cast<T>(params.number("clip_min", -HUGE_VAL)),
            static_cast<T>(params.number("clip_max", HUGE_VAL))};
    if (gates.ndim != 3 || weight.ndim != 2)
      throw std::invalid_argument("expects (t, n, g h) gates");
    n = gates.shape[1];
    t = n > 0 ? gates.shape[0] : 0;  // however many steps of no rows are none
    h = gates.shape[2] / g;
    p = weight.shape[1];
  }
  bool is_lstm() const { return mode == Mode::lstm; }
  bool is_gru() const { return mode == Mode::gru; }
  int64_t step(int64_t s) const { return reverse ? t - 1 - s : s; }
  double step_ns() const { return static_cast<double>(n * h * g) * (sizeof(T) == 4 ? 1.0 : 10.0); }
  double product_ns() const {
    return static_cast<double>(t) * (300 + static_cast<double>(n * g * h * p) / 25.0);
  }
  bool is_over(const int32_t* lengths, int64_t time, int64_t row) const {
    return lengths && time >= lengths[row];
  }
};

// in: gates' input part, h0, [lstm: c0], w, [gru: state bias], [projection], [lengths]
// out: states, last state, [lstm: last cells], gates, [lstm: cells | gru: new gate's state part]
template <class T>
struct Recurrent : Layer<T> {
  using L = Layer<T>;
  using L::g, L::h, L::n, L::p, L::t;
  Recurrent(const mx_signature& sig, mx_prepared& plan)
      : L(sig, sig.in[0], sig.in[Params(sig).text("mode") == "lstm" ? 3 : 2]) {
    const int64_t scratch = (this->is_gru() ? n * g * h : 0) + (this->projected ? n * h : 0);
    plan.workspace_bytes = static_cast<size_t>(scratch) * sizeof(T);
    plan.cost_ns = 50 + static_cast<double>(t) * this->step_ns() + this->product_ns();
    plan.inplace[this->is_lstm() ? 3 : 2] = 1u;
  }

  void operator()(const mx_call& call) const {
    int at = 0, to = 0;
    auto in = [&] { return static_cast<const T*>(call.in[at++]); };
    auto out = [&] { return static_cast<T*>(call.out[to++]); };
    const T *x = in(), *h0 = in(), *c0 = this->is_lstm() ? in() : nullptr, *w = in();
    const T* bias = this->is_gru() ? in() : nullptr;
    const T* projection = this->projected ? in() : nullptr;
    const int32_t* lengths = this->has_lengths ? static_cast<const int32_t*>(call.in[at]) : nullptr;
    T *states = out(), *h_last = out(), *c_last = this->is_lstm() ? out() : nullptr;
    T* gates = out();
    T* extra = this->is_lstm() || this->is_gru() ? out() : nullptr;
    T* state_part = static_cast<T*>(call.workspace);
    T* unprojected = state_part + (this->is_gru() ? n * g * h : 0);

    if (gates != x) std::copy_n(x, t * n * g * h, gates);
    const T *before = h0, *c_before = c0;
    for (int64_t s = 0; s < t; ++s) {
      const int64_t time = this->step(s);
      T* a = gates + time * n * g * h;
      T* y = states + time * n * p;
      T* more = extra ? extra + time * n * h : nullptr;
      if (this->is_gru()) {
        for (int64_t row = 0; row < n; ++row) std::copy_n(bias, g * h, state_part + row * g * h);
        gemm(false, true, n, g * h, p, before, p, w, p, T(1), state_part, g * h);
      } else {
        gemm(false, true, n, g * h, p, before, p, w, p, T(1), a, g * h);
      }
      parallel_for(n, 1, this->step_ns(), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          if (this->is_over(lengths, time, row)) continue;
          T* to_row = this->projected ? unprojected + row * h : y + row * h;
          if (this->is_lstm()) {
            lstm_step(h, a + row * g * h, c_before + row * h, more + row * h, to_row, this->clip);
          } else if (this->is_gru()) {
            gru_step(h, a + row * g * h, state_part + row * g * h, before + row * h, more + row * h,
                     to_row);
          } else {
            plain_step(h, a + row * h, to_row, this->mode == Mode::relu);
          }
        }
      });
      if (this->projected) gemm(false, true, n, p, h, unprojected, h, projection, h, T(0), y, p);
      for (int64_t row = 0; lengths && row < n; ++row) {
        if (!this->is_over(lengths, time, row)) continue;
        std::copy_n(before + row * p, p, y + row * p);
        if (this->is_lstm()) std::copy_n(c_before + row * h, h, more + row * h);
        if (this->is_gru()) std::fill_n(more + row * h, h, T(0));
      }
      before = y;
      if (this->is_lstm()) c_before = more;
    }
    std::copy_n(before, n * p, h_last);
    if (c_last) std::copy_n(c_before, n * h, c_last);
  }
};

// in: by the states, by the last state, [lstm: by the last cells], states, h0, [lstm: c0], w,
// gates,
//     [lstm: cells | gru: new gate's state part], [projection], [lengths]
// out: by the input part, h0, [lstm: c0], w, [gru: state bias], [projection]
template <class T>
struct RecurrentBackward : Layer<T> {
  using L = Layer<T>;
  using L::g, L::h, L::n, L::p, L::t;
  RecurrentBackward(const mx_signature& sig, mx_prepared& plan)
      : L(sig, sig.out[0], sig.out[Params(sig).text("mode") == "lstm" ? 3 : 2]) {
    plan.workspace_bytes =
        sizeof(T) * static_cast<size_t>(state_parts() + totals() + 2 * full() + 1);
    plan.cost_ns = 50 + 2 * static_cast<double>(t) * this->step_ns() + 2 * this->product_ns();
  }
  int64_t state_parts() const { return this->is_gru() ? t * n * g * h : 0; }
  int64_t totals() const { return this->projected ? t * n * p : 0; }
  int64_t full() const { return this->projected ? t * n * h : 0; }

  void operator()(const mx_call& call) const {
    int at = 0, to = 0;
    auto in = [&] { return static_cast<const T*>(call.in[at++]); };
    auto out = [&] { return static_cast<T*>(call.out[to++]); };
    const T *dstates = in(), *dh_last = in(), *dc_last = this->is_lstm() ? in() : nullptr;
    const T *states = in(), *h0 = in(), *c0 = this->is_lstm() ? in() : nullptr, *w = in(),
            *gates = in();
    const T* extra = this->is_lstm() || this->is_gru() ? in() : nullptr;
    const T* projection = this->projected ? in() : nullptr;
    const int32_t* lengths = this->has_lengths ? static_cast<const int32_t*>(call.in[at]) : nullptr;
    T *dx = out(), *dh = out(), *dc = this->is_lstm() ? out() : nullptr, *dw = out();
    T* dbias = this->is_gru() ? out() : nullptr;
    T* dprojection = this->projected ? out() : nullptr;
    T* dparts =
        this->is_gru() ? static_cast<T*>(call.workspace) : dx;  // by the state's part of the gates
    T* total = static_cast<T*>(call.workspace) + state_parts();
    T* dfull = total + totals();
    T* unprojected = dfull + full();

    std::copy_n(dh_last, n * p, dh);
    if (dc) std::copy_n(dc_last, n * h, dc);
    for (int64_t s = t; s-- > 0;) {
      const int64_t time = this->step(s);
      const int64_t earlier = this->step(s - 1);
      const T* before = s ? states + earlier * n * p : h0;
      const T* c_before = !this->is_lstm() ? nullptr : s ? extra + earlier * n * h : c0;
      for (int64_t i = 0; i < n * p; ++i) dh[i] += dstates[time * n * p + i];
      T* dh_full = dh;
      if (this->projected) {
        dh_full = dfull + time * n * h;
        gemm(false, false, n, h, p, dh, p, projection, h, T(0), dh_full, h);
        std::copy_n(dh, n * p, total + time * n * p);
      }
      parallel_for(n, 1, this->step_ns(), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          const int64_t i = time * n + row;
          T *da = dx + i * g * h, *ds = dparts + i * g * h;
          if (this->is_over(lengths, time, row)) {
            std::fill_n(da, g * h, T(0));
            if (ds != da) std::fill_n(ds, g * h, T(0));
            if (this->projected) {
              std::fill_n(total + i * p, p, T(0));
              std::fill_n(unprojected + i * h, h, T(0));
            }
            continue;  // dh and dc go on to the step before
          }
          if (this->is_lstm()) {
            const T* c = extra + i * h;
            lstm_step_backward(h, dh_full + row * h, dc + row * h, gates + i * g * h,
                               c_before + row * h, c, da, this->clip);
            if (this->projected)
              for (int64_t j = 0; j < h; ++j)
                unprojected[i * h + j] = gates[i * g * h + 3 * h + j] * std::tanh(c[j]);
            std::fill_n(dh + row * p, p, T(0));
          } else if (this->is_gru()) {
            gru_step_backward(h, dh + row * h, gates + i * g * h, extra + i * h, before + row * h,
                              da, ds);
          } else {
            plain_step_backward(h, dh + row * h, states + i * h, da, this->mode == Mode::relu);
          }
        }
      });
      gemm(false, false, n, p, g * h, dparts + time * n * g * h, g * h, w, p, T(1), dh, p);
    }
    sum_over_time(dparts, states, h0, dw, dbias);
    if (this->projected)
      gemm(true, false, p, h, t * n, total, p, unprojected, h, T(0), dprojection, h);
  }

 private:
  // dw = sum over steps of dparts^T (state before), in two products: the first step's and the
  // others'.
  void sum_over_time(const T* dparts, const T* states, const T* h0, T* dw, T* dbias) const {
    const int64_t step = n * g * h, rest = t > 0 ? (t - 1) * n : 0;
    const int64_t first = this->step(0);
    gemm(true, false, g * h, p, t > 0 ? n : 0, dparts + (t > 0 ? first * step : 0), g * h, h0, p,
         T(0), dw, p);
    if (rest > 0)
      gemm(true, false, g * h, p, rest, dparts + (this->reverse ? 0 : step), g * h,
           states + (this->reverse ? n * p : 0), p, T(1), dw, p);
    if (!dbias) return;
    std::fill_n(dbias, g * h, T(0));
    for (int64_t row = 0; row < t * n; ++row)
      for (int64_t j = 0; j < g * h; ++j) dbias[j] += dparts[row * g * h + j];
  }
};

}  // namespace

std::vector<mx_kernel> recurrent_kernels() {
  return {mx_kernel{"_recurrent", prepare_float<Recurrent<float>, Recurrent<double>>, 0},
          mx_kernel{"_recurrent_backward",
                    prepare_float<RecurrentBackward<float>, RecurrentBackward<double>>, 0}};
}

}  // namespace mx::cpu
