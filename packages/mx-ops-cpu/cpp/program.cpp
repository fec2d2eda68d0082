#include "program.h"

#include <algorithm>
#include <string>

namespace mx::cpu {
namespace {

constexpr int64_t kTileBudget = 24 << 10;  // bytes of scratch that should stay in a 32 kB L1 cache
constexpr int64_t kLongestTile = 2048, kShortestTile = 256;
constexpr int64_t kLongestPeriod =
    2048;  // elements of a row that is repeated once instead of copied per tile
constexpr int kFieldsPerInstruction = 6;

int operand_count(int64_t opcode) {
  switch (opcode) {
#define MX_OPERANDS(number, name, operands, classes) \
  case number:                                       \
    return operands;
    MX_POINTWISE_OPCODES(MX_OPERANDS)
#undef MX_OPERANDS
  }
  throw Unsupported("unknown pointwise opcode " + std::to_string(opcode));
}

// Merges neighbouring dimensions that one stride walks; drops those of size 1. At least one
// remains.
void collapse(const Shape& space, const Shape& strides, Shape& sizes_out, Shape& strides_out) {
  for (size_t d = 0; d < space.size(); ++d) {
    if (space[d] == 1) continue;
    if (!sizes_out.empty() && strides_out.back() == strides[d] * space[d]) {
      sizes_out.back() *= space[d];
      strides_out.back() = strides[d];
    } else {
      sizes_out.push_back(space[d]);
      strides_out.push_back(strides[d]);
    }
  }
  if (sizes_out.empty()) {
    sizes_out.push_back(1);
    strides_out.push_back(1);
  }
}

}  // namespace

Program::Program(const mx_signature& sig, Shape space, bool outputs)
    : n_in_(sig.n_in), n_scalars_(sig.n_scalars), space_(std::move(space)), count_(numel(space_)) {
  const Params params(sig);
  read_code(sig, params.has("consts") ? params.floats("consts") : std::vector<double>{});
  place_inputs(sig);
  choose_forms();
  if (outputs) place_outputs(sig);
  place_temporaries();
  if (outputs) find_sharing(sig);
  estimate_cost(sig);
  choose_tile();
  lay_out_scratch();
  if (outputs) choose_single_loop();
}

void Program::read_code(const mx_signature& sig, const std::vector<double>& constants) {
  const Params params(sig);
  for (int i = 0; i < n_in_; ++i) {
    input_bytes_.push_back(element_size(sig.in[i].dtype));
    input_dtype_.push_back(sig.in[i].dtype);
  }
  if (!params.has("code")) {
    if (n_in_ != 1) throw Unsupported("without a program there must be one input");
    operands_.resize(1);
    operands_[0].type = natural_compute(sig.in[0].dtype);
    first_temp_ = 1;
    outs_ = {0};
    return;
  }
  const Shape types = params.ints("types");
  const int64_t n_temp = params.integer("n_temp");
  first_temp_ = n_in_ + static_cast<int>(constants.size()) + n_scalars_;
  if (n_temp < 0 || static_cast<int64_t>(types.size()) != first_temp_ + n_temp)
    throw std::invalid_argument("pointwise program: types must name every operand");
  for (int64_t type : types) {
    if (type < MX_C_F32 || type > MX_C_I64)
      throw Unsupported("unknown compute type " + std::to_string(type));
    operands_.push_back({.type = type});
  }
  for (int i = n_in_; i < first_temp_; ++i) {
    const int constant = i - n_in_, scalar = constant - static_cast<int>(constants.size());
    if (scalar < 0)
      fills_.push_back({i, Fill::constant, constant, constants[constant]});
    else
      fills_.push_back({i, Fill::scalar, scalar});
  }
  outs_ = params.ints("outs");
  if (outs_.empty()) throw std::invalid_argument("pointwise program: no outputs");
  for (int64_t o : outs_)
    if (o < 0 || o >= static_cast<int64_t>(operands_.size()))
      throw std::invalid_argument("pointwise program: an output names no operand");
  add_steps(params.ints("code"), constants);
}

void Program::add_steps(const Shape& code, const std::vector<double>& constants) {
  if (code.size() % kFieldsPerInstruction)
    throw std::invalid_argument("pointwise program: truncated code");
  const auto n_operands = static_cast<int64_t>(operands_.size());
  for (size_t at = 0; at < code.size(); at += kFieldsPerInstruction) {
    const int64_t opcode = code[at], type = code[at + 1], dst = code[at + 2];
    const int used = operand_count(opcode);
    int64_t from[3];
    for (int k = 0; k < 3; ++k) {
      from[k] = code[at + 3 + (k < used ? k : 0)];  // operands not used repeat the first
      if (from[k] < 0 || from[k] >= n_operands)
        throw std::invalid_argument("pointwise program: operand out of range");
    }
    if (dst < first_temp_ || dst >= n_operands)
      throw std::invalid_argument("pointwise program: the destination must be a temporary");
    Step step{};
    step.dst = static_cast<int>(dst);
    step.a = static_cast<int>(from[0]);
    step.b = static_cast<int>(from[1]);
    step.c = static_cast<int>(from[2]);
    step.opcode = opcode;
    step.loop = opcode == MX_PW_cast ? cast_loop(operands_[step.a].type, type)
                                     : pointwise_loop(opcode, type);
    if (!step.loop)
      throw Unsupported("pointwise opcode " + std::to_string(opcode) +
                        " does not work in compute type " + std::to_string(type));
    if (opcode == MX_PW_power) {
      const int constant = step.b - n_in_, scalar = constant - static_cast<int>(constants.size());
      step.squared = pointwise_loop(MX_PW_square, type);
      if (scalar >= 0 && scalar < n_scalars_) step.exponent = scalar;
      if (constant >= 0 && scalar < 0 && constants[constant] == 2.0) step.loop = step.squared;
    }
    element_cost_ += opcode_cost(opcode, type);
    steps_.push_back(step);
  }
}

void Program::place_inputs(const mx_signature& sig) {
  for (int i = 0; i < n_in_; ++i) place_input(sig, i);
}

void Program::place_input(const mx_signature& sig, int i) {
  const mx_tensor_type& in = sig.in[i];
  Operand& operand = operands_[i];
  const bool converts = in.dtype != natural_dtype(operand.type);
  const Loop convert = load_loop(in.dtype, operand.type);
  if (numel(in) == count_) {
    if (!converts) {
      operand.place = Place::direct;
      directs_.push_back(i);
    } else {
      loads_.push_back({.operand = i, .convert = convert, .expands = false});
    }
    return;
  }
  if (numel(in) == 1) {
    fills_.push_back({i, Fill::input, i});
    return;
  }
  Load load{.operand = i, .convert = converts ? convert : nullptr, .expands = true};
  collapse(space_, broadcast_strides(shape_of(in), space_), load.sizes, load.strides);
  if (load.sizes.size() == 2 && load.strides[1] == 1 && load.sizes[1] <= kLongestPeriod) {
    operand.place = Place::periodic;
    operand.period = load.sizes[1];
    periodics_.push_back(i);
    fills_.push_back({i, Fill::input, i});
    return;
  }
  loads_.push_back(std::move(load));
}

bool Program::is_one_element(int operand) const {
  for (const Fill& fill : fills_)
    if (fill.operand == operand) return operands_[operand].period == 0;
  return false;
}

// Lets instructions with one single-element operand read just that element; the others need it
// expanded.
void Program::choose_forms() {
  auto expand = [&](int64_t operand) {
    for (Fill& fill : fills_) fill.first_only &= fill.operand != operand;
  };
  for (Step& step : steps_) {
    const int64_t type = operands_[step.dst].type;
    const bool left = is_one_element(step.a), right = is_one_element(step.b);
    const bool binary = operand_count(step.opcode) == 2 && left != right;
    const Loop loop =
        binary ? pointwise_loop(step.opcode, type, right ? Form::scalar_right : Form::scalar_left)
               : nullptr;
    if (loop && step.loop != step.squared) {
      step.loop = loop;
    } else {
      for (int operand : {step.a, step.b, step.c}) expand(operand);
    }
  }
  for (int64_t operand : outs_) expand(operand);
}

void Program::place_outputs(const mx_signature& sig) {
  if (sig.n_out != static_cast<int>(outs_.size()))
    throw std::invalid_argument("pointwise program: 'outs' must name one operand for each output");
  for (int j = 0; j < sig.n_out; ++j) {
    const int from = static_cast<int>(outs_[j]);
    Operand& operand = operands_[from];
    const bool same_type = sig.out[j].dtype == natural_dtype(operand.type);
    const bool direct = from >= first_temp_ && same_type && operand.output < 0;
    if (direct) {
      operand.output = j;
      direct_temps_.push_back(from);
    }
    stores_.push_back({from, j, store_loop(operand.type, sig.out[j].dtype), direct});
    output_bytes_.push_back(element_size(sig.out[j].dtype));
  }
}

// Gives each temporary a slot; a slot is free again after the last use of what it holds.
void Program::place_temporaries() {
  const int n_temp = static_cast<int>(operands_.size()) - first_temp_;
  const int n_steps = static_cast<int>(steps_.size());
  std::vector<int> last_use(n_temp, -1);
  auto use = [&](int64_t operand, int step) {
    if (operand >= first_temp_) last_use[operand - first_temp_] = step;
  };
  for (int k = 0; k < n_steps; ++k)
    for (int o : {steps_[k].dst, steps_[k].a, steps_[k].b, steps_[k].c}) use(o, k);
  for (int64_t o : outs_) use(o, n_steps);

  temp_slot_.assign(n_temp, -1);
  std::vector<int> free;
  for (int k = 0; k < n_steps; ++k) {
    const Step& step = steps_[k];
    // The destination may take the slot of an operand that ends here, except from a type of another
    // width.
    auto release = [&] {
      for (int o : {step.a, step.b, step.c}) {
        const int t = o - first_temp_;
        if (t >= 0 && last_use[t] == k && temp_slot_[t] >= 0 &&
            std::find(free.begin(), free.end(), temp_slot_[t]) == free.end())
          free.push_back(temp_slot_[t]);
      }
    };
    const bool same_width =
        compute_size(operands_[step.a].type) == compute_size(operands_[step.dst].type);
    if (same_width) release();
    int& slot = temp_slot_[step.dst - first_temp_];
    if (slot >= 0) throw std::invalid_argument("pointwise program: a temporary is written twice");
    if (free.empty()) {
      slot = n_slots_++;
    } else {
      slot = free.back();
      free.pop_back();
    }
    if (!same_width) release();
    if (last_use[step.dst - first_temp_] == k) free.push_back(slot);  // never read
  }
}

void Program::find_sharing(const mx_signature& sig) {
  read_later_.resize(stores_.size());
  // With several outputs, a store may come before the plain copy of an input that shares its
  // memory.
  bool copies_input = false;
  for (int64_t o : outs_) copies_input |= operands_[o].place == Place::direct && stores_.size() > 1;
  for (size_t j = 0; j < stores_.size(); ++j) {
    const int temp = stores_[j].skipped_when_direct ? stores_[j].operand : -1;
    bool written = false;
    for (const Step& step : steps_) {
      for (int o : {step.a, step.b, step.c})
        if (written && operands_[o].place == Place::direct) read_later_[j].push_back(o);
      written |= step.dst == temp;
    }
    if (copies_input || j >= MX_MAX_OUTPUTS_INPLACE) continue;
    for (int i = 0; i < n_in_ && i < 32; ++i)
      if (numel(sig.in[i]) == count_ && input_bytes_[i] == output_bytes_[j]) inplace_[j] |= 1u << i;
  }
}

void Program::estimate_cost(const mx_signature& sig) {
  double bytes = 0;
  for (int i = 0; i < n_in_; ++i)
    if (numel(sig.in[i]) == count_) bytes += static_cast<double>(input_bytes_[i]);
  for (size_t size : output_bytes_) bytes += static_cast<double>(size);
  element_cost_ += bytes / 40.0 + 0.1 * static_cast<double>(loads_.size());
}

void Program::choose_tile() {
  for (const Operand& operand : operands_) lane_ = std::max(lane_, compute_size(operand.type));
  for (size_t size : input_bytes_) lane_ = std::max(lane_, size);
  int64_t areas = n_slots_ + 2 * static_cast<int64_t>(loads_.size());
  for (const Fill& fill : fills_) areas += !fill.first_only;
  const int64_t fitting = kTileBudget / (std::max<int64_t>(areas, 1) * static_cast<int64_t>(lane_));
  tile_ = std::clamp(fitting, kShortestTile, kLongestTile) & ~int64_t{63};
  tile_ = std::min(tile_, (std::max<int64_t>(count_, 1) + 63) & ~int64_t{63});
}

int64_t Program::add_area(int64_t elements) {
  const auto offset = static_cast<int64_t>(scratch_bytes_);
  scratch_bytes_ += (static_cast<size_t>(elements) * lane_ + 63) & ~size_t{63};
  return offset;
}

void Program::lay_out_scratch() {
  std::vector<int64_t> slots(n_slots_);
  for (int64_t& offset : slots) offset = add_area(tile_);
  for (size_t t = 0; t < temp_slot_.size(); ++t)
    if (temp_slot_[t] >= 0) operands_[first_temp_ + t].offset = slots[temp_slot_[t]];
  for (Load& load : loads_) {
    operands_[load.operand].offset = add_area(tile_);
    load.raw_offset =
        load.expands && load.convert ? add_area(tile_) : operands_[load.operand].offset;
  }
  for (const Fill& fill : fills_)
    operands_[fill.operand].offset = add_area(fill.first_only && !operands_[fill.operand].period
                                                  ? 8
                                                  : tile_ + operands_[fill.operand].period);
}

void Program::choose_single_loop() {
  if (stores_.size() != 1) return;
  const Store& store = stores_[0];
  const bool one_element =
      fills_.size() == 1 && fills_[0].first_only && operands_[fills_[0].operand].period == 0;
  auto direct = [&](int o) {
    return operands_[o].place == Place::direct || (one_element && o == fills_[0].operand);
  };
  if (one_element) single_fill_ = fills_[0];
  if (steps_.empty() && operands_[store.operand].place == Place::direct) {
    single_ = {store.convert, 0, store.operand, store.operand, store.operand};
  } else if (steps_.empty() && loads_.size() == 1 && !loads_[0].expands &&
             loads_[0].operand == store.operand &&
             store.convert == load_loop(natural_dtype(operands_[store.operand].type),
                                        operands_[store.operand].type)) {
    single_ = {loads_[0].convert, 0, store.operand, store.operand, store.operand};
  } else if (steps_.size() == 1 && store.skipped_when_direct && steps_[0].exponent < 0 &&
             direct(steps_[0].a) && direct(steps_[0].b) && direct(steps_[0].c)) {
    single_ = steps_[0];
  }
}

}  // namespace mx::cpu
