// Converting arrays between element types.
#pragma once

#include <cstdint>

namespace mx::cpu {

// Reads n elements from src, writes them to dst; both contiguous and not overlapping.
using ConvertFn = void (*)(const void* src, void* dst, int64_t n);

// The loop for this pair of mx_dtype. Floats become integers by truncation toward zero, bool by x
// != 0; wider integers wrap. Throws Unsupported for an unknown dtype.
ConvertFn converter(int32_t from, int32_t to);

}  // namespace mx::cpu
