// Runs a Program on one thread.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "program.h"
#include "vecmath.h"

namespace mx::cpu {
namespace {

// Scratch memory of this thread, kept between runs and grown when a program needs more.
class Scratch {
 public:
  ~Scratch() { std::free(data_); }
  char* at_least(size_t bytes) {
    if (bytes > size_) {
      std::free(data_);
      size_ = std::max<size_t>((bytes + 4095) & ~size_t{4095}, 64 << 10);
      data_ = static_cast<char*>(std::aligned_alloc(64, size_));
      if (!data_) {
        size_ = 0;
        throw std::bad_alloc();
      }
    }
    return data_;
  }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

char* thread_scratch(size_t bytes) {
  static thread_local Scratch scratch;
  return scratch.at_least(bytes);
}

constexpr int64_t kShortRun = 16;

// Repeats the first `period` bytes up to `bytes`, doubling what is there.
void repeat(char* data, size_t period, size_t bytes) {
  for (size_t done = period; done < bytes;) {
    const size_t step = std::min(done, bytes - done);
    std::memcpy(data + done, data, step);
    done += step;
  }
}

// Writes elements [begin, begin + count) of the broadcast view (sizes, strides) of src. T stands
// for any type of its size.
template <class T>
MX_INLINE void expand(T* dst, const T* src, const Shape& sizes, const Shape& strides, int64_t begin,
                      int64_t count) {
  const int last = static_cast<int>(sizes.size()) - 1;
  int64_t position[MX_MAX_NDIM];
  int64_t rest = begin;
  int64_t row = 0;  // offset of the innermost row in src
  for (int d = last; d >= 0; --d) {
    position[d] = rest % sizes[d];
    rest /= sizes[d];
    if (d < last) row += position[d] * strides[d];
  }
  const int64_t width = sizes[last];
  const bool copies = strides[last] != 0;
  const bool repeats =
      copies && last > 0 && strides[last - 1] == 0;  // whole rows, one after another
  int64_t column = position[last];
  while (count > 0) {
    int64_t n = std::min(width - column, count);
    if (repeats && n == width) {
      const int64_t rows = std::min(sizes[last - 1] - position[last - 1], count / width);
      for (int64_t i = 0; i < width; ++i) dst[i] = src[row + i];
      n = rows * width;
      repeat(reinterpret_cast<char*>(dst), static_cast<size_t>(width) * sizeof(T),
             static_cast<size_t>(n) * sizeof(T));
      position[last - 1] += rows - 1;
    } else if (!copies) {
      const T value = src[row];
      // A short run is written as one full vector where there is room: the next run overwrites the
      // rest.
      if (n < kShortRun && count >= kShortRun)
        for (int64_t i = 0; i < kShortRun; ++i) dst[i] = value;
      else
        for (int64_t i = 0; i < n; ++i) dst[i] = value;
    } else if (n < kShortRun) {
      for (int64_t i = 0; i < n; ++i) dst[i] = src[row + column + i];
    } else {
      std::memcpy(dst, src + row + column, static_cast<size_t>(n) * sizeof(T));
    }
    dst += n;
    count -= n;
    column = 0;
    for (int d = last - 1; d >= 0; --d) {
      row += strides[d];
      if (++position[d] < sizes[d]) break;
      row -= strides[d] * sizes[d];
      position[d] = 0;
    }
  }
}

#define MX_DEFINE_EXPAND(bytes, T)                                                          \
  MX_CLONES void expand_##bytes(void* dst, const void* src, const Shape& sizes,             \
                                const Shape& strides, int64_t begin, int64_t count) {       \
    expand(static_cast<T*>(dst), static_cast<const T*>(src), sizes, strides, begin, count); \
  }
MX_DEFINE_EXPAND(1, uint8_t)
MX_DEFINE_EXPAND(2, uint16_t)
MX_DEFINE_EXPAND(4, uint32_t)
MX_DEFINE_EXPAND(8, uint64_t)
#undef MX_DEFINE_EXPAND

void expand_bytes(size_t element, void* dst, const void* src, const Shape& sizes,
                  const Shape& strides, int64_t begin, int64_t count) {
  switch (element) {
    case 1:
      return expand_1(dst, src, sizes, strides, begin, count);
    case 2:
      return expand_2(dst, src, sizes, strides, begin, count);
    case 4:
      return expand_4(dst, src, sizes, strides, begin, count);
    default:
      return expand_8(dst, src, sizes, strides, begin, count);
  }
}

template <class T>
void fill_with_first(void* data, int64_t n) {
  T* values = static_cast<T*>(data);
  std::fill(values + 1, values + n, values[0]);
}

}  // namespace

Program::Evaluator::Evaluator(const Program& program, const mx_call& call, int64_t longest)
    : program_(program), call_(call) {
  const size_t n = program.operands_.size();
  if (n > few_.size()) many_ = std::make_unique<char*[]>(n);
  data_ = many_ ? many_.get() : few_.data();
  if (program.scratch_bytes_) {
    scratch_ = thread_scratch(program.scratch_bytes_);
    for (size_t o = 0; o < n; ++o) data_[o] = scratch_ + program.operands_[o].offset;
  }
  for (size_t j = 0; j < program.read_later_.size(); ++j)
    for (int input : program.read_later_[j]) shared_ |= call.in[input] == call.out[j];
  if (!program.fills_.empty()) fill(std::min(longest, program.tile_));
}

void Program::write_first(const Fill& fill, const mx_call& call, void* to) const {
  const int64_t type = operands_[fill.operand].type;
  if (fill.kind == Fill::input) {
    load_loop(input_dtype_[fill.index], type)(to, call.in[fill.index], nullptr, nullptr, 1);
    return;
  }
  const bool constant = fill.kind == Fill::constant;
  const double f = constant ? fill.value : call.scalars[fill.index].f;
  const int64_t i = constant ? static_cast<int64_t>(fill.value) : call.scalars[fill.index].i;
  const float single = static_cast<float>(f);
  const auto narrow = static_cast<int32_t>(i);
  switch (type) {
    case MX_C_F32:
      std::memcpy(to, &single, 4);
      break;
    case MX_C_F64:
      std::memcpy(to, &f, 8);
      break;
    case MX_C_I32:
      std::memcpy(to, &narrow, 4);
      break;
    case MX_C_I64:
      std::memcpy(to, &i, 8);
      break;
  }
}

void Program::Evaluator::fill(int64_t longest) {
  for (const Fill& fill : program_.fills_) {
    const Operand& operand = program_.operands_[fill.operand];
    char* data = scratch_ + operand.offset;
    const size_t size = compute_size(operand.type);
    if (operand.period) {
      load_loop(program_.input_dtype_[fill.index], operand.type)(data, call_.in[fill.index],
                                                                 nullptr, nullptr, operand.period);
      repeat(data, static_cast<size_t>(operand.period) * size,
             static_cast<size_t>(longest + operand.period) * size);
      continue;
    }
    program_.write_first(fill, call_, data);
    if (fill.first_only) continue;
    if (size == 4)
      fill_with_first<uint32_t>(data, longest);
    else
      fill_with_first<uint64_t>(data, longest);
  }
}

void Program::Evaluator::evaluate(int64_t begin, int64_t count) {
  const Program& p = program_;
  for (int i : p.directs_)
    data_[i] = static_cast<char*>(call_.in[i]) + begin * static_cast<int64_t>(p.input_bytes_[i]);
  for (int i : p.periodics_) {
    const Operand& operand = p.operands_[i];
    data_[i] = scratch_ + operand.offset +
               begin % operand.period * static_cast<int64_t>(compute_size(operand.type));
  }
  if (!shared_)
    for (int t : p.direct_temps_) {
      const int j = p.operands_[t].output;
      data_[t] =
          static_cast<char*>(call_.out[j]) + begin * static_cast<int64_t>(p.output_bytes_[j]);
    }
  for (const Load& load : p.loads_) {
    const size_t bytes = p.input_bytes_[load.operand];
    const char* source = static_cast<const char*>(call_.in[load.operand]);
    if (load.expands) {
      expand_bytes(bytes, scratch_ + load.raw_offset, source, load.sizes, load.strides, begin,
                   count);
      source = scratch_ + load.raw_offset;
    } else {
      source += begin * static_cast<int64_t>(bytes);
    }
    if (load.convert) load.convert(data_[load.operand], source, nullptr, nullptr, count);
  }
  for (const Step& step : p.steps_) {
    const bool squares = step.exponent >= 0 && call_.scalars[step.exponent].f == 2.0;
    (squares ? step.squared : step.loop)(data_[step.dst], data_[step.a], data_[step.b],
                                         data_[step.c], count);
  }
}

void Program::Evaluator::run(int64_t begin, int64_t end) {
  for (int64_t at = begin; at < end; at += program_.tile_) {
    const int64_t count = std::min(program_.tile_, end - at);
    evaluate(at, count);
    for (const Store& store : program_.stores_) {
      if (store.skipped_when_direct && !shared_) continue;
      char* out = static_cast<char*>(call_.out[store.output]) +
                  at * static_cast<int64_t>(program_.output_bytes_[store.output]);
      store.convert(out, data_[store.operand], nullptr, nullptr, count);
    }
  }
}

const void* Program::Evaluator::value(int64_t begin, int64_t count) {
  evaluate(begin, count);
  return data_[program_.outs_[0]];
}

}  // namespace mx::cpu
