// Loops in double.
#include <array>

#include "loops.h"
#include "pointwise_ops.h"

#define MX_T double

namespace mx::cpu {
namespace {

#include "pointwise_loops.inc.h"

}  // namespace

Loop f64_loop(int64_t opcode, Form form) {
  static const Table table = make_table();
  return table[static_cast<size_t>(opcode)][static_cast<size_t>(form)];
}

}  // namespace mx::cpu
