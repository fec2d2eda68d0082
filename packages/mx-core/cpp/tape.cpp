#include "tape.h"

#include <algorithm>
#include <cstring>

#include "array.h"
#include "call_args.h"
#include "op.h"

namespace mx {

thread_local Tape tape;

namespace {
uint64_t next_order = 0;
uint64_t next_pass = 0;
}  // namespace

Plan &gradient_plan(Plan &forward, const std::vector<int32_t> &heads,
                    const std::vector<int32_t> &recorded);

namespace {

// Spent nodes, kept with the capacity of their vectors: recording a call then allocates nothing.
constexpr size_t kSpareNodes = 1024;
std::vector<TapeNode *> spare_nodes;

Ref<TapeNode> new_node(TapeNode::Kind kind) {
  TapeNode *node;
  if (spare_nodes.empty()) {
    node = new TapeNode;
  } else {
    node = spare_nodes.back();
    spare_nodes.pop_back();
    node->references = 1;
    node->released = false;
    node->pass = 0;
  }
  node->kind = kind;
  node->order = ++next_order;
  return Ref<TapeNode>::adopt(node);
}

void retire(TapeNode *node) {
  node->release();
  node->plan.reset();
  node->outputs.clear();
  node->incoming.clear();
  if (spare_nodes.size() < kSpareNodes)
    spare_nodes.push_back(node);
  else
    delete node;
}

}  // namespace

TapeNode::~TapeNode() { Py_XDECREF(custom); }

void TapeNode::release() {
  released = true;
  saved.clear();
  saved_edges.clear();
  inputs.clear();
  scalars.clear();
  Py_CLEAR(custom);
}

// Long chains would recurse through the destructor of each node's inputs; a work list keeps the
// stack flat.
void TapeNode::drop() {
  if (--references != 0) return;
  static std::vector<TapeNode *> dying;
  static bool busy = false;
  dying.push_back(this);
  if (busy) return;
  busy = true;
  while (!dying.empty()) {
    TapeNode *node = dying.back();
    dying.pop_back();
    retire(node);
  }
  busy = false;
}

Ref<TapeNode> record_plan(Plan &plan, const Tensor *const *ins, const Edge *const *in_edges,
                          const Tensor *outs, const mx_scalar *scalars) {
  auto node = new_node(TapeNode::kPlan);
  node->plan = Ref<Plan>(&plan);
  node->inputs.reserve(plan.grad_inputs.size());
  for (int32_t i : plan.grad_inputs) node->inputs.push_back(*in_edges[i]);
  node->saved.reserve(plan.saved.size());
  for (const Saved &s : plan.saved) {
    const Tensor &t = s.is_output ? outs[s.index] : *ins[s.index];
    node->saved.push_back({t, t.chunk->version});
  }
  node->outputs.assign(plan.outputs.begin(), plan.outputs.end());
  node->scalars.assign(scalars, scalars + plan.n_scalars);
  bool any = false;
  for (const Saved &s : plan.saved) any |= !s.is_output && *in_edges[s.index];
  if (any) {
    node->saved_edges.reserve(plan.saved.size());
    for (const Saved &s : plan.saved)
      node->saved_edges.push_back(s.is_output ? Edge{} : *in_edges[s.index]);
  }
  return node;
}

Ref<TapeNode> record_custom(PyObject *callable) {
  auto node = new_node(TapeNode::kCustom);
  node->custom = Py_NewRef(callable);
  return node;
}

Ref<TapeNode> record_reshape(const Edge &input, const TensorType *from, const TensorType *to) {
  auto node = new_node(TapeNode::kReshape);
  node->inputs.push_back(input);
  node->input_type = from;
  node->outputs.push_back(to);
  return node;
}

namespace {

// One backward pass over the tape.
class Backward {
 public:
  Backward(bool retain_graph, bool create_graph, const std::vector<Edge> &wanted)
      : pass_(++next_pass),
        retain_(retain_graph),
        create_(create_graph),
        wanted_(wanted),
        results_(wanted.size()) {
    nodes_.swap(spare_list<Ref<TapeNode>>());
    variables_.swap(spare_list<Ref<Variable>>());
  }
  ~Backward() {
    nodes_.clear();
    variables_.clear();
    nodes_.swap(spare_list<Ref<TapeNode>>());
    variables_.swap(spare_list<Ref<Variable>>());
  }

  std::vector<Gradient> run(const std::vector<Gradient> &heads, const std::vector<Tensor> &values) {
    collect(heads);
    for (size_t i = 0; i < heads.size(); ++i)
      deliver(heads[i].edge, head_gradient(heads[i], values[i]));
    for (const Ref<TapeNode> &node : nodes_) visit(*node.get());
    finish_variables();
    return std::move(results_);
  }

 private:
  using Incoming = TapeNode::Incoming;

  Incoming head_gradient(const Gradient &head, const Tensor &value) {
    if (!head.tensor)
      return create_ || !wanted_.empty() ? Incoming{ones_like(value), {}, true}
                                         : Incoming{shared_ones(value), {}, false};
    // head.edge is the head's own; the gradient given by the user is a constant here.
    return {head.tensor, {}, false};
  }

  // Ones for a head, kept for the next pass where they are small. Only read, never handed to
  // Python.
  static Tensor shared_ones(const Tensor &value) {
    if (value.type->bytes > 4096) return ones_like(value);
    static std::vector<Tensor> kept;
    for (const Tensor &t : kept)
      if (t.type == value.type && t.device() == value.device()) return t;
    if (kept.size() >= 16) kept.erase(kept.begin());
    kept.push_back(ones_like(value));
    return kept.back();
  }

  // A tensor that other gradients, or the head gradient given, may share becomes one of its own
  // before Python sees it.
  static Tensor owned(Incoming &in) {
    if (in.own || in.edge) return in.tensor;
    Tensor copy = empty_tensor(in.tensor.device(), in.tensor.type);
    copy_tensor(in.tensor, copy);
    in.tensor = copy;
    in.own = true;
    return copy;
  }

  // Finds all nodes that the heads depend on, newest first, and counts the contributions to each
  // variable.
  void collect(const std::vector<Gradient> &heads) {
    std::vector<TapeNode *> stack;
    auto reach = [&](const Edge &e) {
      if (Variable *v = e.variable.get()) {
        if (v->pass != pass_) {
          v->pass = pass_;
          v->expected = v->arrived = 0;
          variables_.push_back(e.variable);
        }
        ++v->expected;
      } else if (TapeNode *n = e.node.get(); n && n->pass != pass_) {
        n->pass = pass_;
        n->incoming.clear();
        n->incoming.resize(n->outputs.size());
        nodes_.push_back(e.node);
        stack.push_back(n);
      }
    };
    for (const Gradient &h : heads) reach(h.edge);
    while (!stack.empty()) {
      TapeNode *n = stack.back();
      stack.pop_back();
      if (n->released) used_twice(*n);
      for (const Edge &e : n->inputs) reach(e);
    }
    if (nodes_.size() > 1)
      std::sort(nodes_.begin(), nodes_.end(),
                [](const auto &a, const auto &b) { return a->order > b->order; });
  }

  [[noreturn]] static void used_twice(const TapeNode &n) {
    std::string name = n.plan ? "[" + n.plan->name + "] " : std::string("[backward] ");
    fail("MXNetError", name +
                           "this recorded computation was already used by a backward pass, which "
                           "freed it. Pass retain_graph=True "
                           "to the first backward, or record the computation again");
  }

  void add(Incoming &sum, Incoming more) {
    if (!sum.tensor) {
      sum = std::move(more);
      return;
    }
    static Op *kept = nullptr;
    Op *op = find_once(kept, "elemwise_add");
    if (create_ && (sum.edge || more.edge)) {
      Object a(new_array(sum.tensor, sum.edge)), b(new_array(more.tensor, more.edge));
      Object c = checked(call_binary(op, a.get(), b.get(), nullptr));
      sum = {as_array(c.get())->tensor, as_array(c.get())->edge, true};
      return;
    }
    Tensor out = sum.own ? sum.tensor : more.own ? more.tensor : Tensor();
    run_binary(op, sum.tensor, more.tensor, out);
    sum = {std::move(out), {}, true};
  }

  void deliver(const Edge &to, Incoming gradient) {
    if (TapeNode *n = to.node.get()) {
      if (n->pass == pass_) add(n->incoming[static_cast<size_t>(to.index)], std::move(gradient));
    } else if (Variable *v = to.variable.get()) {
      ++v->arrived;
      Incoming sum{std::move(v->sum), std::move(v->sum_edge), v->own_sum};
      v->sum = Tensor();
      v->sum_edge = Edge();
      add(sum, std::move(gradient));
      v->sum = std::move(sum.tensor);
      v->sum_edge = std::move(sum.edge);
      v->own_sum = sum.own;
    }
  }

  void visit(TapeNode &node) {
    bool any = false;
    for (size_t j = 0; j < node.incoming.size(); ++j) {
      if (!node.incoming[j].tensor) continue;
      any = true;
      if (wanted_.empty()) continue;
      for (size_t i = 0; i < wanted_.size(); ++i)
        if (wanted_[i].node.get() == &node && wanted_[i].index == static_cast<int32_t>(j))
          results_[i] = {owned(node.incoming[j]), node.incoming[j].edge};
    }
    if (any) switch (node.kind) {
        case TapeNode::kPlan:
          visit_plan(node);
          break;
        case TapeNode::kReshape:
          visit_reshape(node);
          break;
        case TapeNode::kCustom:
          visit_custom(node);
          break;
      }
    node.incoming.clear();
    if (!retain_ && !create_) node.release();
  }

  void visit_reshape(TapeNode &node) {
    Incoming in = std::move(node.incoming[0]);
    Edge edge;
    if (create_ && in.edge)
      edge = {record_reshape(in.edge, in.tensor.type, node.input_type), {}, 0};
    in.tensor.type = node.input_type;
    deliver(node.inputs[0], {std::move(in.tensor), std::move(edge), in.own});
  }

  void check_versions(const TapeNode &node) const {
    for (size_t i = 0; i < node.saved.size(); ++i)
      if (node.saved[i].tensor.chunk->version != node.saved[i].version)
        fail("MXNetError", "[" + node.plan->name + "] an array of type " +
                               node.saved[i].tensor.type->text() +
                               " that its gradient needs was overwritten after it was recorded. "
                               "Change arrays in place only after "
                               "backward, or work on a copy");
  }

  void visit_plan(TapeNode &node) {
    check_versions(node);
    std::vector<int32_t> &heads = heads_, &recorded = recorded_;
    heads.clear();
    recorded.clear();
    for (size_t j = 0; j < node.incoming.size(); ++j)
      if (node.incoming[j].tensor) heads.push_back(static_cast<int32_t>(j));
    size_t n_in = heads.size() + node.saved.size();
    SmallBuffer<const Tensor *, 12> ins(n_in);
    SmallBuffer<const Edge *, 12> edges(n_in);
    std::vector<Edge> own_edges;
    static const Edge none;
    for (size_t k = 0; k < heads.size(); ++k) {
      ins[k] = &node.incoming[static_cast<size_t>(heads[k])].tensor;
      edges[k] = create_ ? &node.incoming[static_cast<size_t>(heads[k])].edge : &none;
    }
    if (create_) own_edges.reserve(node.saved.size());
    for (size_t k = 0; k < node.saved.size(); ++k) {
      ins[heads.size() + k] = &node.saved[k].tensor;
      edges[heads.size() + k] = &none;
      if (!create_) continue;
      const Saved &s = node.plan->saved[k];
      own_edges.push_back(s.is_output                ? Edge{Ref<TapeNode>(&node), {}, s.index}
                          : node.saved_edges.empty() ? Edge{}
                                                     : node.saved_edges[k]);
      edges[heads.size() + k] = &own_edges.back();
    }
    if (create_)
      for (size_t k = 0; k < n_in; ++k)
        if (*edges[k]) recorded.push_back(static_cast<int32_t>(k));
    Plan &plan = gradient_plan(*node.plan.get(), heads, recorded);
    Ref<Plan> keep(&plan);
    size_t n_out = plan.outputs.size();
    SmallBuffer<Tensor, 8> outs(n_out);
    direct_outputs(node, plan, outs.data());
    run_plan(plan, ins.data(), outs.data(), node.scalars.data());
    Ref<TapeNode> made;
    if (!recorded.empty() && !plan.grad_inputs.empty())
      made = record_plan(plan, ins.data(), edges.data(), outs.data(), node.scalars.data());
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      if (!plan.outputs[k]) continue;
      bool alias = plan.aliases[k].input >= 0;
      Incoming gradient{std::move(outs[k]), made ? Edge{made, {}, static_cast<int32_t>(k)} : Edge{},
                        !alias && !made};
      deliver(node.inputs[k], std::move(gradient));
    }
  }

  // A variable with one contribution and grad_req write gets its gradient straight from the kernel.
  void direct_outputs(const TapeNode &node, const Plan &plan, Tensor *outs) {
    if (create_ || !wanted_.empty()) return;
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      Variable *v = node.inputs[k].variable.get();
      if (!v || v->req != kWrite || v->expected != 1 || !v->grad || !plan.outputs[k] ||
          plan.aliases[k].input >= 0)
        continue;
      const Tensor &grad = as_array(v->grad)->tensor;
      if (grad.type == plan.outputs[k] && grad.device() == plan.device) outs[k] = grad;
    }
  }

  void visit_custom(TapeNode &node) {
    Object heads = checked(PyList_New(static_cast<Py_ssize_t>(node.outputs.size())));
    for (size_t j = 0; j < node.outputs.size(); ++j) {
      Incoming &in = node.incoming[j];
      PyObject *o =
          in.tensor ? new_array(owned(in), create_ ? in.edge : Edge{}) : Py_NewRef(Py_None);
      if (!o) throw PythonError();
      PyList_SET_ITEM(heads.get(), static_cast<Py_ssize_t>(j), o);
    }
    Object result = checked(PyObject_CallFunctionObjArgs(node.custom, heads.get(), nullptr));
    Object list = checked(PySequence_Fast(result.get(), "backward must return a list of NDArrays"));
    if (PySequence_Fast_GET_SIZE(list.get()) != static_cast<Py_ssize_t>(node.inputs.size()))
      fail("MXNetError", "[Function] backward must return one gradient for each of the " +
                             std::to_string(node.inputs.size()) + " inputs of forward, got " +
                             std::to_string(PySequence_Fast_GET_SIZE(list.get())));
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      PyObject *o = PySequence_Fast_GET_ITEM(list.get(), static_cast<Py_ssize_t>(k));
      if (o == Py_None || !node.inputs[k]) continue;
      NDArray *a = expect_array(o, "[Function] a gradient returned by backward");
      deliver(node.inputs[k], {a->tensor, create_ ? a->edge : Edge{}, false});
    }
  }

  void finish_variables() {
    for (const Ref<Variable> &ref : variables_) {
      Variable &v = *ref.get();
      Incoming sum{std::exchange(v.sum, Tensor()), std::exchange(v.sum_edge, Edge()), v.own_sum};
      if (!sum.tensor) continue;
      if (!wanted_.empty()) {
        for (size_t i = 0; i < wanted_.size(); ++i)
          if (wanted_[i].variable.get() == &v) results_[i] = {owned(sum), sum.edge};
        continue;
      }
      Gradient g{std::move(sum.tensor), std::move(sum.edge)};
      if (v.grad && v.req != kNull) store(v, g);
    }
  }

  void store(Variable &v, const Gradient &g) {
    NDArray *grad = as_array(v.grad);
    if (g.tensor.type != grad->tensor.type)
      fail("ShapeError", "[backward] the gradient has type " + g.tensor.type->text() +
                             ", the array given for it " + grad->tensor.type->text());
    if (v.req == kAdd) {
      static Op *kept = nullptr;
      Op *op = find_once(kept, "elemwise_add");
      Tensor out = grad->tensor;
      Tensor more = g.tensor;
      if (more.device() != out.device()) {
        more = empty_tensor(out.device(), out.type);
        copy_tensor(g.tensor, more);
      }
      run_binary(op, grad->tensor, more, out);
    } else if (g.tensor.data() != grad->tensor.data() ||
               g.tensor.chunk.get() != grad->tensor.chunk.get()) {
      copy_tensor(g.tensor, grad->tensor);
    }
    if (create_) grad->edge = g.edge;
    v.fresh = true;
  }

  // The capacity of the last pass's lists, for the next one (a nested pass starts from nothing).
  template <typename T>
  static std::vector<T> &spare_list() {
    static std::vector<T> list;
    return list;
  }

  uint64_t pass_;
  bool retain_, create_;
  std::vector<int32_t> heads_, recorded_;
  const std::vector<Edge> &wanted_;
  std::vector<Gradient> results_;
  std::vector<Ref<TapeNode>> nodes_;
  std::vector<Ref<Variable>> variables_;
};

}  // namespace

std::vector<Gradient> backward(const std::vector<Gradient> &heads,
                               const std::vector<Tensor> &values,
                               const std::vector<Edge> &variables, bool retain_graph,
                               bool create_graph) {
  for (const Gradient &h : heads)
    if (!h.edge)
      fail("MXNetError",
           "[backward] this array is not the result of a recorded computation. Compute it inside "
           "`with autograd.record():` from "
           "arrays that have attach_grad(); to differentiate one computation twice, pass "
           "retain_graph=True to the first backward");
  bool recording = std::exchange(tape.recording, false);
  struct Restore {
    bool value;
    ~Restore() { tape.recording = value; }
  } restore{recording};
  if (create_graph) tape.recording = true;
  return Backward(retain_graph, create_graph, variables).run(heads, values);
}

}  // namespace mx
