/* Pointwise programs: the one language in which every elementwise operator, and every fused chain of
 * them, reaches a device. A program is executed once per output element; a device pack implements one
 * kernel named "_pointwise" that runs any program. docs/pointwise.md explains it with an example.
 *
 * Parameters of "_pointwise" (all in mx_signature.params):
 *   code    INTS    six numbers per instruction: opcode, type, dst, a, b, c
 *   consts  FLOATS  constant operands
 *   outs    INTS    operand stored into output j, for each output
 *   n_temp  INT     number of temporaries
 *   types   INTS    compute type (mx_compute) of every operand, in operand order
 * Operand numbers: 0..n_in-1 the inputs, then the constants, then the runtime scalars (n_scalars), then the
 * temporaries. Each temporary is written exactly once. dst is always a temporary.
 * `type` is the compute type of the instruction: its operands a, b, c have it, and so has dst, except
 * for MX_PW_CAST, whose `type` is that of dst while operand a has its own. Scalars and constants are
 * available in any type (types[] says in which; a constant used in two types appears twice).
 * An input is converted from its storage type to its compute type when loaded, an operand to the storage
 * type of the output when stored: f16 and bf16 compute in f32; int8, uint8, bool and int32 in i32. Storing
 * to a narrower integer wraps; storing to bool stores x != 0; storing a float to an integer truncates toward
 * zero (NaN and out of range: unspecified value, never a trap).
 * All outputs have one shape; every input's shape broadcasts to it by NumPy's rules (right-aligned).
 * An output may be the same memory as an input of the same shape and element size.
 * Integer arithmetic wraps; integer x / 0 and x % 0 give 0.
 */
#ifndef MX_POINTWISE_H_
#define MX_POINTWISE_H_

typedef enum mx_compute { MX_C_F32 = 0, MX_C_F64 = 1, MX_C_I32 = 2, MX_C_I64 = 3 } mx_compute;

/* X(number, name, operands, classes): classes "f" floating only, "a" all compute types. Numbers never change. */
#define MX_POINTWISE_OPCODES(X)                                                                       \
  X(0, copy, 1, "a") X(1, cast, 1, "a") X(2, add, 2, "a") X(3, sub, 2, "a") X(4, mul, 2, "a")           \
  X(5, div, 2, "a") /* integers: truncated */                                                         \
  X(6, mod, 2, "a") /* sign of the divisor, as MXNet and Python; x mod 0 = 0 */                        \
  X(7, power, 2, "a") X(8, maximum, 2, "a") X(9, minimum, 2, "a") X(10, hypot, 2, "f")                 \
  X(11, equal, 2, "a") X(12, not_equal, 2, "a") X(13, lesser, 2, "a") X(14, lesser_equal, 2, "a")      \
  X(15, greater, 2, "a") X(16, greater_equal, 2, "a")                                                 \
  X(17, logical_and, 2, "a") X(18, logical_or, 2, "a") X(19, logical_xor, 2, "a")                      \
  X(20, logical_not, 1, "a") X(21, negative, 1, "a") X(22, abs, 1, "a") X(23, sign, 1, "a")            \
  X(24, round, 1, "a") /* half away from zero */                                                      \
  X(25, rint, 1, "a")  /* MXNet: ties to the lower neighbour */                                       \
  X(26, ceil, 1, "a") X(27, floor, 1, "a") X(28, trunc, 1, "a") X(29, square, 1, "a")                  \
  X(30, sqrt, 1, "f") X(31, rsqrt, 1, "f") X(32, cbrt, 1, "f") X(33, rcbrt, 1, "f") X(34, exp, 1, "f") \
  X(35, log, 1, "f") X(36, log10, 1, "f") X(37, log2, 1, "f") X(38, log1p, 1, "f") X(39, expm1, 1, "f") \
  X(40, sin, 1, "f") X(41, cos, 1, "f") X(42, tan, 1, "f") X(43, arcsin, 1, "f") X(44, arccos, 1, "f") \
  X(45, arctan, 1, "f") X(46, sinh, 1, "f") X(47, cosh, 1, "f") X(48, tanh, 1, "f")                    \
  X(49, arcsinh, 1, "f") X(50, arccosh, 1, "f") X(51, arctanh, 1, "f") X(52, arctan2, 2, "f")          \
  X(53, gamma, 1, "f") X(54, gammaln, 1, "f") X(55, digamma, 1, "f") X(56, erf, 1, "f")                \
  X(57, erfinv, 1, "f") X(58, sigmoid, 1, "f") X(59, relu, 1, "a") /* NaN stays NaN */                 \
  X(60, reciprocal, 1, "a") X(61, where, 3, "a") /* a != 0 ? b : c */                                  \
  X(62, isnan, 1, "f") X(63, isinf, 1, "f") X(64, isfinite, 1, "f") X(65, softrelu, 1, "f") /* log1p(exp(x)), no overflow */ \
  X(66, bitwise_and, 2, "i") X(67, bitwise_or, 2, "i") X(68, bitwise_xor, 2, "i") X(69, bitwise_not, 1, "i") \
  X(70, fma, 3, "a") /* a * b + c */                                                                  \
  X(71, floor_divide, 2, "a") X(72, fmod, 2, "a") /* sign of the dividend, as C */

typedef enum mx_pointwise_op {
#define MX_PW_ENUM(number, name, operands, classes) MX_PW_##name = number,
  MX_POINTWISE_OPCODES(MX_PW_ENUM)
#undef MX_PW_ENUM
} mx_pointwise_op;

#endif /* MX_POINTWISE_H_ */
