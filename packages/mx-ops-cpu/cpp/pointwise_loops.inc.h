// Included once per compute type, with MX_T (the C++ type) defined: defines the loops of that type and
//   constexpr std::array<Loop, kOpcodes> make_table()
// in the including file's anonymous namespace.
//
// ivdep: source and destination are the same memory or disjoint, so no iteration needs another's result.

// A call op::name(...) where MX_T has that operator; the others get an empty loop that no table lists.
#define MX_LOOP_BODY_1(name)                                             \
  if constexpr (requires(T x) { op::name(x); }) {                        \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) dst[i] = op::name(a[i]); \
  }
#define MX_LOOP_BODY_2(name)                                             \
  if constexpr (requires(T x) { op::name(x, x); }) {                     \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) dst[i] = op::name(a[i], b[i]); \
  }
#define MX_LOOP_BODY_3(name)                                             \
  if constexpr (requires(T x) { op::name(x, x, x); }) {                  \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) dst[i] = op::name(a[i], b[i], c[i]); \
  }
#define MX_DEFINE_BODY(number, name, operands, classes)                                             \
  template <class T>                                                                                \
  MX_INLINE void name##_body([[maybe_unused]] T* dst, [[maybe_unused]] const T* a,                  \
                             [[maybe_unused]] const T* b, [[maybe_unused]] const T* c,              \
                             [[maybe_unused]] int64_t n) {                                          \
    MX_LOOP_BODY_##operands(name)                                                                   \
  }
MX_POINTWISE_OPCODES(MX_DEFINE_BODY)
#undef MX_DEFINE_BODY

#define MX_DEFINE_LOOP(number, name, operands, classes)                                          \
  MX_CLONES void name##_loop(void* dst, const void* a, const void* b, const void* c, int64_t n) { \
    name##_body<MX_T>(static_cast<MX_T*>(dst), static_cast<const MX_T*>(a),                      \
                      static_cast<const MX_T*>(b), static_cast<const MX_T*>(c), n);              \
  }
MX_POINTWISE_OPCODES(MX_DEFINE_LOOP)
#undef MX_DEFINE_LOOP

constexpr bool has_class(const char* classes) {
  const char wanted = std::is_floating_point_v<MX_T> ? 'f' : 'i';
  for (; *classes; ++classes)
    if (*classes == 'a' || *classes == wanted) return true;
  return false;
}

std::array<Loop, kOpcodes> make_table() {
  std::array<Loop, kOpcodes> table{};
#define MX_TABLE_ENTRY(number, name, operands, classes) \
  if (has_class(classes)) table[number] = name##_loop;
  MX_POINTWISE_OPCODES(MX_TABLE_ENTRY)
#undef MX_TABLE_ENTRY
  return table;
}
