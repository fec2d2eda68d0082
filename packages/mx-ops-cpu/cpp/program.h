// A pointwise program (mx/pointwise.h) made ready to run: the interpreter shared by _pointwise and
// _reduce.
//
// The element space is cut into tiles that fit the L1 cache. For each tile the inputs are brought
// into their compute types, every instruction runs one vectorised loop over the tile, and the
// results are stored. What needs no conversion is not copied: instructions read user memory and
// write outputs directly. An input that broadcasts is expanded tile by tile, but one-element
// inputs, scalars, constants and short rows are expanded once per run.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "loops.h"
#include "mx/kernel.h"

namespace mx::cpu {

class Program {
 public:
  // Reads the program from sig's parameters; its inputs broadcast to `space`. outputs: store into
  // sig's outputs; otherwise the one result is only read through Evaluator::value. Without the
  // parameter "code" the program is "return input 0", in that input's natural compute type.
  Program(const mx_signature& sig, Shape space, bool outputs);

  int64_t count() const { return count_; }
  int64_t tile() const { return tile_; }
  // Compute type of the (first) result.
  int64_t result_type() const { return operands_[outs_[0]].type; }
  // Estimated nanoseconds of one element on one core, memory traffic included.
  double element_cost() const { return element_cost_; }
  // Inputs whose memory output j may share.
  uint32_t inplace(int output) const { return inplace_[output]; }
  // Evaluator::value may be asked for any number of elements at once: it is the input's own memory.
  bool is_plain_input() const {
    return steps_.empty() && operands_[outs_[0]].place == Place::direct;
  }
  // The whole program is one loop from user memory to output 0: run_single does it, without an
  // evaluator.
  bool is_single_loop() const { return single_.loop != nullptr; }
  void run_single(const mx_call& call, int64_t begin, int64_t end) const {
    alignas(8) char number[8];
    if (single_fill_.operand >= 0) write_first(single_fill_, call, number);
    auto at = [&](int operand) -> const char* {
      if (operand == single_fill_.operand) return number;
      return static_cast<const char*>(call.in[operand]) +
             begin * static_cast<int64_t>(input_bytes_[operand]);
    };
    single_.loop(static_cast<char*>(call.out[0]) + begin * static_cast<int64_t>(output_bytes_[0]),
                 at(single_.a), at(single_.b), at(single_.c), end - begin);
  }

  class Evaluator;

 private:
  friend class Evaluator;

  enum class Place {
    direct,    // user memory of an input: base + index
    slot,      // a tile in scratch memory
    periodic,  // a short row, repeated in scratch for a tile from any start
  };
  struct Operand {
    int64_t type = 0;
    Place place = Place::slot;
    int64_t offset = 0;  // in scratch, bytes
    int64_t period = 0;
    int output =
        -1;  // a temporary that is written straight into this output (unless memory is shared)
  };
  struct Step {
    Loop loop;
    int dst, a, b, c;
    int64_t opcode = -1;
    int exponent = -1;  // of a power: the runtime scalar that is its exponent
    Loop squared = nullptr;
  };
  // A conversion of an input, per tile.
  struct Load {
    int operand;               // an input
    Loop convert;              // nullptr: expanded straight into the operand's slot
    bool expands;              // by `dims`; otherwise the tile is contiguous in the input
    int64_t raw_offset = 0;    // scratch for the expanded, not yet converted tile
    Shape sizes{}, strides{};  // collapsed; the innermost stride is 0 or 1
  };
  // What is expanded once per run.
  struct Fill {
    int operand;
    enum { input, constant, scalar } kind;
    int index;
    double value = 0;
    bool first_only = true;  // all its readers are loops with a single-element operand
  };
  struct Store {
    int operand, output;
    Loop convert;
    bool skipped_when_direct;
  };

  void read_code(const mx_signature& sig, const std::vector<double>& constants);
  void add_steps(const Shape& code, const std::vector<double>& constants);
  void place_inputs(const mx_signature& sig);
  void place_input(const mx_signature& sig, int i);
  void place_outputs(const mx_signature& sig);
  void place_temporaries();
  void find_sharing(const mx_signature& sig);
  void estimate_cost(const mx_signature& sig);
  void choose_tile();
  void lay_out_scratch();
  void choose_single_loop();
  void choose_forms();
  bool is_one_element(int operand) const;
  void write_first(const Fill& fill, const mx_call& call, void* to) const;
  int64_t add_area(int64_t elements);

  int n_in_ = 0, n_scalars_ = 0, first_temp_ = 0;
  Shape space_;
  int64_t count_ = 0;
  int64_t tile_ = 0;
  Step single_{};
  Fill single_fill_{-1, Fill::constant, 0};  // the one-element operand of single_, if any
  double element_cost_ = 0;
  size_t scratch_bytes_ = 0;
  size_t lane_ = 4;  // bytes of an element of a slot
  std::vector<Operand> operands_;
  std::vector<size_t> input_bytes_;  // element size of each input
  std::vector<int32_t> input_dtype_;
  std::vector<int> temp_slot_;  // slot number of each temporary
  int n_slots_ = 0;
  std::vector<Step> steps_;
  std::vector<Load> loads_;
  std::vector<Fill> fills_;
  std::vector<Store> stores_;
  std::vector<int> directs_, periodics_, direct_temps_;
  Shape outs_;
  std::vector<size_t> output_bytes_;
  std::array<uint32_t, MX_MAX_OUTPUTS_INPLACE> inplace_{};
  // Inputs read directly after output j's direct write: sharing their memory forbids that write.
  std::vector<std::vector<int>> read_later_;
};

// One thread's run of a program. Uses this thread's scratch memory: one evaluator at a time per
// thread.
class Program::Evaluator {
 public:
  // `longest` bounds the elements that will be asked for: expansions need not be longer.
  Evaluator(const Program& program, const mx_call& call, int64_t longest);
  Evaluator(const Evaluator&) = delete;

  // Computes elements [begin, end) and stores them into the outputs.
  void run(int64_t begin, int64_t end);
  // The (first) result of elements [begin, begin + count), count <= tile() (any, for a plain
  // input); valid until the next call.
  const void* value(int64_t begin, int64_t count);

 private:
  void fill(int64_t longest);
  void evaluate(int64_t begin, int64_t count);

  const Program& program_;
  const mx_call& call_;
  char* scratch_ = nullptr;
  bool shared_ =
      false;  // an output shares memory so that nothing may be written into outputs directly
  std::array<char*, 64> few_;
  std::unique_ptr<char*[]> many_;
  char** data_;  // where each operand's tile is now
};

}  // namespace mx::cpu
