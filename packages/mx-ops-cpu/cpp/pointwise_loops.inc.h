// Included once per compute type, with MX_T (the C++ type) defined: defines the loops of that type and
//   Table make_table()
// in the including file's anonymous namespace.
//
// ivdep: source and destination are the same memory or disjoint, so no iteration needs another's result.

// A call op::name(...) where MX_T has that operator; the others get an empty loop that no table lists.
#define MX_LOOP_BODY_1(name)                                             \
  if constexpr (requires(T x) { op::name(x); }) {                        \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) dst[i] = op::name(a[i]); \
  }
#define MX_LOOP_BODY_2(name, left, right)                                \
  if constexpr (requires(T x) { op::name(x, x); }) {                     \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) dst[i] = op::name(left, right); \
  }
#define MX_LOOP_BODY_3(name)                                             \
  if constexpr (requires(T x) { op::name(x, x, x); }) {                  \
    _Pragma("GCC ivdep") for (int64_t i = 0; i < n; ++i) dst[i] = op::name(a[i], b[i], c[i]); \
  }
#define MX_DEFINE_BODY_1(name)                                                                     \
  template <class T>                                                                               \
  MX_INLINE void name##_body([[maybe_unused]] T* dst, [[maybe_unused]] const T* a, const T*, const T*, \
                             [[maybe_unused]] int64_t n) {                                         \
    MX_LOOP_BODY_1(name)                                                                           \
  }
#define MX_DEFINE_BODY_2(name)                                                                     \
  template <class T>                                                                               \
  MX_INLINE void name##_body([[maybe_unused]] T* dst, [[maybe_unused]] const T* a,                 \
                             [[maybe_unused]] const T* b, const T*, [[maybe_unused]] int64_t n) {  \
    MX_LOOP_BODY_2(name, a[i], b[i])                                                               \
  }                                                                                                \
  template <class T>                                                                               \
  MX_INLINE void name##_right_body([[maybe_unused]] T* dst, [[maybe_unused]] const T* a,           \
                                   [[maybe_unused]] T b, [[maybe_unused]] int64_t n) {             \
    MX_LOOP_BODY_2(name, a[i], b)                                                                  \
  }                                                                                                \
  template <class T>                                                                               \
  MX_INLINE void name##_left_body([[maybe_unused]] T* dst, [[maybe_unused]] T a,                   \
                                  [[maybe_unused]] const T* b, [[maybe_unused]] int64_t n) {       \
    MX_LOOP_BODY_2(name, a, b[i])                                                                  \
  }
#define MX_DEFINE_BODY_3(name)                                                                     \
  template <class T>                                                                               \
  MX_INLINE void name##_body(T* dst, const T* a, const T* b, const T* c, int64_t n) {              \
    MX_LOOP_BODY_3(name)                                                                           \
  }
#define MX_DEFINE_BODY(number, name, operands, classes) MX_DEFINE_BODY_##operands(name)
MX_POINTWISE_OPCODES(MX_DEFINE_BODY)
#undef MX_DEFINE_BODY

// Two operands: three forms of the loop. One and three: one form.
#define MX_LOOP_HEAD(name, form) \
  MX_CLONES void name##_##form([[maybe_unused]] void* d, [[maybe_unused]] const void* x,           \
                               [[maybe_unused]] const void* y, [[maybe_unused]] const void* z,     \
                               [[maybe_unused]] int64_t n)
#define MX_LOOP_VECTORS(name)                                                                      \
  MX_LOOP_HEAD(name, loop) {                                                                       \
    name##_body<MX_T>(static_cast<MX_T*>(d), static_cast<const MX_T*>(x), static_cast<const MX_T*>(y), \
                      static_cast<const MX_T*>(z), n);                                             \
  }
#define MX_DEFINE_LOOP_1(name) MX_LOOP_VECTORS(name)
#define MX_DEFINE_LOOP_2(name)                                                                     \
  MX_LOOP_VECTORS(name)                                                                            \
  MX_LOOP_HEAD(name, right) {                                                                      \
    name##_right_body<MX_T>(static_cast<MX_T*>(d), static_cast<const MX_T*>(x), *static_cast<const MX_T*>(y), n); \
  }                                                                                                \
  MX_LOOP_HEAD(name, left) {                                                                       \
    name##_left_body<MX_T>(static_cast<MX_T*>(d), *static_cast<const MX_T*>(x), static_cast<const MX_T*>(y), n); \
  }
#define MX_DEFINE_LOOP_3(name) MX_LOOP_VECTORS(name)
#define MX_DEFINE_LOOP(number, name, operands, classes) MX_DEFINE_LOOP_##operands(name)
MX_POINTWISE_OPCODES(MX_DEFINE_LOOP)
#undef MX_DEFINE_LOOP

constexpr bool has_class(const char* classes) {
  const char wanted = std::is_floating_point_v<MX_T> ? 'f' : 'i';
  for (; *classes; ++classes)
    if (*classes == 'a' || *classes == wanted) return true;
  return false;
}

using Table = std::array<std::array<Loop, 3>, kOpcodes>;  // by opcode, then Form

Table make_table() {
  Table table{};
#define MX_FORMS_1(name) {name##_loop, nullptr, nullptr}
#define MX_FORMS_2(name) {name##_loop, name##_right, name##_left}
#define MX_FORMS_3(name) {name##_loop, nullptr, nullptr}
#define MX_TABLE_ENTRY(number, name, operands, classes) \
  if (has_class(classes)) table[number] = MX_FORMS_##operands(name);
  MX_POINTWISE_OPCODES(MX_TABLE_ENTRY)
#undef MX_TABLE_ENTRY
  return table;
}
