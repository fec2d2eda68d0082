// The plans of calls seen before: open addressing, the least recently used quarter leaves when it
// is full.
#pragma once

#include <vector>

#include "op_object.h"
#include "pyerror.h"

namespace mx {

struct CacheEntry {
  uint64_t hash;
  Op *op;
  Object params;
  Device *device;
  bool train;
  uint64_t absent;
  std::vector<uintptr_t> types;  // TensorType pointers; bit 0: a gradient is wanted for this input
  Ref<Plan> plan;
  uint64_t used;
};

// The cached plan of the call; compiled by Python when there is none yet.
// types: one per present input, a TensorType pointer with bit 0 set where a gradient is wanted.
CacheEntry *plan_for(const Call &call, Device *device, bool train, const uintptr_t *types);

void forget_plans(Op *op);  // of an operator that dies

}  // namespace mx
