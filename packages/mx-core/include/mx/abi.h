/* The C ABI between mx-core and every kernel or device package.
 *
 * Plain C, versioned, append-only: a struct grows at its end only, and `size` says how much of it the
 * other side knows. Tables are handed over as PyCapsules returned by the pluggy hooks mx_kernels
 * (capsule name MX_KERNEL_TABLE_CAPSULE) and mx_devices (MX_DEVICE_CAPSULE). Nothing else is shared:
 * no C++ class, no Python type. Tables and the strings in them live as long as the process.
 *
 * Tensors are always dense and row-major; a data pointer is aligned to at least its element size
 * (fresh arrays to 64 bytes; views into them only to the element). Shapes are validated by inference
 * before prepare() is called: kernels check what they support, never what the user meant.
 */
#ifndef MX_ABI_H_
#define MX_ABI_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MX_ABI_VERSION 1u
#define MX_KERNEL_TABLE_CAPSULE "mx.kernel_table.v1"
#define MX_DEVICE_CAPSULE "mx.device.v1"
#define MX_MAX_NDIM 32

/* Element types; the numbers are MXNet's type flags, which files contain. */
typedef enum mx_dtype {
  MX_FLOAT32 = 0,
  MX_FLOAT64 = 1,
  MX_FLOAT16 = 2,
  MX_UINT8 = 3,
  MX_INT32 = 4,
  MX_INT8 = 5,
  MX_INT64 = 6,
  MX_BOOL = 7,
  MX_BFLOAT16 = 12
} mx_dtype;

typedef struct mx_tensor_type {
  int32_t dtype; /* mx_dtype */
  int32_t ndim;  /* 0 is a scalar */
  const int64_t *shape;
} mx_tensor_type;

typedef enum mx_param_kind {
  MX_PARAM_NONE = 0, /* the value None */
  MX_PARAM_INT = 1,  /* i */
  MX_PARAM_FLOAT = 2,
  MX_PARAM_BOOL = 3,   /* i is 0 or 1 */
  MX_PARAM_STRING = 4, /* s, n bytes, zero-terminated */
  MX_PARAM_INTS = 5,   /* ints, n of them */
  MX_PARAM_FLOATS = 6
} mx_param_kind;

typedef struct mx_param {
  const char *name;
  int32_t kind; /* mx_param_kind */
  int32_t n;
  int64_t i;
  double f; /* also set for INT and BOOL */
  const char *s;
  const int64_t *ints;
  const double *floats;
} mx_param;

/* A runtime scalar: a parameter that stays out of the plan (learning rates, the 0.37 of x * 0.37). */
typedef struct mx_scalar {
  double f;
  int64_t i;
} mx_scalar;

/* What prepare() is asked for: one call of one kernel with these types. */
typedef struct mx_signature {
  uint32_t size; /* sizeof(mx_signature) of the caller */
  const char *op;
  int32_t device_id;
  int32_t n_in, n_out, n_params;
  const mx_tensor_type *in;
  const mx_tensor_type *out;
  const mx_param *params;
  int32_t n_scalars; /* runtime scalars the call will carry */
} mx_signature;

/* What run() is given. Pointers are device pointers of the prepared device. */
typedef struct mx_call {
  uint32_t size;
  void *const *in;
  void *const *out;
  const mx_scalar *scalars;
  void *workspace; /* workspace_bytes of 64-byte aligned memory, contents undefined */
  void *stream;    /* the device's stream, NULL where it has none */
  uint64_t seed;   /* Philox key of the device's random stream */
  uint64_t offset; /* first Philox counter this call owns (it owns random_blocks of them) */
  char *error;     /* run() writes its reason here (error_size bytes) before it returns non-zero */
  size_t error_size;
} mx_call;

typedef int (*mx_run_fn)(void *state, const mx_call *call); /* 0: done */

#define MX_MAX_OUTPUTS_INPLACE 8

/* What prepare() answers. Zero-initialised by the caller. */
typedef struct mx_prepared {
  uint32_t size;
  mx_run_fn run;
  void *state; /* must allow concurrent run() calls */
  void (*free_state)(void *state);
  size_t workspace_bytes;
  double cost_ns;         /* estimated time of one run on one core; decides inline or worker */
  uint64_t random_blocks; /* Philox counters (4 x 32 bits each) consumed per run, 0: none */
  /* Bit i of inplace[j]: output j may be the very memory of input i (same bytes, same start). */
  uint32_t inplace[MX_MAX_OUTPUTS_INPLACE];
} mx_prepared;

typedef enum mx_status {
  MX_OK = 0,
  MX_UNSUPPORTED = 1, /* not with these types or parameters: the next kernel or the composition is tried */
  MX_FAILED = 2
} mx_status;

/* message: reason for MX_UNSUPPORTED and MX_FAILED, zero-terminated. */
typedef int (*mx_prepare_fn)(const mx_signature *sig, mx_prepared *out, char *message, size_t message_size);

typedef struct mx_kernel {
  const char *op;
  mx_prepare_fn prepare;
  int32_t priority; /* tried from the highest down; first-party kernels have 0 */
} mx_kernel;

typedef struct mx_kernel_table {
  uint32_t abi_version; /* MX_ABI_VERSION the package was compiled with */
  uint32_t size;        /* sizeof(mx_kernel_table) */
  const char *package;  /* distribution name, for messages */
  const char *device;   /* device name the kernels run on: "cpu", "gpu" */
  int32_t n_kernels;
  const mx_kernel *kernels;
} mx_kernel_table;

/* A kind of device. Functions return 0 for success and write their reason into message otherwise. */
typedef struct mx_device {
  uint32_t abi_version;
  uint32_t size;
  const char *package;
  const char *name;    /* "cpu", "gpu" */
  int32_t device_type; /* MXNet's numbers, which files contain: cpu 1, gpu 2, cpu_pinned 3, cpu_shared 5 */
  int32_t host_memory; /* 1: the host may read and write its memory directly */
  int (*count)(void);  /* devices present now */
  int (*allocate)(int32_t id, size_t bytes, void **out, char *message, size_t message_size); /* 64-byte aligned */
  void (*release)(int32_t id, void *data, size_t bytes);
  /* Synchronous with respect to the calling worker: done when it returns. */
  int (*copy_from_host)(int32_t id, void *dst, const void *src, size_t bytes, void *stream, char *message, size_t message_size);
  int (*copy_to_host)(int32_t id, void *dst, const void *src, size_t bytes, void *stream, char *message, size_t message_size);
  /* Between two devices of this kind, or NULL: mx-core then goes through host memory. */
  int (*copy_peer)(int32_t dst_id, void *dst, int32_t src_id, const void *src, size_t bytes, void *stream, char *message, size_t message_size);
  /* NULL where the device has no streams. */
  int (*create_stream)(int32_t id, void **out, char *message, size_t message_size);
  void (*destroy_stream)(int32_t id, void *stream);
  int (*synchronize)(int32_t id, void *stream, char *message, size_t message_size);
  int (*memory_info)(int32_t id, uint64_t *free_bytes, uint64_t *total_bytes); /* or NULL */
  void (*after_fork_child)(void);    /* or NULL: called in the child of a fork, before anything else runs there */
  void (*set_num_threads)(int32_t n); /* or NULL: threads that one kernel may use on the calling thread */
} mx_device;

#ifdef __cplusplus
}
#endif
#endif /* MX_ABI_H_ */
