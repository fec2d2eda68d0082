// The autograd tape: a node for each recorded call, kept alive by the arrays that came out of it.
//
// A node keeps only what the gradient of its plan reads. backward() walks the nodes from the newest
// to the oldest and replays cached gradient plans; Python is entered only to compile a plan seen
// for the first time. All under the GIL.
#pragma once

#include <Python.h>

#include <vector>

#include "plan.h"
#include "pyerror.h"
#include "tensor.h"

namespace mx {

struct TapeNode;
struct Variable;

// Where the gradient of an array flows: output `index` of a node, or a variable. Owning.
struct Edge {
  Ref<TapeNode> node;
  Ref<Variable> variable;
  int32_t index = 0;
  explicit operator bool()
      const;  // there is something to differentiate for: not a variable with grad_req null
  bool operator==(const Edge &o) const {
    return node.get() == o.node.get() && variable.get() == o.variable.get() && index == o.index;
  }
};

enum GradReq : int32_t { kNull = 0, kWrite = 1, kAdd = 3 };  // MXNet's numbers

// An array marked by attach_grad: the place its gradient is written to.
struct Variable {
  int32_t references = 1;
  int32_t req = kWrite;
  bool fresh = false;        // written by a backward since the optimizer last looked
  PyObject *grad = nullptr;  // NDArray, owned
  // During one backward:
  uint64_t pass = 0;
  int32_t expected = 0, arrived = 0;  // contributions
  Tensor sum;
  Edge sum_edge;         // create_graph
  bool own_sum = false;  // sum's memory may be added into
  ~Variable() { Py_XDECREF(grad); }
  void retain() { ++references; }
  void drop() {
    if (--references == 0) delete this;
  }
};

inline Edge::operator bool() const { return node || (variable && variable->req != kNull); }

struct SavedTensor {
  Tensor tensor;
  uint64_t version;
};

struct TapeNode {
  int32_t references = 1;
  uint64_t order = 0;  // newer is larger
  enum Kind : uint8_t { kPlan, kReshape, kCustom } kind = kPlan;
  bool released = false;  // a backward without retain_graph has used it up
  Ref<Plan> plan;
  std::vector<Edge> inputs;       // kPlan: one per plan.grad_inputs; else one per input
  std::vector<Edge> saved_edges;  // of saved inputs, for create_graph
  std::vector<SavedTensor> saved;
  std::vector<mx_scalar> scalars;
  std::vector<const TensorType *> outputs;
  const TensorType *input_type = nullptr;  // kReshape
  PyObject *custom = nullptr;  // kCustom: callable(list of head gradients) -> list of gradients
  // During one backward:
  uint64_t pass = 0;
  struct Incoming {
    Tensor tensor;
    Edge edge;
    bool own = false;
  };
  std::vector<Incoming> incoming;

  ~TapeNode();
  void release();  // forgets what backward needs
  void retain() { ++references; }
  void drop();
};

struct Tape {  // per thread
  bool recording = false, training = false;
};
extern thread_local Tape tape;

// Records plan(ins) -> outs; in_edges: one per input of the plan. Returns the node.
Ref<TapeNode> record_plan(Plan &plan, const Tensor *const *ins, const Edge *const *in_edges,
                          const Tensor *outs, const mx_scalar *scalars);
Ref<TapeNode> record_custom(
    PyObject *callable);  // a node that calls Python; its inputs and outputs are set by the caller
Ref<TapeNode> record_reshape(const Edge &input, const TensorType *from, const TensorType *to);

struct Gradient {
  Tensor tensor;
  Edge edge;
};

// heads with their gradients (an unset tensor: ones). variables empty: gradients go to the
// variables' own arrays; otherwise the gradients of these are returned and nothing else is written.
std::vector<Gradient> backward(const std::vector<Gradient> &heads,
                               const std::vector<Tensor> &head_values,
                               const std::vector<Edge> &variables, bool retain_graph,
                               bool create_graph);

void bind_tape(PyObject *module);  // set_recording, backward, RecordScope, ...

}  // namespace mx
